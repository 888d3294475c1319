"""Operators add users, issue tokens that are shown once, and revoke them."""

import logging
import re
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from butaca.core.accounts import Accounts, digest
from butaca.core.errors import (
    DemoRoleFixed,
    InvalidLifetime,
    InvalidName,
    NameTaken,
    TokenAlreadyRevoked,
    TokenNotFound,
    TokenRejected,
    UserNotFound,
)
from butaca.core.models import MAX_ID, Role, Token, TokenState, User
from butaca.core.users import MAX_LIFETIME, UserManager, new_token, normalize_name
from tests.builders import ADMIN, CONSUMER, NOON
from tests.fakes import FakeAccounts, FakeClock

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@dataclass
class UsersSetup:
    """A user manager and the authentication over the same store, with one user."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeAccounts = field(default_factory=FakeAccounts)

    def __post_init__(self) -> None:
        self.manager = UserManager(self.store, self.clock.now)
        self.accounts = Accounts(self.store, self.clock.now)
        self.ana = self.manager.add("ana", Role.USER)


@pytest.fixture
def setup() -> UsersSetup:
    return UsersSetup()


@pytest.fixture
def audit(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="butaca.audit")
    return caplog


def test_added_user_is_listed(setup: UsersSetup) -> None:
    oscar = setup.manager.add("oscar", Role.ADMIN)
    assert oscar == User(1002, "oscar", Role.ADMIN)
    assert setup.manager.all_users() == (setup.ana, oscar)


def test_duplicate_name_is_rejected(setup: UsersSetup) -> None:
    with pytest.raises(NameTaken):
        setup.manager.add(" ana ", Role.USER)


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
def test_name_is_trimmed_and_normalized_to_nfc(text: str, name: str) -> None:
    assert normalize_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", " ", "a" * 101, "a\tb", "a\nb", "a\0b", "a\x1b[2J", "a\u202eb", "a\udcff", "1001", "٣"],
)
def test_unprintable_or_numeric_or_overlong_name_is_rejected(text: str) -> None:
    with pytest.raises(InvalidName):
        normalize_name(text)


@pytest.mark.parametrize("text", ["1001", "001001", "ana", " ana "])
def test_user_is_resolved_by_id_or_name(setup: UsersSetup, text: str) -> None:
    assert setup.manager.resolve(text) == setup.ana


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
def test_unknown_id_or_name_is_not_resolved(setup: UsersSetup, text: str) -> None:
    with pytest.raises(UserNotFound):
        setup.manager.resolve(text)


def test_issued_token_identifies_its_owner(setup: UsersSetup) -> None:
    _, secret = setup.manager.issue(setup.ana)
    assert setup.accounts.identify(secret) == setup.ana


def test_token_without_a_lifetime_never_expires(setup: UsersSetup) -> None:
    token, _ = setup.manager.issue(setup.ana)
    assert token == Token(1, setup.ana, created_at=NOON)
    assert token.state(NOON + MAX_LIFETIME) is TokenState.VALID


def test_token_is_valid_until_just_before_its_expiry(setup: UsersSetup) -> None:
    token, secret = setup.manager.issue(setup.ana, DAY)
    setup.clock.moment = NOON + DAY - MICROSECOND
    assert token.expires_at == NOON + DAY
    assert token.state(setup.clock.moment) is TokenState.VALID
    assert setup.accounts.identify(secret) == setup.ana


def test_token_is_rejected_at_its_expiry(setup: UsersSetup) -> None:
    token, secret = setup.manager.issue(setup.ana, DAY)
    setup.clock.moment = NOON + DAY
    assert token.state(setup.clock.moment) is TokenState.EXPIRED
    with pytest.raises(TokenRejected):
        setup.accounts.identify(secret)


@pytest.mark.parametrize("lifetime", [timedelta(0), -DAY, MAX_LIFETIME + MICROSECOND])
def test_invalid_lifetime_issues_no_token(setup: UsersSetup, lifetime: timedelta) -> None:
    with pytest.raises(InvalidLifetime):
        setup.manager.issue(setup.ana, lifetime)
    assert setup.manager.tokens() == ()


def test_maximum_lifetime_is_accepted(setup: UsersSetup) -> None:
    token, _ = setup.manager.issue(setup.ana, MAX_LIFETIME)
    assert token.expires_at == NOON + MAX_LIFETIME


def test_only_the_sha256_of_a_token_is_stored(setup: UsersSetup) -> None:
    token, secret = setup.manager.issue(setup.ana)
    assert set(setup.store.bearers) == {digest(secret)}
    assert secret not in repr((setup.store, token))


def test_token_has_the_format_for_secret_scanners() -> None:
    assert re.fullmatch(r"butaca_[A-Za-z0-9_-]{43}", new_token())


def test_new_tokens_are_unique() -> None:
    assert len({new_token() for _ in range(100)}) == 100


def test_tokens_are_listed_for_all_users_or_for_one(setup: UsersSetup) -> None:
    oscar = setup.manager.add("oscar", Role.USER)
    (first, _), (second, _) = setup.manager.issue(setup.ana), setup.manager.issue(oscar)
    assert setup.manager.tokens() == (first, second)
    assert setup.manager.tokens(oscar) == (second,)


def test_revoked_token_is_rejected(setup: UsersSetup) -> None:
    token, secret = setup.manager.issue(setup.ana)
    assert setup.manager.revoke(token.id) == token
    with pytest.raises(TokenRejected):
        setup.accounts.identify(secret)


def test_expired_token_that_was_revoked_has_the_state_revoked(setup: UsersSetup) -> None:
    token, _ = setup.manager.issue(setup.ana, DAY)
    setup.clock.moment = NOON + DAY
    setup.manager.revoke(token.id)
    (revoked,) = setup.manager.tokens()
    assert revoked.revoked_at == NOON + DAY
    assert revoked.state(setup.clock.moment) is TokenState.REVOKED


def test_token_cannot_be_revoked_twice(setup: UsersSetup) -> None:
    token, _ = setup.manager.issue(setup.ana)
    setup.manager.revoke(token.id)
    with pytest.raises(TokenAlreadyRevoked):
        setup.manager.revoke(token.id)


@pytest.mark.parametrize("token_id", [-1, 0, 2, MAX_ID, MAX_ID + 1, 2**64])
def test_unknown_token_cannot_be_revoked(setup: UsersSetup, token_id: int) -> None:
    setup.manager.issue(setup.ana)
    with pytest.raises(TokenNotFound):
        setup.manager.revoke(token_id)


def test_all_tokens_of_a_user_can_be_revoked(setup: UsersSetup) -> None:
    secrets = [setup.manager.issue(setup.ana)[1] for _ in range(2)]
    assert setup.manager.revoke_all(setup.ana) == 2
    for secret in secrets:
        with pytest.raises(TokenRejected):
            setup.accounts.identify(secret)


def test_revoking_all_tokens_counts_only_those_not_revoked_before(setup: UsersSetup) -> None:
    token, _ = setup.manager.issue(setup.ana)
    setup.manager.issue(setup.ana)
    setup.manager.revoke(token.id)
    assert setup.manager.revoke_all(setup.ana) == 1


def test_role_of_a_user_can_be_changed(setup: UsersSetup) -> None:
    setup.manager.set_role(setup.ana, Role.ADMIN)
    assert setup.accounts.user(setup.ana.id).role is Role.ADMIN


@pytest.mark.parametrize("demo", [ADMIN, CONSUMER])
def test_role_of_a_demo_user_cannot_be_changed(setup: UsersSetup, demo: User) -> None:
    setup.accounts.enable_demo_users()
    with pytest.raises(DemoRoleFixed):
        setup.manager.set_role(demo, Role.USER)
    assert setup.accounts.user(demo.id) == demo


def test_token_of_a_removed_user_is_rejected(setup: UsersSetup) -> None:
    _, secret = setup.manager.issue(setup.ana)
    setup.manager.remove(setup.ana)
    with pytest.raises(TokenRejected):
        setup.accounts.identify(secret)


def test_removed_demo_user_is_recreated_by_the_next_start(setup: UsersSetup) -> None:
    setup.accounts.enable_demo_users()
    setup.manager.remove(CONSUMER)
    assert setup.accounts.enable_demo_users()
    assert setup.accounts.user(CONSUMER.id) == CONSUMER


def test_removed_user_cannot_be_removed_or_changed(setup: UsersSetup) -> None:
    setup.manager.remove(setup.ana)
    with pytest.raises(UserNotFound):
        setup.manager.remove(setup.ana)
    with pytest.raises(UserNotFound):
        setup.manager.set_role(setup.ana, Role.ADMIN)


def test_adding_a_user_is_audited(setup: UsersSetup, audit: pytest.LogCaptureFixture) -> None:
    oscar = setup.manager.add("oscar", Role.ADMIN)
    (record,) = audit.records
    assert (record.name, record.getMessage()) == ("butaca.audit", "user.added")
    assert {"user_id": oscar.id, "role": "ADMIN"}.items() <= vars(record).items()


def test_issuing_is_audited_without_the_token(
    setup: UsersSetup, audit: pytest.LogCaptureFixture
) -> None:
    token, secret = setup.manager.issue(setup.ana, DAY)
    (record,) = audit.records
    assert (record.name, record.getMessage()) == ("butaca.audit", "token.issued")
    expected = {"token_id": token.id, "owner_id": 1001, "expires_at": "2026-05-02T12:00:00+00:00"}
    assert expected.items() <= vars(record).items()
    assert secret not in str(vars(record))
    assert digest(secret) not in str(vars(record))


def test_revoking_a_token_is_audited(setup: UsersSetup, audit: pytest.LogCaptureFixture) -> None:
    token, _ = setup.manager.issue(setup.ana)
    audit.clear()
    setup.manager.revoke(token.id)
    (record,) = audit.records
    assert (record.name, record.getMessage()) == ("butaca.audit", "token.revoked")
    assert {"token_id": token.id, "owner_id": 1001}.items() <= vars(record).items()


def test_revoking_all_tokens_is_audited_for_each_token(
    setup: UsersSetup, audit: pytest.LogCaptureFixture
) -> None:
    tokens = [setup.manager.issue(setup.ana)[0] for _ in range(2)]
    audit.clear()
    setup.manager.revoke_all(setup.ana)
    assert [record.getMessage() for record in audit.records] == ["token.revoked", "token.revoked"]
    for token, record in zip(tokens, audit.records, strict=True):
        assert {"token_id": token.id, "owner_id": 1001}.items() <= vars(record).items()


def test_role_change_is_audited(setup: UsersSetup, audit: pytest.LogCaptureFixture) -> None:
    setup.manager.set_role(setup.ana, Role.ADMIN)
    (record,) = audit.records
    assert (record.name, record.getMessage()) == ("butaca.audit", "user.role_set")
    assert {"user_id": 1001, "role": "ADMIN"}.items() <= vars(record).items()


def test_removing_a_user_is_audited_without_the_name(
    setup: UsersSetup, audit: pytest.LogCaptureFixture
) -> None:
    setup.manager.remove(setup.ana)
    (record,) = audit.records
    assert (record.name, record.getMessage()) == ("butaca.audit", "user.removed")
    assert {"user_id": 1001}.items() <= vars(record).items()
    assert "ana" not in vars(record).values()


def test_rejected_operations_are_not_audited(
    setup: UsersSetup, audit: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NameTaken):
        setup.manager.add("ana", Role.USER)
    with pytest.raises(TokenNotFound):
        setup.manager.revoke(1)
    with pytest.raises(UserNotFound):
        setup.manager.remove(User(99, "nobody", Role.USER))
    assert audit.records == []
