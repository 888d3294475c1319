"""What a deployment may say of us: our settings, our commands, and how long we take to end."""

from collections.abc import Mapping, Sequence

import click
import pytest

from butaca import draining, server
from butaca.cli import main
from butaca.settings import Settings, read_settings

SETTINGS = frozenset(name.upper() for name in Settings.model_fields)
SECONDS_TO_END = draining.LIMIT_SECONDS + server.GRACE_SECONDS


def parse(words: Sequence[str]) -> click.Context:
    """Read a command of `butaca` without running it. Raises UsageError where it is none."""
    context = main.make_context("butaca", list(words))
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert command
        context = command.make_context(name, rest, parent=context)
    return context


def read(environment: Mapping[str, str]) -> Settings:
    """Read settings out of this environment alone. Raises Complaint."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        return read_settings(Settings)
