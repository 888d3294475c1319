"""Authentication and authorization."""

from copy import deepcopy
from datetime import timedelta

import pytest

from butaca.core.accounts import digest
from butaca.core.errors import LibraryUnavailable
from butaca.core.models import Role, User
from butaca.core.ports import Bearer
from butaca.web import WebOptions, create_web
from butaca.web.routes import Routes
from tests.builders import ADMIN, CONSUMER, CONSUMER_TOKEN, NOON
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.fakes import FakeAccounts
from tests.web.helpers import ADMIN_CALLS, API, CALLS, USER_CALLS, Call, add_sample_data

ME = f"{API}/me"
CHALLENGE = 'Bearer realm="butaca"'


def grant_token(world: World, token: str, **changes: object) -> None:
    bearer = Bearer(CONSUMER, digest(token), **changes)  # type: ignore[arg-type]
    world.accounts.bearers[bearer.token_sha256] = bearer


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_no_route_answers_without_a_token(
    call: Call, world: World, anonymous: ContractClient
) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)

    response = call.send(anonymous)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE
    assert world.store == before
    assert world.catalogue.calls == []


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_no_route_answers_to_an_unknown_token(call: Call, world: World) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)

    response = call.send(world.client(token="never-given-out"))

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == f'{CHALLENGE}, error="invalid_token"'
    assert world.store == before


def test_the_routes_are_those_of_the_contract(anonymous: ContractClient) -> None:
    answer = anonymous.get("/openapi.json")

    assert answer.json is not None
    described = {
        (method.upper(), path.replace("{", "<").replace("}", ">"))
        for path, operations in answer.json["paths"].items()
        for method in operations
    }
    assert described == {(call.method, call.rule) for call in CALLS if call.method != "HEAD"}


@pytest.mark.parametrize("call", USER_CALLS, ids=str)
@pytest.mark.parametrize("who", ["consumer", "admin"])
def test_both_roles_may_do_what_is_for_everybody(
    call: Call, who: str, world: World, request: pytest.FixtureRequest
) -> None:
    add_sample_data(world)

    response = call.send(request.getfixturevalue(who))

    assert response.status_code not in {401, 403}


@pytest.mark.parametrize("call", ADMIN_CALLS, ids=str)
def test_only_an_admin_may_administrate(
    call: Call, world: World, admin: ContractClient, consumer: ContractClient
) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)

    refused = call.send(consumer)

    assert refused.status_code == 403
    assert refused.headers["WWW-Authenticate"] == f'{CHALLENGE}, error="insufficient_scope"'
    assert world.store == before
    assert call.send(admin).status_code == 200


def test_there_are_administration_routes_to_guard() -> None:
    assert {str(call) for call in ADMIN_CALLS} == {
        f"{method} {API}/users/<user_id>/favorites" for method in ("GET", "HEAD", "DELETE")
    }


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["abc/favorites", "99/favorites", "2/favorites?page=junk&x=1"])
def test_a_role_is_checked_before_anything_that_was_sent(
    method: str, path: str, consumer: ContractClient
) -> None:
    response = consumer.open(f"{API}/users/{path}", method=method)

    assert response.status_code == 403


def test_a_user_may_not_clear_even_their_own_favorites_by_id(
    world: World, consumer: ContractClient
) -> None:
    add_sample_data(world)

    response = consumer.delete(f"{API}/users/{CONSUMER.id}/favorites")

    assert response.status_code == 403
    assert (CONSUMER.id, 550) in world.store.kept


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic Y29uc3VtZXI6MTIzNDU2Nzg5MA==",
        "Basic not-base64!",
        f"Token {CONSUMER_TOKEN}",
        f"Bearer:{CONSUMER_TOKEN}",
        CONSUMER_TOKEN,
        "é",
        ",",
    ],
)
def test_whoever_shows_no_bearer_token_is_told_of_no_error(
    header: str, anonymous: ContractClient
) -> None:
    response = anonymous.get(ME, headers={"Authorization": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer é",
        "Bearer \x00",
        f"Bearer {CONSUMER_TOKEN}x",
        f"Bearer {CONSUMER_TOKEN[:-1]}",
        f"Bearer x{CONSUMER_TOKEN}",
        f"Bearer {CONSUMER_TOKEN} {CONSUMER_TOKEN}",
        f"Bearer {CONSUMER_TOKEN}, Bearer {CONSUMER_TOKEN}",
        f"Bearer token={CONSUMER_TOKEN}",
        f'Bearer "{CONSUMER_TOKEN}"',
        f"Bearer {digest(CONSUMER_TOKEN)}",
        f"Bearer {'9' * 4000}",
    ],
)
def test_a_bad_bearer_token_is_called_invalid(header: str, anonymous: ContractClient) -> None:
    response = anonymous.get(ME, environ_overrides={"HTTP_AUTHORIZATION": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == f'{CHALLENGE}, error="invalid_token"'


# RFC 9110, 11.1 and 11.4: the scheme has no case, and any number of spaces may follow it.
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer  "])
def test_the_scheme_may_be_written_as_http_lets_it(scheme: str, anonymous: ContractClient) -> None:
    response = anonymous.get(ME, headers={"Authorization": f"{scheme}{CONSUMER_TOKEN}"})

    assert response.status_code == 200


@pytest.mark.parametrize("name", ["access_token", "token", "api_key"])
def test_a_token_in_the_query_counts_for_nothing(name: str, anonymous: ContractClient) -> None:
    response = anonymous.get(f"{ME}?{name}={CONSUMER_TOKEN}")

    assert response.status_code == 401


def test_a_revoked_token_is_rejected(world: World) -> None:
    grant_token(world, "revoked", revoked_at=NOON)

    assert world.client(token="revoked").get(ME).status_code == 401


def test_a_token_is_good_until_it_expires(world: World) -> None:
    grant_token(world, "passing", expires_at=world.clock.now() + timedelta(seconds=10))
    client = world.client(token="passing")

    world.clock.move(9)
    assert client.get(ME).status_code == 200
    world.clock.move(1)
    assert client.get(ME).status_code == 401


def test_a_token_speaks_for_the_user_whose_it_is(
    admin: ContractClient, consumer: ContractClient
) -> None:
    assert admin.get(ME).json == {"id": ADMIN.id, "name": "admin", "role": "ADMIN"}
    assert consumer.get(ME).json == {"id": CONSUMER.id, "name": "consumer", "role": "USER"}


def test_a_change_of_role_counts_at_once(world: World, consumer: ContractClient) -> None:
    path = f"{API}/users/1/favorites"
    assert consumer.get(path).status_code == 403

    promoted = User(CONSUMER.id, CONSUMER.name, Role.ADMIN)
    key = digest(CONSUMER_TOKEN)
    world.accounts.bearers[key] = Bearer(promoted, key)

    assert consumer.get(path).status_code == 200


class AwayAccounts(FakeAccounts):
    """Accounts in a database that cannot be reached."""

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        raise LibraryUnavailable


def test_when_nobody_can_be_recognized_the_database_is_to_blame_not_the_token() -> None:
    client = World(accounts=AwayAccounts()).client(token=CONSUMER_TOKEN)

    response = client.get(ME)

    assert response.status_code == 503
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("path", [f"{API}/", f"{API}/nope", f"{API}/me/nope", f"{API}/users"])
def test_what_is_not_there_is_told_only_to_whoever_has_a_token(
    path: str, anonymous: ContractClient, consumer: ContractClient
) -> None:
    assert anonymous.get(path).status_code == 401
    assert consumer.get(path).status_code == 404


def test_which_methods_there_are_is_told_only_to_whoever_has_a_token(
    anonymous: ContractClient, consumer: ContractClient
) -> None:
    assert anonymous.put(ME).status_code == 401

    refused = consumer.put(ME)

    assert refused.status_code == 405
    assert {each.strip() for each in refused.headers["Allow"].split(",")} == {
        "GET",
        "HEAD",
        "OPTIONS",
    }


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_asking_for_the_options_needs_no_token_and_does_nothing(
    call: Call, world: World, anonymous: ContractClient
) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)

    response = call.send(anonymous, method="OPTIONS", json=None)

    assert response.status_code == 200
    assert call.method in response.headers["Allow"]
    assert response.data == b""
    assert world.store == before


def test_a_route_of_which_nothing_is_said_lets_nobody_in(world: World) -> None:
    app = create_web(world.services(), WebOptions())
    entered = []

    @app.get(f"{API}/open")
    def enter() -> str:
        entered.append("somebody")
        return "in"

    response = app.test_client().get(
        f"{API}/open", headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"}
    )

    assert response.status_code == 500
    assert entered == []


def test_a_route_that_says_not_whom_it_is_for_cannot_be_made() -> None:
    bp = Routes("careless", __name__)

    def careless() -> str:
        return "anybody's"

    with pytest.raises(TypeError, match="careless declares no role"):
        bp.get("/careless")(careless)
