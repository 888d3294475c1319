"""What is wrong with a request, in words for its sender."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError, WrapValidator

from butaca.web.outputs import FieldError

UNKNOWN_PARAMETER = "Unknown parameter."
REPEATED_PARAMETER = "A parameter must be given only once."
WHOLE_BODY = "body"
"""The `field` of a mistake that concerns the body as a whole."""

_WORDS: Mapping[str, str] = {
    "extra_forbidden": "Unknown field.",
    "missing": "Required.",
    "model_type": "The body must be a JSON object.",
}
"""The words for what pydantic checks before it looks at a value."""


def whole_number(first: int, last: int) -> str:
    """Return the message for a value that is not a whole number in a range."""
    return f"Must be a whole number from {first} to {last}."


def says(message: str) -> WrapValidator:
    """Return a validator that reports each mistake in a value in these words, not in pydantic's."""

    def validate(value: Any, inner: Callable[[Any], Any]) -> Any:
        try:
            return inner(value)
        except ValidationError:
            raise ValueError(message) from None

    return WrapValidator(validate)


def found(location: Literal["query", "body"], error: ValidationError) -> list[FieldError]:
    """Return the mistakes in a part of a request."""
    return [
        FieldError(
            location=location,
            field=".".join(map(str, each["loc"])) or WHOLE_BODY,
            message=_WORDS.get(each["type"]) or each["msg"].removeprefix("Value error, "),
        )
        for each in error.errors(include_url=False, include_input=False)
    ]
