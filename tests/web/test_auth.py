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
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.fakes import FakeAccounts
from tests.web.helpers import ADMIN_CALLS, API, CALLS, USER_CALLS, Call, add_sample_data

ME = f"{API}/me"
CHALLENGE = 'Bearer realm="butaca"'


def add_token(backend: FakeBackend, token: str, **changes: object) -> None:
    bearer = Bearer(CONSUMER, digest(token), **changes)  # type: ignore[arg-type]
    backend.accounts.bearers[bearer.token_sha256] = bearer


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_route_rejects_a_request_without_a_token(
    call: Call, backend: FakeBackend, anonymous: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(anonymous)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE
    assert backend.store == before
    assert backend.catalogue.calls == []


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_route_rejects_an_unknown_token(call: Call, backend: FakeBackend) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(backend.client(token="never-issued"))

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == f'{CHALLENGE}, error="invalid_token"'
    assert backend.store == before


def test_contract_describes_exactly_the_registered_routes(anonymous: ContractClient) -> None:
    response = anonymous.get("/openapi.json")

    assert response.json is not None
    documented = {
        (method.upper(), path.replace("{", "<").replace("}", ">"))
        for path, operations in response.json["paths"].items()
        for method in operations
    }
    assert documented == {(call.method, call.rule) for call in CALLS if call.method != "HEAD"}


@pytest.mark.parametrize("call", USER_CALLS, ids=str)
@pytest.mark.parametrize("client_name", ["consumer", "admin"])
def test_both_roles_may_call_user_routes(
    call: Call, client_name: str, backend: FakeBackend, request: pytest.FixtureRequest
) -> None:
    add_sample_data(backend)

    response = call.send(request.getfixturevalue(client_name))

    assert response.status_code not in {401, 403}


@pytest.mark.parametrize("call", ADMIN_CALLS, ids=str)
def test_only_admins_may_call_admin_routes(
    call: Call, backend: FakeBackend, admin: ContractClient, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    rejected = call.send(consumer)

    assert rejected.status_code == 403
    assert rejected.headers["WWW-Authenticate"] == f'{CHALLENGE}, error="insufficient_scope"'
    assert backend.store == before
    assert call.send(admin).status_code == 200


def test_only_user_favorites_routes_require_admin() -> None:
    assert {str(call) for call in ADMIN_CALLS} == {
        f"{method} {API}/users/<user_id>/favorites" for method in ("GET", "HEAD", "DELETE")
    }


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["abc/favorites", "99/favorites", "2/favorites?page=junk&x=1"])
def test_role_is_checked_before_the_path_and_the_query(
    method: str, path: str, consumer: ContractClient
) -> None:
    response = consumer.open(f"{API}/users/{path}", method=method)

    assert response.status_code == 403


def test_user_may_not_clear_their_own_favorites_by_user_id(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)

    response = consumer.delete(f"{API}/users/{CONSUMER.id}/favorites")

    assert response.status_code == 403
    assert (CONSUMER.id, 550) in backend.store.favorited


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
def test_challenge_has_no_error_without_a_bearer_token(
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
def test_challenge_for_a_bad_bearer_token_is_invalid_token(
    header: str, anonymous: ContractClient
) -> None:
    response = anonymous.get(ME, environ_overrides={"HTTP_AUTHORIZATION": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == f'{CHALLENGE}, error="invalid_token"'


# RFC 9110, 11.1 and 11.4: the scheme is case-insensitive and followed by one or more spaces.
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer  "])
def test_scheme_is_case_insensitive_and_may_be_padded(
    scheme: str, anonymous: ContractClient
) -> None:
    response = anonymous.get(ME, headers={"Authorization": f"{scheme}{CONSUMER_TOKEN}"})

    assert response.status_code == 200


@pytest.mark.parametrize("name", ["access_token", "token", "api_key"])
def test_token_in_the_query_is_ignored(name: str, anonymous: ContractClient) -> None:
    response = anonymous.get(f"{ME}?{name}={CONSUMER_TOKEN}")

    assert response.status_code == 401


def test_revoked_token_is_rejected(backend: FakeBackend) -> None:
    add_token(backend, "revoked", revoked_at=NOON)

    assert backend.client(token="revoked").get(ME).status_code == 401


def test_token_is_valid_until_it_expires(backend: FakeBackend) -> None:
    add_token(backend, "expiring", expires_at=backend.clock.now() + timedelta(seconds=10))
    client = backend.client(token="expiring")

    backend.clock.advance(9)
    assert client.get(ME).status_code == 200
    backend.clock.advance(1)
    assert client.get(ME).status_code == 401


def test_token_identifies_its_user(admin: ContractClient, consumer: ContractClient) -> None:
    assert admin.get(ME).json == {"id": ADMIN.id, "name": "admin", "role": "ADMIN"}
    assert consumer.get(ME).json == {"id": CONSUMER.id, "name": "consumer", "role": "USER"}


def test_role_change_takes_effect_immediately(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    path = f"{API}/users/1/favorites"
    assert consumer.get(path).status_code == 403

    promoted = User(CONSUMER.id, CONSUMER.name, Role.ADMIN)
    key = digest(CONSUMER_TOKEN)
    backend.accounts.bearers[key] = Bearer(promoted, key)

    assert consumer.get(path).status_code == 200


class UnreachableAccounts(FakeAccounts):
    """Accounts whose database is unreachable."""

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        raise LibraryUnavailable


def test_unreachable_database_returns_503_rather_than_401() -> None:
    client = FakeBackend(accounts=UnreachableAccounts()).client(token=CONSUMER_TOKEN)

    response = client.get(ME)

    assert response.status_code == 503
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("path", [f"{API}/", f"{API}/nope", f"{API}/me/nope", f"{API}/users"])
def test_unknown_path_returns_404_only_with_a_token(
    path: str, anonymous: ContractClient, consumer: ContractClient
) -> None:
    assert anonymous.get(path).status_code == 401
    assert consumer.get(path).status_code == 404


def test_wrong_method_returns_405_only_with_a_token(
    anonymous: ContractClient, consumer: ContractClient
) -> None:
    assert anonymous.put(ME).status_code == 401

    rejected = consumer.put(ME)

    assert rejected.status_code == 405
    assert {method.strip() for method in rejected.headers["Allow"].split(",")} == {
        "GET",
        "HEAD",
        "OPTIONS",
    }


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_options_requires_no_token_and_changes_nothing(
    call: Call, backend: FakeBackend, anonymous: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(anonymous, method="OPTIONS", json=None)

    assert response.status_code == 200
    assert call.method in response.headers["Allow"]
    assert response.data == b""
    assert backend.store == before


def test_route_without_a_role_is_never_called(backend: FakeBackend) -> None:
    app = create_web(backend.services(), WebOptions())
    calls = []

    @app.get(f"{API}/open")
    def view() -> str:
        calls.append("view")
        return "body"

    response = app.test_client().get(
        f"{API}/open", headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"}
    )

    assert response.status_code == 500
    assert calls == []


def test_blueprint_rejects_a_route_without_a_role() -> None:
    bp = Routes("unprotected", __name__)

    def view() -> str:
        return "body"

    with pytest.raises(TypeError, match="view declares no role"):
        bp.get("/unprotected")(view)
