"""Every refusal has a reason in one sentence that is safe to show."""

from collections.abc import Iterator

import pytest

from butaca.core.errors import CatalogueFailed, CatalogueTimedOut, LibraryUnavailable, Refusal


def tree(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    yield kind
    for each in kind.__subclasses__():
        yield from tree(each)


@pytest.mark.parametrize("kind", [*tree(Refusal)])
def test_a_refusal_says_why_in_one_sentence(kind: type[Refusal]) -> None:
    sentence = str(kind())
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0


def test_a_refusal_may_say_it_in_other_words() -> None:
    assert str(LibraryUnavailable("The library is being moved.")) == "The library is being moved."


def test_a_failure_of_the_catalogue_tells_what_upstream_told() -> None:
    failure = CatalogueTimedOut(upstream_status=504, retry_after=30)
    assert (failure.upstream_status, failure.retry_after, failure.tries) == (504, 30, 1)


def test_a_failure_of_the_catalogue_may_know_nothing_more() -> None:
    failure = CatalogueFailed()
    assert (failure.upstream_status, failure.retry_after, failure.tries) == (None, 5, 1)
