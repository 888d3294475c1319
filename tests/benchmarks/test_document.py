from pathlib import Path

import pytest

from benchmarks.document import Document

PAGE = "Words.\n<!-- goals -->\nold\n<!-- end -->\nMore words.\n<!-- growth -->\n<!-- end -->\n"


@pytest.fixture
def document(tmp_path: Path) -> Document:
    document = Document(tmp_path)
    document.path.write_text(PAGE)
    return document


def test_a_block_is_written_anew_and_the_words_around_it_stay(document: Document) -> None:
    document.write("goals", ["new", "and newer"])
    assert document.path.read_text() == PAGE.replace("old", "new\nand newer")


def test_what_has_no_place_on_the_page_is_an_error(document: Document) -> None:
    with pytest.raises(AssertionError, match="0 blocks memory"):
        document.write("memory", ["lost"])


def test_a_backslash_is_written_as_it_is(document: Document) -> None:
    document.write("growth", [r"\1"])
    assert r"\1" in document.path.read_text()
