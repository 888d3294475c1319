"""Routes that say what they answer."""

from collections.abc import Callable, Collection, Iterable, Mapping
from inspect import getdoc
from typing import Any, TypeVar, cast

from apiflask import APIBlueprint
from pydantic import BaseModel

from butaca.web.headers import OF_CONTENT, Spec
from butaca.web.responses import ALWAYS, GOOD, Bad, ref, response

Route = TypeVar("Route", bound=Callable[..., Any])

CACHED = ("Age", "Cache-Control", "Cache-Status", "ETag")
OWN = ("Cache-Control", "ETag")
OWN_MOVIES = (*OWN, "Content-Language")


class Routes(APIBlueprint):
    """A blueprint whose routes say what they answer."""

    def answers(
        self,
        schema: type[BaseModel] | None,
        *statuses: int,
        headers: Collection[str] = (),
        problems: Iterable[Bad] = (),
        texts: Mapping[str, str] | None = None,
    ) -> Callable[[Route], Route]:
        """Put into the contract what a route answers, and with which problems.

        `texts` are media types in which it answers, too, each with a word on what is in them.
        """
        good = {status: _good(schema, status, headers, texts) for status in statuses or (200,)}
        if "ETag" in headers:
            good[304] = response(GOOD[304], set(headers) - OF_CONTENT)
        # APIFlask keeps no reference: `finishing` makes one of the name.
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
    status: int,
    headers: Collection[str],
    texts: Mapping[str, str] | None,
) -> Spec:
    described = response(GOOD[status], headers)
    if schema is None:
        return described
    content: Spec = {"application/json": {"schema": ref("schemas", schema.__name__)}}
    for media_type, meaning in (texts or {}).items():
        content[media_type] = {"schema": {"type": "string", "description": meaning}}
    return {**described, "content": content}
