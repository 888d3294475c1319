"""Every expected error has a message of one sentence that is safe to show to clients."""

import pytest

from butaca.core.errors import CatalogueFailed, CatalogueTimedOut, DomainError, LibraryUnavailable
from tests.domain_errors import subclass_tree


@pytest.mark.parametrize("kind", [*subclass_tree(DomainError)])
def test_message_of_an_error_is_one_sentence(kind: type[DomainError]) -> None:
    message = str(kind())
    assert message[0].isupper()
    assert message.endswith(".")
    assert message.count(". ") == 0


def test_message_of_an_error_can_be_overridden() -> None:
    assert str(LibraryUnavailable("The library is being moved.")) == "The library is being moved."


def test_catalogue_failure_has_the_status_and_retry_after_of_upstream() -> None:
    failure = CatalogueTimedOut(upstream_status=504, retry_after=30)
    assert (failure.upstream_status, failure.retry_after, failure.attempts) == (504, 30, 1)


def test_catalogue_failure_has_defaults() -> None:
    failure = CatalogueFailed()
    assert (failure.upstream_status, failure.retry_after, failure.attempts) == (None, 5, 1)
