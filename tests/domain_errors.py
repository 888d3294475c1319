"""The types of expected errors."""

from collections.abc import Iterator

from butaca.core.errors import DomainError


def subclass_tree(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    """Yield a type and all its subclasses, the indirect ones included."""
    yield kind
    for each in kind.__subclasses__():
        yield from subclass_tree(each)
