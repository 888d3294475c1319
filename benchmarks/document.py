"""A page of docs/ whose figures are written by machine, between the words of a person."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DOCS = Path("docs")


@dataclass(frozen=True, slots=True)
class Document:
    """A page with blocks, each between `<!-- NAME -->` and `<!-- end -->`, and its drawings."""

    folder: Path = DOCS
    name: str = "performance.md"

    def write(self, block: str, lines: Iterable[str]) -> None:
        """Write a block anew."""
        text = self.path.read_text()
        pattern = rf"(<!-- {block} -->\n).*?(<!-- end -->)"
        body = "\n".join(lines)
        found, number = re.subn(pattern, lambda m: f"{m[1]}{body}\n{m[2]}", text, flags=re.DOTALL)
        assert number == 1, f"{self.path} has {number} blocks {block}"
        self.path.write_text(found)

    def draw(self, name: str, svg: str) -> None:
        """Write a drawing anew."""
        (self.folder / name).write_text(svg)

    @property
    def path(self) -> Path:
        """Return where the page is."""
        return self.folder / self.name
