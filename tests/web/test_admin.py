"""Administration: the favorites of any user, by ID."""

import logging
from copy import deepcopy

import pytest

from tests.builders import ADMIN, CONSUMER, make_record, make_translation
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.web.scene import API, keep, rate


def favorites_of(user_id: int) -> str:
    return f"{API}/users/{user_id}/favorites"


def test_an_admin_sees_what_somebody_keeps_with_their_ratings(
    world: World, admin: ContractClient, consumer: ContractClient
) -> None:
    keep(world, make_record(1), make_record(2))
    rate(world, make_record(1), 4.5)
    rate(world, make_record(2), 1, user=ADMIN)
    keep(world, make_record(3), user=ADMIN)

    answer = admin.get(favorites_of(CONSUMER.id))

    assert answer.status_code == 200
    assert answer.json == consumer.get(f"{API}/me/favorites").json
    assert answer.json is not None
    assert [(each["movie"]["id"], each["rating"]) for each in answer.json["results"]] == [
        (1, 4.5),
        (2, None),
    ]


def test_an_admin_sees_their_own_favorites_by_id(world: World, admin: ContractClient) -> None:
    keep(world, make_record(3), user=ADMIN)

    answer = admin.get(favorites_of(ADMIN.id))

    assert answer.json == admin.get(f"{API}/me/favorites").json


def test_an_admin_may_sort_cut_and_translate(world: World, admin: ContractClient) -> None:
    keep(world, *(make_record(n, make_translation(title=f"Título {n}")) for n in (1, 2, 3)))

    answer = admin.get(
        f"{favorites_of(CONSUMER.id)}?sort=-favorited_at&page=2&page_size=2&language=es"
    )

    assert answer.json is not None
    assert [each["movie"]["title"] for each in answer.json["results"]] == ["Título 1"]
    assert answer.headers["Link"].startswith(f"<{favorites_of(CONSUMER.id)}?sort=-favorited_at&")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("user_id", [0, 3, 2**31 - 1])
def test_nobody_has_favorites_who_does_not_exist(
    method: str, user_id: int, world: World, admin: ContractClient
) -> None:
    keep(world, make_record(1))
    before = deepcopy(world.store)

    answer = admin.open(favorites_of(user_id), method=method)

    assert answer.status_code == 404
    assert answer.json is not None
    assert answer.json["code"] == "user-not-found"
    assert world.store == before


def test_clearing_deletes_all_the_favorites_of_one_user(
    world: World, admin: ContractClient
) -> None:
    keep(world, make_record(1), make_record(2), make_record(3))
    keep(world, make_record(1), user=ADMIN)

    answer = admin.delete(favorites_of(CONSUMER.id))

    assert answer.status_code == 200
    assert answer.json == {"user_id": CONSUMER.id, "deleted": 3}
    assert set(world.store.favorited) == {(ADMIN.id, 1)}


def test_clearing_leaves_the_ratings(world: World, admin: ContractClient) -> None:
    keep(world, make_record(1))
    rate(world, make_record(1), 5)
    rated = dict(world.store.rated)

    admin.delete(favorites_of(CONSUMER.id))

    assert world.store.favorited == {}
    assert world.store.rated == rated


def test_clearing_again_deletes_nothing(world: World, admin: ContractClient) -> None:
    keep(world, make_record(1))
    admin.delete(favorites_of(CONSUMER.id))

    answer = admin.delete(favorites_of(CONSUMER.id))

    assert answer.status_code == 200
    assert answer.json == {"user_id": CONSUMER.id, "deleted": 0}


def test_clearing_leaves_an_audit_line_that_says_who_cleared_whose(
    world: World, admin: ContractClient, caplog: pytest.LogCaptureFixture
) -> None:
    keep(world, make_record(1), make_record(2))

    with caplog.at_level(logging.INFO, logger="butaca.audit"):
        admin.delete(favorites_of(CONSUMER.id))

    (line,) = (record for record in caplog.records if record.name == "butaca.audit")
    assert line.getMessage() == "favorites.cleared"
    assert line.__dict__.items() >= {"actor_id": 1, "owner_id": 2, "deleted": 2}.items()


def test_clearing_nobodys_favorites_leaves_no_audit_line(
    admin: ContractClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="butaca.audit"):
        admin.delete(favorites_of(99))

    assert [record for record in caplog.records if record.name == "butaca.audit"] == []
