"""Operators add users, issue tokens that are shown once, and revoke them."""

import logging
import re
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from butaca.core.accounts import Accounts, digest
from butaca.core.errors import (
    DemoRoleFixed,
    LifetimeUnacceptable,
    NameTaken,
    NameUnacceptable,
    TokenNotFound,
    TokenRejected,
    TokenRevokedAlready,
    UserNotFound,
)
from butaca.core.models import MAX_ID, Role, Token, TokenState, User
from butaca.core.people import LONGEST_LIFETIME, People, name_of, new_token
from tests.builders import ADMIN, CONSUMER, NOON
from tests.fakes import FakeAccounts, FakeClock

DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)


@dataclass
class Desk:
    """Where people are managed, and where they are recognized."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeAccounts = field(default_factory=FakeAccounts)

    def __post_init__(self) -> None:
        self.people = People(self.store, self.clock.now)
        self.accounts = Accounts(self.store, self.clock.now)
        self.ana = self.people.add("ana", Role.USER)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def audit(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="butaca.audit")
    return caplog


def test_somebody_added_is_among_everybody(desk: Desk) -> None:
    oscar = desk.people.add("oscar", Role.ADMIN)
    assert oscar == User(1002, "oscar", Role.ADMIN)
    assert desk.people.everybody() == (desk.ana, oscar)


def test_a_name_is_given_once(desk: Desk) -> None:
    with pytest.raises(NameTaken):
        desk.people.add(" ana ", Role.USER)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  ana\n", "ana"),
        ("Ana María", "Ana María"),
        ("Jose\u0301", "José"),
        ("a", "a"),
        ("1a", "1a"),
        ("-", "-"),
        ("ñ" * 100, "ñ" * 100),
        ("n\u0303" * 100, "ñ" * 100),
        ("鬼", "鬼"),
    ],
)
def test_a_name_is_kept_trimmed_and_composed(text: str, name: str) -> None:
    assert name_of(text) == name


@pytest.mark.parametrize(
    "text",
    ["", " ", "a" * 101, "a\tb", "a\nb", "a\0b", "a\x1b[2J", "a\u202eb", "a\udcff", "1001", "٣"],
)
def test_what_cannot_be_read_or_looks_like_an_id_is_no_name(text: str) -> None:
    with pytest.raises(NameUnacceptable):
        name_of(text)


@pytest.mark.parametrize("text", ["1001", "001001", "ana", " ana "])
def test_somebody_is_named_by_id_or_by_name(desk: Desk, text: str) -> None:
    assert desk.people.who(text) == desk.ana


@pytest.mark.parametrize(
    "text",
    [
        "99",
        "nobody",
        "Ana",
        "",
        "a\0",
        "-1",
        "1001.0",
        "²",
        str(MAX_ID),
        str(MAX_ID + 1),
        "9" * 9999,
    ],
)
def test_nobody_is_found_by_what_is_nobodys(desk: Desk, text: str) -> None:
    with pytest.raises(UserNotFound):
        desk.people.who(text)


def test_whoever_is_issued_a_token_may_call_with_it(desk: Desk) -> None:
    _, secret = desk.people.issue(desk.ana)
    assert desk.accounts.identify(secret) == desk.ana


def test_a_token_without_a_lifetime_is_good_for_ever(desk: Desk) -> None:
    token, _ = desk.people.issue(desk.ana)
    assert token == Token(1, desk.ana, created_at=NOON)
    assert token.state(NOON + LONGEST_LIFETIME) is TokenState.VALID


def test_a_token_with_a_lifetime_is_good_until_its_very_end(desk: Desk) -> None:
    token, secret = desk.people.issue(desk.ana, DAY)
    desk.clock.moment = NOON + DAY - A_MOMENT
    assert token.expires_at == NOON + DAY
    assert token.state(desk.clock.moment) is TokenState.VALID
    assert desk.accounts.identify(secret) == desk.ana


def test_a_token_is_rejected_from_its_end_on(desk: Desk) -> None:
    token, secret = desk.people.issue(desk.ana, DAY)
    desk.clock.moment = NOON + DAY
    assert token.state(desk.clock.moment) is TokenState.EXPIRED
    with pytest.raises(TokenRejected):
        desk.accounts.identify(secret)


@pytest.mark.parametrize("lifetime", [timedelta(0), -DAY, LONGEST_LIFETIME + A_MOMENT])
def test_a_lifetime_that_makes_no_sense_issues_nothing(desk: Desk, lifetime: timedelta) -> None:
    with pytest.raises(LifetimeUnacceptable):
        desk.people.issue(desk.ana, lifetime)
    assert desk.people.tokens() == ()


def test_the_longest_lifetime_is_one(desk: Desk) -> None:
    token, _ = desk.people.issue(desk.ana, LONGEST_LIFETIME)
    assert token.expires_at == NOON + LONGEST_LIFETIME


def test_of_a_token_only_its_sha256_is_kept(desk: Desk) -> None:
    token, secret = desk.people.issue(desk.ana)
    assert set(desk.store.bearers) == {digest(secret)}
    assert secret not in repr((desk.store, token))


def test_a_token_is_recognized_by_those_who_scan_for_leaks() -> None:
    assert re.fullmatch(r"butaca_[A-Za-z0-9_-]{43}", new_token())


def test_no_token_is_like_another() -> None:
    assert len({new_token() for _ in range(100)}) == 100


def test_tokens_are_told_of_everybody_or_of_somebody(desk: Desk) -> None:
    oscar = desk.people.add("oscar", Role.USER)
    (first, _), (second, _) = desk.people.issue(desk.ana), desk.people.issue(oscar)
    assert desk.people.tokens() == (first, second)
    assert desk.people.tokens(oscar) == (second,)


def test_a_revoked_token_is_rejected(desk: Desk) -> None:
    token, secret = desk.people.issue(desk.ana)
    assert desk.people.revoke(token.id) == token
    with pytest.raises(TokenRejected):
        desk.accounts.identify(secret)


def test_a_revoked_token_is_told_as_such_though_it_expired(desk: Desk) -> None:
    token, _ = desk.people.issue(desk.ana, DAY)
    desk.clock.moment = NOON + DAY
    desk.people.revoke(token.id)
    (revoked,) = desk.people.tokens()
    assert revoked.revoked_at == NOON + DAY
    assert revoked.state(desk.clock.moment) is TokenState.REVOKED


def test_a_token_is_revoked_once(desk: Desk) -> None:
    token, _ = desk.people.issue(desk.ana)
    desk.people.revoke(token.id)
    with pytest.raises(TokenRevokedAlready):
        desk.people.revoke(token.id)


@pytest.mark.parametrize("token_id", [-1, 0, 2, MAX_ID, MAX_ID + 1, 2**64])
def test_a_token_that_is_not_there_cannot_be_revoked(desk: Desk, token_id: int) -> None:
    desk.people.issue(desk.ana)
    with pytest.raises(TokenNotFound):
        desk.people.revoke(token_id)


def test_all_tokens_of_somebody_are_revoked_at_once(desk: Desk) -> None:
    secrets = [desk.people.issue(desk.ana)[1] for _ in range(2)]
    assert desk.people.revoke_all(desk.ana) == 2
    for secret in secrets:
        with pytest.raises(TokenRejected):
            desk.accounts.identify(secret)


def test_only_tokens_that_were_not_revoked_before_are_counted(desk: Desk) -> None:
    token, _ = desk.people.issue(desk.ana)
    desk.people.issue(desk.ana)
    desk.people.revoke(token.id)
    assert desk.people.revoke_all(desk.ana) == 1


def test_somebody_may_be_given_another_role(desk: Desk) -> None:
    desk.people.set_role(desk.ana, Role.ADMIN)
    assert desk.accounts.person(desk.ana.id).role is Role.ADMIN


@pytest.mark.parametrize("demo", [ADMIN, CONSUMER])
def test_the_role_of_a_demo_user_is_fixed(desk: Desk, demo: User) -> None:
    desk.accounts.enable_demo_users()
    with pytest.raises(DemoRoleFixed):
        desk.people.set_role(demo, Role.USER)
    assert desk.accounts.person(demo.id) == demo


def test_whoever_is_removed_may_not_call_any_more(desk: Desk) -> None:
    _, secret = desk.people.issue(desk.ana)
    desk.people.remove(desk.ana)
    with pytest.raises(TokenRejected):
        desk.accounts.identify(secret)


def test_a_demo_user_who_was_removed_comes_back_with_the_next_start(desk: Desk) -> None:
    desk.accounts.enable_demo_users()
    desk.people.remove(CONSUMER)
    assert desk.accounts.enable_demo_users()
    assert desk.accounts.person(CONSUMER.id) == CONSUMER


def test_whoever_was_removed_meanwhile_is_not_found(desk: Desk) -> None:
    desk.people.remove(desk.ana)
    with pytest.raises(UserNotFound):
        desk.people.remove(desk.ana)
    with pytest.raises(UserNotFound):
        desk.people.set_role(desk.ana, Role.ADMIN)


def test_adding_leaves_an_audit_line(desk: Desk, audit: pytest.LogCaptureFixture) -> None:
    oscar = desk.people.add("oscar", Role.ADMIN)
    (line,) = audit.records
    assert (line.name, line.getMessage()) == ("butaca.audit", "user.added")
    assert {"user_id": oscar.id, "role": "ADMIN"}.items() <= vars(line).items()


def test_issuing_leaves_an_audit_line_without_the_token(
    desk: Desk, audit: pytest.LogCaptureFixture
) -> None:
    token, secret = desk.people.issue(desk.ana, DAY)
    (line,) = audit.records
    assert (line.name, line.getMessage()) == ("butaca.audit", "token.issued")
    told = {"token_id": token.id, "owner_id": 1001, "expires_at": "2026-05-02T12:00:00+00:00"}
    assert told.items() <= vars(line).items()
    assert secret not in str(vars(line))
    assert digest(secret) not in str(vars(line))


def test_revoking_leaves_an_audit_line(desk: Desk, audit: pytest.LogCaptureFixture) -> None:
    token, _ = desk.people.issue(desk.ana)
    audit.clear()
    desk.people.revoke(token.id)
    (line,) = audit.records
    assert (line.name, line.getMessage()) == ("butaca.audit", "token.revoked")
    assert {"token_id": token.id, "owner_id": 1001}.items() <= vars(line).items()


def test_revoking_all_tokens_leaves_an_audit_line_for_each(
    desk: Desk, audit: pytest.LogCaptureFixture
) -> None:
    tokens = [desk.people.issue(desk.ana)[0] for _ in range(2)]
    audit.clear()
    desk.people.revoke_all(desk.ana)
    assert [line.getMessage() for line in audit.records] == ["token.revoked", "token.revoked"]
    for token, line in zip(tokens, audit.records, strict=True):
        assert {"token_id": token.id, "owner_id": 1001}.items() <= vars(line).items()


def test_a_change_of_role_leaves_an_audit_line(desk: Desk, audit: pytest.LogCaptureFixture) -> None:
    desk.people.set_role(desk.ana, Role.ADMIN)
    (line,) = audit.records
    assert (line.name, line.getMessage()) == ("butaca.audit", "user.role_set")
    assert {"user_id": 1001, "role": "ADMIN"}.items() <= vars(line).items()


def test_removing_leaves_an_audit_line_without_the_name(
    desk: Desk, audit: pytest.LogCaptureFixture
) -> None:
    desk.people.remove(desk.ana)
    (line,) = audit.records
    assert (line.name, line.getMessage()) == ("butaca.audit", "user.removed")
    assert {"user_id": 1001}.items() <= vars(line).items()
    assert "ana" not in vars(line).values()


def test_what_is_refused_leaves_no_audit_line(desk: Desk, audit: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NameTaken):
        desk.people.add("ana", Role.USER)
    with pytest.raises(TokenNotFound):
        desk.people.revoke(1)
    with pytest.raises(UserNotFound):
        desk.people.remove(User(99, "nobody", Role.USER))
    assert audit.records == []
