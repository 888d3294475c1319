"""Error messages for invalid requests."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError, WrapValidator

from butaca.web.outputs import FieldError

UNKNOWN_PARAMETER = "Unknown parameter."
REPEATED_PARAMETER = "A parameter must be given only once."
WHOLE_BODY = "body"
"""The `field` of an error that concerns the body as a whole."""

_MESSAGES: Mapping[str, str] = {
    "extra_forbidden": "Unknown field.",
    "missing": "Required.",
    "model_type": "The body must be a JSON object.",
}
"""Messages for the checks that pydantic runs before it validates a value, by error type."""


def integer_range(first: int, last: int) -> str:
    """Return the message for a value that is not an integer in a range."""
    return f"Must be a whole number from {first} to {last}."


def error_message(message: str) -> WrapValidator:
    """Return a validator that replaces pydantic's messages for an invalid value with this one."""

    def validate(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(message) from None

    return WrapValidator(validate)


def field_errors(location: Literal["query", "body"], error: ValidationError) -> list[FieldError]:
    """Return the errors in a part of a request."""
    return [
        FieldError(
            location=location,
            field=".".join(map(str, each["loc"])) or WHOLE_BODY,
            message=_MESSAGES.get(each["type"]) or each["msg"].removeprefix("Value error, "),
        )
        for each in error.errors(include_url=False, include_input=False)
    ]
