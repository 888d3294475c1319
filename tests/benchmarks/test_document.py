"""Benchmark results are written into marked blocks of a document."""

from pathlib import Path

import pytest

from benchmarks.document import Document

PAGE = "Text.\n<!-- goals -->\nold\n<!-- end -->\nMore text.\n<!-- growth -->\n<!-- end -->\n"


@pytest.fixture
def document(tmp_path: Path) -> Document:
    document = Document(tmp_path)
    document.path.write_text(PAGE)
    return document


def test_writing_a_block_keeps_the_text_around_it(document: Document) -> None:
    document.write("goals", ["new", "and newer"])
    assert document.path.read_text() == PAGE.replace("old", "new\nand newer")


def test_unknown_block_raises_an_error(document: Document) -> None:
    with pytest.raises(AssertionError, match="0 blocks memory"):
        document.write("memory", ["lost"])


def test_backslash_is_written_unchanged(document: Document) -> None:
    document.write("growth", [r"\1"])
    assert r"\1" in document.path.read_text()
