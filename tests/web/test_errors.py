"""Every error is a problem response, and none reveals internals."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from apiflask import APIFlask
from flask import Response
from flask.testing import FlaskClient
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.test import TestResponse

from butaca.core import errors
from butaca.core.errors import Refusal
from butaca.web import WebOptions, create_web, problems
from tests.builders import CONSUMER_TOKEN, make_record
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.fakes import FakeLibrary
from tests.web.helpers import API, CALLS, Call

POPULAR = f"{API}/movies/popular"
MOVIE = f"{API}/movies/550?language=en"
FIELDS = {"type", "title", "status", "detail", "code", "instance", "request_id"}


def subclasses(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


def refusing(world: World, refusal: Exception) -> FlaskClient:
    """Return the consumer's client of an app whose catalogue refuses so."""
    world.catalogue.failure = refusal  # type: ignore[assignment]
    return client_of(create_web(world.services(), WebOptions()))


def client_of(app: APIFlask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
    return client


def shown(answer: TestResponse) -> dict[str, Any]:
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    return dict(answer.json)


REFUSALS = [
    (errors.MovieNotFound(), 404, "movie-not-found", {}),
    (errors.FavoriteNotFound(), 404, "favorite-not-found", {}),
    (errors.RatingNotFound(), 404, "rating-not-found", {}),
    (errors.UserNotFound(), 404, "user-not-found", {}),
    (
        errors.TokenRejected(),
        401,
        "unauthorized",
        {"WWW-Authenticate": 'Bearer realm="butaca", error="invalid_token"'},
    ),
    (
        errors.RoleMissing(),
        403,
        "forbidden",
        {"WWW-Authenticate": 'Bearer realm="butaca", error="insufficient_scope"'},
    ),
    (errors.LibraryUnavailable(), 503, "library-unavailable", {"Retry-After": "5"}),
    (errors.LibraryBusy(), 503, "library-busy", {"Retry-After": "1"}),
    (
        errors.CatalogueUnavailable(retry_after=17),
        503,
        "catalogue-unavailable",
        {"Retry-After": "17"},
    ),
    (errors.CatalogueBusy(), 503, "catalogue-busy", {"Retry-After": "1"}),
    (errors.CatalogueTimedOut(retry_after=9), 504, "catalogue-timed-out", {"Retry-After": "9"}),
    (errors.CatalogueGarbled(), 502, "catalogue-garbled", {}),
    (errors.CatalogueAnsweredNonsense(), 502, "catalogue-answered-nonsense", {}),
    (errors.CatalogueRefusedUs(upstream_status=401), 502, "catalogue-refused-us", {}),
]


@pytest.mark.parametrize(
    ("refusal", "status", "code", "headers"), REFUSALS, ids=[each[2] for each in REFUSALS]
)
def test_every_refusal_has_its_status_its_code_and_its_headers(
    refusal: Refusal, status: int, code: str, headers: dict[str, str], world: World
) -> None:
    answer = refusing(world, refusal).get(POPULAR)

    assert answer.status_code == status
    assert shown(answer).keys() == FIELDS
    assert (
        shown(answer).items()
        >= {
            "type": f"urn:butaca:problem:{code}",
            "status": status,
            "detail": str(refusal),
            "code": code,
            "instance": POPULAR,
            "request_id": answer.headers["X-Request-Id"],
        }.items()
    )
    told = {name: answer.headers.get(name) for name in ("Retry-After", "WWW-Authenticate")}
    assert {name: value for name, value in told.items() if value} == headers


# Input is held against their rules before the core is asked, the command line alone meets those of
# operators, and the rest are mere families.
FOR_OPERATORS = {
    errors.NameTaken,
    errors.NameUnacceptable,
    errors.TokenNotFound,
    errors.TokenRevokedAlready,
    errors.LifetimeUnacceptable,
    errors.DemoRoleFixed,
}
NEVER_MET = {Refusal, errors.CatalogueFailed, errors.StarsOutOfRange, errors.SortUnknown}


@pytest.mark.parametrize(
    "kind", sorted(set(subclasses(Refusal)) - NEVER_MET - FOR_OPERATORS, key=str)
)
def test_every_refusal_that_the_web_can_meet_has_a_problem(kind: type[Refusal]) -> None:
    assert problems.of_refusal(kind).status >= 400


def test_every_problem_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in problems.ALL]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", problems.ALL, ids=lambda kind: kind.code)
def test_every_problem_has_words_for_programs_and_for_people(kind: problems.ProblemType) -> None:
    assert kind.code == kind.code.lower()
    assert " " not in kind.code
    assert kind.title
    assert kind.status >= 400


def test_a_problem_lists_mistakes_only_where_there_are_some(consumer: ContractClient) -> None:
    assert shown(consumer.get(f"{POPULAR}?page=0")).keys() == {*FIELDS, "errors"}
    assert shown(consumer.get(f"{API}/movies/1")).keys() == FIELDS


class AwayLibrary(FakeLibrary):
    """A library whose database cannot be reached, whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        raise errors.LibraryUnavailable


NEEDING_THE_LIBRARY = [
    call for call in CALLS if "/movies/" not in call.rule and call.rule != f"{API}/me"
]


@pytest.mark.parametrize("call", NEEDING_THE_LIBRARY, ids=str)
def test_while_the_database_is_away_a_caller_is_told_when_to_come_back(call: Call) -> None:
    admin = World(store=AwayLibrary()).client(token="abcdef1234567890")

    answer = call.send(admin)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("include", "status"), [("", 200), ("&include=me", 503)], ids=["plain", "marked"]
)
@pytest.mark.parametrize("path", [f"{POPULAR}?", f"{API}/movies/search?query=x", MOVIE])
def test_movies_are_shown_while_the_database_is_away_but_not_their_marks(
    path: str, include: str, status: int
) -> None:
    world = World(store=AwayLibrary())
    world.catalogue.add(make_record(550))
    consumer = world.client(token=CONSUMER_TOKEN)

    assert consumer.get(path + include).status_code == status


SECRET = "postgresql://user:pa55word@db/butaca"


def broken(kind: type[Exception]) -> Exception:
    return kind(f"{SECRET} went wrong")


@pytest.mark.parametrize("kind", [RuntimeError, KeyError, OSError, AttributeError])
def test_what_nobody_foresaw_is_our_fault_and_its_text_stays_here(
    kind: type[Exception], world: World
) -> None:
    answer = refusing(world, broken(kind)).get(POPULAR)

    assert answer.status_code == 500
    assert shown(answer).keys() == FIELDS
    assert shown(answer)["code"] == "internal-server-error"
    assert SECRET not in answer.text
    assert SECRET not in str(answer.headers)
    assert "Traceback" not in answer.text


def test_what_nobody_foresaw_is_one_line_in_the_log_with_its_traceback(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    client = refusing(world, broken(RuntimeError))

    with caplog.at_level(logging.WARNING):
        client.get(POPULAR)

    (line,) = caplog.records
    assert (line.name, line.levelname, line.getMessage()) == (
        "butaca.web",
        "ERROR",
        "request.broke",
    )
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], RuntimeError)
    assert line.exc_info[2] is not None


def test_what_is_foreseen_is_no_error_in_the_log(
    world: World, consumer: ContractClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        consumer.get(f"{API}/movies/1")
        consumer.get(f"{POPULAR}?page=0")
        consumer.get(f"{API}/nope")

    assert caplog.records == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "detail"),
    [
        ("GET", "/nope", 404, "not-found", "There is no resource at this path."),
        ("GET", "/api", 404, "not-found", "There is no resource at this path."),
        ("GET", "/api/v1", 404, "not-found", "There is no resource at this path."),
        ("GET", "/docs/nope.js", 404, "not-found", "There is no resource at this path."),
        ("GET", "/docs/../docs.py", 404, "not-found", "There is no resource at this path."),
        ("GET", "/%00", 404, "not-found", "There is no resource at this path."),
        (
            "POST",
            "/livez",
            405,
            "method-not-allowed",
            "This path does not support that method.",
        ),
        (
            "BREW",
            "/livez",
            405,
            "method-not-allowed",
            "This path does not support that method.",
        ),
    ],
)
def test_outside_the_api_errors_are_problems_too(
    method: str, path: str, status: int, code: str, detail: str, anonymous: ContractClient
) -> None:
    answer = anonymous.open(path, method=method)

    assert answer.status_code == status
    assert shown(answer)["code"] == code
    assert shown(answer)["detail"] == detail
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("path", [f"{API}//me", f"{API}/me//favorites", f"{API}/me/"])
def test_a_slash_too_many_leads_nowhere(path: str, consumer: ContractClient) -> None:
    answer = consumer.get(path)

    assert answer.status_code == 404
    assert shown(answer)["code"] == "not-found"


def test_a_method_that_is_not_allowed_names_those_that_are(consumer: ContractClient) -> None:
    answer = consumer.delete(f"{API}/me/favorites")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def raising(error: Exception) -> Callable[[], Response]:
    def view() -> Response:
        raise error

    return view


def test_a_status_without_words_of_ours_is_told_by_its_number(world: World) -> None:
    app = create_web(world.services(), WebOptions())
    app.add_url_rule("/range", "range", raising(RequestedRangeNotSatisfiable(description=SECRET)))

    answer = client_of(app).get("/range")

    assert answer.status_code == 416
    assert shown(answer)["code"] == "http-416"
    assert shown(answer)["detail"] == "The request cannot be met."
    assert SECRET not in answer.text


def test_the_instance_is_the_path_as_it_was_asked_for(anonymous: ContractClient) -> None:
    answer = anonymous.get("/no/such%20%C3%B1and%C3%BA?token=secret")

    assert shown(answer)["instance"] == "/no/such ñandú"
    assert "secret" not in answer.text
