"""Blueprints whose routes declare their responses in the contract."""

from collections.abc import Callable, Collection, Iterable, Mapping
from inspect import getdoc
from typing import Any, TypeVar, cast

from apiflask import APIBlueprint
from pydantic import BaseModel

from butaca.web.auth import required_role
from butaca.web.headers import OF_CONTENT, Spec
from butaca.web.responses import ALWAYS, NOT_MODIFIED, ErrorResponse, ref, response

Route = TypeVar("Route", bound=Callable[..., Any])

CACHED = ("Age", "Cache-Control", "Cache-Status", "ETag")
OWN = ("Cache-Control", "ETag")
OWN_MOVIES = (*OWN, "Content-Language")


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

    def answers(
        self,
        schema: type[BaseModel] | None,
        meanings: Mapping[int, str],
        *,
        headers: Collection[str] = (),
        problems: Iterable[ErrorResponse] = (),
        texts: Mapping[str, str] | None = None,
    ) -> Callable[[Route], Route]:
        """Document the responses and problems of a route in the contract.

        `meanings` maps each status of a successful response to its description. `texts` maps
        additional media types of these responses to a description of their content.
        """
        good = {
            status: _good(schema, meaning, headers, texts) for status, meaning in meanings.items()
        }
        if "ETag" in headers:
            good[304] = response(NOT_MODIFIED, set(headers) - OF_CONTENT)
        # APIFlask drops references, so `finishing` creates them from these names.
        bad = {each.status: {"description": each.name} for each in (*ALWAYS, *problems)}

        def decorate(route: Route) -> Route:
            summary, _, description = str(getdoc(route)).partition("\n\n")
            return self.doc(
                summary=summary.removesuffix("."),
                description=description.replace("\n", " "),
                operation_id=_operation_id(route),
                tags=[str(self.tag)],
                responses=cast("Any", {**good, **bad}),
            )(route)

        return decorate


def _operation_id(route: Callable[..., Any]) -> str:
    words = route.__name__.split("_")
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _good(
    schema: type[BaseModel] | None,
    meaning: str,
    headers: Collection[str],
    texts: Mapping[str, str] | None,
) -> Spec:
    described = response(meaning, headers)
    if schema is None:
        return described
    content: Spec = {"application/json": {"schema": ref("schemas", schema.__name__)}}
    for media_type, text in (texts or {}).items():
        content[media_type] = {"schema": {"type": "string", "description": text}}
    return {**described, "content": content}
