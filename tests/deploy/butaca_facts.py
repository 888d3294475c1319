"""Facts that deployments depend on: Butaca's settings, commands and shutdown time."""

from collections.abc import Mapping, Sequence

import click
import pytest

from butaca import draining, server
from butaca.cli import main
from butaca.settings import Settings, read_settings

SETTINGS = frozenset(name.upper() for name in Settings.model_fields)
SHUTDOWN_SECONDS = draining.DRAIN_TIMEOUT + server.GRACE_SECONDS


def parse_command(args: Sequence[str]) -> click.Context:
    """Parse a `butaca` command without running it. Raises UsageError if it is invalid."""
    context = main.make_context("butaca", list(args))
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert command
        context = command.make_context(name, rest, parent=context)
    return context


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings only from this environment. Raises OperatorError."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        return read_settings(Settings)
