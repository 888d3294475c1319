"""Blueprints whose routes declare their responses in the contract."""

from collections.abc import Callable, Collection, Iterable, Mapping
from inspect import getdoc
from typing import Any, TypeVar, cast

from apiflask import APIBlueprint
from pydantic import BaseModel

from butaca.web.auth import required_role
from butaca.web.headers import CONTENT_HEADERS, Spec
from butaca.web.responses import COMMON, NOT_MODIFIED, ErrorResponse, ref, response

Route = TypeVar("Route", bound=Callable[..., Any])

CACHE_HEADERS = ("Age", "Cache-Control", "Cache-Status", "ETag")
PRIVATE_HEADERS = ("Cache-Control", "ETag")
PRIVATE_MOVIE_HEADERS = (*PRIVATE_HEADERS, "Content-Language")


class Routes(APIBlueprint):
    """A blueprint whose routes declare the role that they require, and their responses."""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Register a route. Raises TypeError if it declares no role."""
        required_role(view_func)
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)

    def responses(
        self,
        schema: type[BaseModel] | None,
        descriptions: Mapping[int, str],
        *,
        headers: Collection[str] = (),
        problems: Iterable[ErrorResponse] = (),
        texts: Mapping[str, str] | None = None,
    ) -> Callable[[Route], Route]:
        """Document the responses and problems of a route in the contract.

        `descriptions` maps each status of a successful response to its description. `texts` maps
        additional media types of these responses to a description of their content.
        """
        successes = {
            status: _success(schema, description, headers, texts)
            for status, description in descriptions.items()
        }
        if "ETag" in headers:
            successes[304] = response(NOT_MODIFIED, set(headers) - CONTENT_HEADERS)
        # APIFlask drops references, so `openapi_completion` creates them from these names.
        errors = {error.status: {"description": error.name} for error in (*COMMON, *problems)}

        def decorate(route: Route) -> Route:
            summary, _, description = str(getdoc(route)).partition("\n\n")
            return self.doc(
                summary=summary.removesuffix("."),
                description=description.replace("\n", " "),
                operation_id=_operation_id(route),
                tags=[str(self.tag)],
                responses=cast("Any", {**successes, **errors}),
            )(route)

        return decorate


def _operation_id(route: Callable[..., Any]) -> str:
    words = route.__name__.split("_")
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _success(
    schema: type[BaseModel] | None,
    description: str,
    headers: Collection[str],
    texts: Mapping[str, str] | None,
) -> Spec:
    described = response(description, headers)
    if schema is None:
        return described
    content: Spec = {"application/json": {"schema": ref("schemas", schema.__name__)}}
    for media_type, text in (texts or {}).items():
        content[media_type] = {"schema": {"type": "string", "description": text}}
    return {**described, "content": content}
