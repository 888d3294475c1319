"""Administration: the favorites of any user, by ID."""

import logging
from copy import deepcopy

import pytest

from tests.builders import ADMIN, CONSUMER, make_record, make_translation
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.web.helpers import API, add_favorites, add_rating


def favorites_of(user_id: int) -> str:
    return f"{API}/users/{user_id}/favorites"


def test_admin_sees_the_favorites_and_ratings_of_a_user(
    backend: FakeBackend, admin: ContractClient, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(1), make_record(2))
    add_rating(backend, make_record(1), 4.5)
    add_rating(backend, make_record(2), 1, user=ADMIN)
    add_favorites(backend, make_record(3), user=ADMIN)

    response = admin.get(favorites_of(CONSUMER.id))

    assert response.status_code == 200
    assert response.json == consumer.get(f"{API}/me/favorites").json
    assert response.json is not None
    assert [(entry["movie"]["id"], entry["rating"]) for entry in response.json["results"]] == [
        (1, 4.5),
        (2, None),
    ]


def test_admin_sees_their_own_favorites_by_id(backend: FakeBackend, admin: ContractClient) -> None:
    add_favorites(backend, make_record(3), user=ADMIN)

    response = admin.get(favorites_of(ADMIN.id))

    assert response.json == admin.get(f"{API}/me/favorites").json


def test_admin_can_sort_paginate_and_translate(backend: FakeBackend, admin: ContractClient) -> None:
    add_favorites(
        backend, *(make_record(n, make_translation(title=f"Título {n}")) for n in (1, 2, 3))
    )

    response = admin.get(
        f"{favorites_of(CONSUMER.id)}?sort=-favorited_at&page=2&page_size=2&language=es"
    )

    assert response.json is not None
    assert [entry["movie"]["title"] for entry in response.json["results"]] == ["Título 1"]
    assert response.headers["Link"].startswith(f"<{favorites_of(CONSUMER.id)}?sort=-favorited_at&")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("user_id", [0, 3, 2**31 - 1])
def test_unknown_user_returns_404(
    method: str, user_id: int, backend: FakeBackend, admin: ContractClient
) -> None:
    add_favorites(backend, make_record(1))
    before = deepcopy(backend.store)

    response = admin.open(favorites_of(user_id), method=method)

    assert response.status_code == 404
    assert response.json is not None
    assert response.json["code"] == "user-not-found"
    assert backend.store == before


def test_clearing_deletes_all_favorites_of_one_user(
    backend: FakeBackend, admin: ContractClient
) -> None:
    add_favorites(backend, make_record(1), make_record(2), make_record(3))
    add_favorites(backend, make_record(1), user=ADMIN)

    response = admin.delete(favorites_of(CONSUMER.id))

    assert response.status_code == 200
    assert response.json == {"user_id": CONSUMER.id, "deleted": 3}
    assert set(backend.store.favorited) == {(ADMIN.id, 1)}


def test_clearing_keeps_the_ratings(backend: FakeBackend, admin: ContractClient) -> None:
    add_favorites(backend, make_record(1))
    add_rating(backend, make_record(1), 5)
    rated = dict(backend.store.rated)

    admin.delete(favorites_of(CONSUMER.id))

    assert backend.store.favorited == {}
    assert backend.store.rated == rated


def test_clearing_again_deletes_nothing(backend: FakeBackend, admin: ContractClient) -> None:
    add_favorites(backend, make_record(1))
    admin.delete(favorites_of(CONSUMER.id))

    response = admin.delete(favorites_of(CONSUMER.id))

    assert response.status_code == 200
    assert response.json == {"user_id": CONSUMER.id, "deleted": 0}


def test_clearing_favorites_is_audited(
    backend: FakeBackend, admin: ContractClient, caplog: pytest.LogCaptureFixture
) -> None:
    add_favorites(backend, make_record(1), make_record(2))

    with caplog.at_level(logging.INFO, logger="butaca.audit"):
        admin.delete(favorites_of(CONSUMER.id))

    (record,) = (record for record in caplog.records if record.name == "butaca.audit")
    assert record.getMessage() == "favorites.cleared"
    assert record.__dict__.items() >= {"actor_id": 1, "owner_id": 2, "deleted": 2}.items()


def test_clearing_favorites_of_an_unknown_user_is_not_audited(
    admin: ContractClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="butaca.audit"):
        admin.delete(favorites_of(99))

    assert [record for record in caplog.records if record.name == "butaca.audit"] == []
