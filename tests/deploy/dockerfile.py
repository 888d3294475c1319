"""A parser for the parts of the Dockerfile that tests need."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.deploy.manifests import ROOT


@dataclass
class Stage:
    """A build stage: a FROM and the instructions that follow it."""

    base: str
    name: str | None
    steps: list[tuple[str, str]] = field(default_factory=list)

    def arguments_of(self, keyword: str) -> list[str]:
        return [rest for name, rest in self.steps if name == keyword]

    def argument_of(self, keyword: str) -> str:
        (rest,) = self.arguments_of(keyword)
        return rest

    def command(self, keyword: str) -> list[str]:
        """Return an instruction in exec form. Raises ValueError if it is in shell form."""
        text = self.argument_of(keyword)
        words: list[str] = json.loads(text[text.index("[") :])
        return words

    def environment(self) -> dict[str, str]:
        return dict(
            pair.split("=", 1) for line in self.arguments_of("ENV") for pair in shlex.split(line)
        )


def stages() -> list[Stage]:
    """Return the stages of the Dockerfile. The last one is the image."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    for keyword, rest in _instructions((ROOT / "Dockerfile").read_text()):
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            for argument, value in arguments.items():
                base = base.replace(f"${{{argument}}}", value)
            found.append(Stage(base, name or None))
        elif not found:
            argument, _, value = rest.partition("=")
            arguments[argument] = value
        else:
            found[-1].steps.append((keyword, rest))
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            keyword, rest = line.split(maxsplit=1)
            yield keyword, re.sub(r"  +", " ", rest)
