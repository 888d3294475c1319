"""Every relative link in the documentation leads to an existing file and heading."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GENERATED = {"build", "dist", "node_modules"}
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def markdown_files(root: Path) -> Iterator[str]:
    """Yield the paths of the Markdown files, except in hidden and generated folders."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = {name for name in subfolders if name[0] != "."} - GENERATED
        paths = (Path(folder, name).relative_to(root) for name in names)
        yield from (path.as_posix() for path in paths if path.suffix == ".md")


def prose(file: Path) -> str:
    """Return the text of a Markdown file without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(file: Path) -> set[str]:
    """Return the anchors that GitHub generates for the headings of a file."""
    headings = re.findall(r"^#+ (.+)$", prose(file), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def broken_links(file: Path) -> Iterator[str]:
    """Yield the relative links of a Markdown file that lead nowhere."""
    for path, anchor in LINK.findall(prose(file)):
        target = file.parent / path if path else file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{path}#{anchor}" if anchor else path


@pytest.mark.parametrize("name", sorted(markdown_files(ROOT)))
def test_every_relative_link_leads_to_an_existing_file_and_heading(name: str) -> None:
    assert list(broken_links(ROOT / name)) == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(
        "# A heading\n[a](page.md) [b](#a-heading) [c](missing.md) [d](page.md#missing) [e](#other)"
        "\n```sh\n# Other\n```\n"
    )
    assert list(broken_links(file)) == ["missing.md", "page.md#missing", "#other"]
