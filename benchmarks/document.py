"""A page of docs/ with generated figures between handwritten text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DOCS = Path("docs")


@dataclass(frozen=True, slots=True)
class Document:
    """A page with generated blocks, from `<!-- NAME -->` to `<!-- end -->`, and its drawings."""

    folder: Path = DOCS
    name: str = "performance.md"

    def write(self, block: str, lines: Iterable[str]) -> None:
        """Replace the content of a block."""
        text = self.path.read_text()
        pattern = rf"(<!-- {block} -->\n).*?(<!-- end -->)"
        body = "\n".join(lines)
        found, number = re.subn(pattern, lambda m: f"{m[1]}{body}\n{m[2]}", text, flags=re.DOTALL)
        assert number == 1, f"{self.path} has {number} blocks {block}"
        self.path.write_text(found)

    def draw(self, name: str, svg: str) -> None:
        """Replace a drawing."""
        (self.folder / name).write_text(svg)

    @property
    def path(self) -> Path:
        """Return the path of the page."""
        return self.folder / self.name
