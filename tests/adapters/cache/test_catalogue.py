"""The cached catalogue: fresh entries save a call, stale ones replace a failed one."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butaca.adapters.cache.entries import Lease
from butaca.adapters.tmdb import Limits, TmdbCatalogue, TmdbHttp
from butaca.core.errors import (
    CatalogueAccessDenied,
    CatalogueFailed,
    CatalogueInvalidResponse,
    CatalogueMalformedResponse,
    CatalogueTimedOut,
    CatalogueUnavailable,
    MovieNotFound,
)
from butaca.core.models import Fetched, Freshness, Source
from butaca.core.ports import PopularQuery, SearchQuery
from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from tests.adapters.cache.harness import (
    COOLDOWN,
    FETCHES,
    KEY,
    POPULAR,
    PROBE_TIMEOUT,
    TTL,
    Fetch,
    Harness,
)
from tests.builders import make_movie, make_page, make_record
from tests.fakes import FakeCache, FakeCatalogue

FAILURES: list[tuple[type[CatalogueFailed], int | None]] = [
    (CatalogueUnavailable, 503),
    (CatalogueTimedOut, None),
    (CatalogueMalformedResponse, 200),
    (CatalogueInvalidResponse, 200),
    (CatalogueAccessDenied, 401),
]


# --- fresh ---------------------------------------------------------------------------------


def test_first_request_calls_upstream_and_is_cached(harness: Harness, fetch: Fetch) -> None:
    fetched = fetch(harness.cached)

    assert fetched.freshness == Freshness(Source.MISS, age=0, ttl=TTL, stored=True)
    assert harness.calls == 1


def test_same_request_within_the_ttl_is_a_hit(harness: Harness, fetch: Fetch) -> None:
    first = fetch(harness.cached)
    harness.advance(TTL - 0.5)
    second = fetch(harness.cached)

    assert second.value == first.value
    assert second.freshness == Freshness(Source.HIT, age=29, ttl=0)
    assert harness.calls == 1


def test_hit_reports_its_age_and_remaining_ttl(harness: Harness) -> None:
    harness.popular()
    harness.advance(12)

    assert harness.popular().freshness == Freshness(Source.HIT, age=12, ttl=18)


def test_request_at_the_ttl_calls_upstream_again(harness: Harness, fetch: Fetch) -> None:
    fetch(harness.cached)
    harness.advance(TTL)

    assert fetch(harness.cached).freshness.source is Source.MISS
    assert harness.calls == 2


def test_refreshed_entry_is_fresh_again(harness: Harness) -> None:
    harness.cache_and_expire()
    harness.upstream.pages = {1: make_page(make_movie(13))}
    harness.popular()
    harness.advance(1)

    fetched = harness.popular()

    assert fetched.freshness == Freshness(Source.HIT, age=1, ttl=TTL - 1)
    assert fetched.value.results == (make_movie(13),)


def test_without_redis_or_memory_every_request_calls_upstream(fetch: Fetch) -> None:
    harness = Harness(memory_size=0)
    harness.cache.is_down = True
    fetch(harness.cached)

    assert fetch(harness.cached).freshness == Freshness(Source.MISS, ttl=TTL, stored=False)
    assert harness.calls == 2


def test_without_redis_an_entry_in_memory_is_a_hit(harness: Harness, fetch: Fetch) -> None:
    harness.cache.is_down = True
    first = fetch(harness.cached)
    harness.advance(12)

    second = fetch(harness.cached)

    assert first.freshness == Freshness(Source.MISS, ttl=TTL, stored=False)
    assert second.freshness == Freshness(Source.HIT, age=12, ttl=18)
    assert second.value == first.value
    assert harness.calls == 1


def test_without_redis_an_entry_in_memory_expires_at_the_ttl(harness: Harness) -> None:
    harness.cache.is_down = True
    harness.popular()
    harness.advance(TTL)

    assert harness.popular().freshness.source is Source.MISS
    assert harness.calls == 2


def test_without_redis_and_upstream_the_entry_in_memory_is_served(
    harness: Harness, fetch: Fetch
) -> None:
    cached = fetch(harness.cached)
    harness.advance(TTL + 10)
    harness.cache.is_down = True
    harness.break_upstream()

    fetched = fetch(harness.cached)

    assert fetched.value == cached.value
    assert fetched.freshness == Freshness(Source.STALE, age=40, ttl=-10, upstream_status=503)


def test_another_process_finds_the_entry(harness: Harness, fetch: Fetch) -> None:
    first = fetch(harness.cached)
    harness.advance(12)
    harness.restart()

    second = fetch(harness.cached)

    assert second.value == first.value
    assert second.freshness == Freshness(Source.HIT, age=12, ttl=18)
    assert harness.calls == 1


def test_entry_read_by_another_process_expires_at_the_same_time(harness: Harness) -> None:
    harness.popular()
    harness.advance(20)
    harness.restart()
    harness.popular()
    harness.advance(10)

    assert harness.popular().freshness.source is Source.MISS
    assert harness.calls == 2


# --- missing movies ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["details", "record"])
def test_missing_movie_is_cached(harness: Harness, name: str) -> None:
    harness.upstream.records.clear()
    for _ in range(2):
        with pytest.raises(MovieNotFound):
            FETCHES[name](harness.cached)

    assert harness.calls == 1


def test_new_movie_is_found_after_the_ttl(harness: Harness) -> None:
    harness.upstream.records.clear()
    with pytest.raises(MovieNotFound):
        harness.cached.details(550, "en-US")
    harness.upstream.add(make_record(550))
    harness.advance(TTL)

    assert harness.cached.details(550, "en-US").freshness.source is Source.MISS


def test_stale_missing_movie_is_served_when_a_call_fails(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.upstream.records.clear()
    with pytest.raises(MovieNotFound):
        harness.cached.details(550, "en-US")
    harness.advance(TTL)
    harness.break_upstream()

    with pytest.raises(MovieNotFound):
        harness.cached.details(550, "en-US")

    assert [vars(record)["served"] for record in caplog.records] == ["stale"]
    assert harness.health.cooldown_left(KEY) == COOLDOWN


def test_stale_missing_movie_is_served_during_the_cooldown(harness: Harness) -> None:
    harness.upstream.records.clear()
    with pytest.raises(MovieNotFound):
        harness.cached.details(550, "en-US")
    harness.advance(TTL)
    harness.health.record_failure()

    with pytest.raises(MovieNotFound):
        harness.cached.details(550, "en-US")

    assert harness.calls == 1


# --- failures ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "status"), FAILURES)
def test_stale_entry_is_served_when_a_call_fails(
    harness: Harness, kind: type[CatalogueFailed], status: int | None
) -> None:
    cached = harness.cache_and_expire()
    harness.break_upstream(kind(upstream_status=status))

    fetched = harness.popular()

    assert fetched.value == cached.value
    assert fetched.freshness == Freshness(Source.STALE, age=40, ttl=-10, upstream_status=status)


@pytest.mark.parametrize(("kind", "status"), FAILURES)
def test_failure_is_raised_when_nothing_is_cached(
    harness: Harness, kind: type[CatalogueFailed], status: int | None
) -> None:
    failure = harness.break_upstream(kind(upstream_status=status))

    with pytest.raises(kind) as caught:
        harness.popular()

    assert caught.value is failure
    assert caught.value.retry_after == COOLDOWN


def test_retry_after_rounds_the_cooldown_up(harness: Harness) -> None:
    harness.health.cooldown = 2.1
    harness.break_upstream()

    with pytest.raises(CatalogueUnavailable) as caught:
        harness.popular()

    assert caught.value.retry_after == 3


def test_every_kind_of_request_can_serve_a_stale_entry(harness: Harness, fetch: Fetch) -> None:
    cached = fetch(harness.cached)
    harness.advance(TTL)
    harness.break_upstream()

    fetched = fetch(harness.cached)

    assert fetched.value == cached.value
    assert fetched.freshness.source is Source.STALE


def test_repeated_failures_do_not_evict_the_stale_entry(harness: Harness) -> None:
    harness.cache_and_expire()
    harness.break_upstream()

    for _ in range(3):
        assert harness.popular().freshness.source is Source.STALE
        harness.advance(COOLDOWN)


# --- the cooldown --------------------------------------------------------------------------


def test_cooldown_serves_stale_entries_without_calling_upstream(harness: Harness) -> None:
    cached = harness.cache_and_expire()
    harness.break_upstream()
    harness.popular()
    harness.advance(COOLDOWN - 1)

    fetched = harness.popular()

    assert fetched.value == cached.value
    assert fetched.freshness == Freshness(Source.COOLDOWN, age=46, ttl=-16)
    assert harness.calls == 2


def test_cooldown_rejects_requests_without_an_entry(harness: Harness) -> None:
    harness.break_upstream()
    with pytest.raises(CatalogueUnavailable):
        harness.popular()
    harness.advance(3.5)

    with pytest.raises(CatalogueUnavailable) as caught:
        harness.cached.record(550)

    assert caught.value.retry_after == 4
    assert caught.value.upstream_status is None
    assert harness.calls == 1


def test_fresh_entry_is_a_hit_during_the_cooldown(harness: Harness) -> None:
    harness.popular()
    harness.health.record_failure()

    assert harness.popular().freshness.source is Source.HIT


@dataclass
class LeaseOfHealthyUpstream(FakeCache):
    """A cache whose leases report a healthy upstream, before something else happens."""

    on_lease: Callable[[], object] = bool

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[Lease]:
        with super().lease(key, seconds) as lease:
            lease.upstream_healthy = True
            self.on_lease()
            yield lease


def test_local_failure_outweighs_the_healthy_upstream_of_a_lease() -> None:
    cache = LeaseOfHealthyUpstream()
    harness = Harness(cache=cache)
    cache.on_lease = harness.health.record_failure

    with pytest.raises(CatalogueUnavailable):
        harness.popular()

    assert harness.calls == 0


def test_one_probe_is_sent_after_the_cooldown(harness: Harness) -> None:
    harness.cache_and_expire()
    harness.break_upstream()
    harness.popular()
    harness.advance(COOLDOWN)

    assert harness.popular().freshness.source is Source.STALE
    assert harness.popular().freshness.source is Source.COOLDOWN
    assert harness.calls == 3


def test_recovered_upstream_is_called_after_the_cooldown(harness: Harness) -> None:
    harness.cache_and_expire()
    harness.break_upstream()
    harness.popular()
    harness.upstream.failure = None
    harness.advance(COOLDOWN)

    assert harness.popular().freshness == Freshness(Source.MISS, ttl=TTL, stored=True)


def test_only_one_probe_is_in_flight_after_the_cooldown(harness: Harness) -> None:
    harness.cache_and_expire()
    harness.health.record_failure()
    harness.advance(COOLDOWN)
    assert harness.health.claim_call() == 0

    fetched = harness.popular()

    assert fetched.freshness == Freshness(Source.COOLDOWN, age=47, ttl=-17)
    assert harness.calls == 1


def test_lost_probe_is_replaced_by_another(harness: Harness) -> None:
    harness.health.record_failure()
    harness.advance(COOLDOWN)
    harness.health.claim_call()
    harness.advance(PROBE_TIMEOUT)

    assert harness.popular().freshness.source is Source.MISS


def test_all_calls_are_allowed_after_a_successful_probe(harness: Harness) -> None:
    harness.health.record_failure()
    harness.advance(COOLDOWN)
    harness.popular()

    assert harness.cached.record(550).freshness.source is Source.MISS
    assert harness.cached.details(550, "en-US").freshness.source is Source.MISS


def test_missing_movie_counts_as_a_successful_probe(harness: Harness) -> None:
    harness.health.record_failure()
    harness.advance(COOLDOWN)
    with pytest.raises(MovieNotFound):
        harness.cached.record(1)

    assert harness.popular().freshness.source is Source.MISS


def test_missing_movie_starts_no_cooldown(harness: Harness) -> None:
    with pytest.raises(MovieNotFound):
        harness.cached.record(1)

    assert harness.health.cooldown_left(KEY) == 0


# --- unreadable entries --------------------------------------------------------------------

GARBAGE = [b"", b"\x80\x04garbage", b"{", b"[1]", b"{}", b'"a string"', b'{"results": null}']


def corrupt(harness: Harness, body: bytes) -> None:
    """Replace the body of every entry in the shared cache, and empty the memory."""
    harness.restart()
    harness.cache.entries = {
        key: (body, put_at) for key, (_, put_at) in harness.cache.entries.items()
    }


@pytest.mark.parametrize("body", GARBAGE)
def test_unreadable_entry_is_a_miss_and_is_replaced(
    harness: Harness, fetch: Fetch, body: bytes
) -> None:
    fetch(harness.cached)
    corrupt(harness, body)

    assert fetch(harness.cached).freshness.source is Source.MISS
    harness.restart()
    assert fetch(harness.cached).freshness.source is Source.HIT


@given(st.binary())
def test_arbitrary_entry_is_a_hit_a_miss_or_a_missing_movie(body: bytes) -> None:
    harness = Harness()
    harness.cached.details(550, "en-US")
    corrupt(harness, body)

    with suppress(MovieNotFound):  # If the body is b"null".
        assert harness.cached.details(550, "en-US").value.id == 550


def test_entry_of_the_wrong_kind_is_a_miss(harness: Harness) -> None:
    harness.popular()
    ((popular, _),) = harness.cache.entries.values()
    harness.cached.record(550)
    corrupt(harness, popular)

    assert harness.cached.record(550).freshness.source is Source.MISS


def test_failure_is_raised_if_the_stale_entry_is_unreadable(harness: Harness) -> None:
    harness.cache_and_expire()
    corrupt(harness, b"garbage")
    harness.break_upstream()

    with pytest.raises(CatalogueUnavailable) as caught:
        harness.popular()

    assert caught.value.upstream_status == 503


def test_unreadable_entry_is_a_miss_during_the_cooldown(harness: Harness) -> None:
    harness.cache_and_expire()
    corrupt(harness, b"garbage")
    harness.health.record_failure()

    with pytest.raises(CatalogueUnavailable) as caught:
        harness.popular()

    assert caught.value.retry_after == COOLDOWN
    assert harness.calls == 1


# --- keys ----------------------------------------------------------------------------------

DISTINCT_FETCHES: list[Fetch] = [
    lambda cached: cached.popular(PopularQuery("en-US")),
    lambda cached: cached.popular(PopularQuery("es-ES")),
    lambda cached: cached.popular(PopularQuery("en-US", page=2)),
    lambda cached: cached.popular(PopularQuery("en-US", region="US")),
    lambda cached: cached.popular(PopularQuery("en-US", region="ES")),
    lambda cached: cached.search(SearchQuery("a", "en-US")),
    lambda cached: cached.search(SearchQuery("A", "en-US")),
    lambda cached: cached.search(SearchQuery("a:1", "en-US")),
    lambda cached: cached.search(SearchQuery("a%3A1", "en-US")),
    lambda cached: cached.search(SearchQuery("á", "en-US")),
    lambda cached: cached.search(SearchQuery("群体", "en-US")),
    lambda cached: cached.search(SearchQuery("a", "es-ES")),
    lambda cached: cached.search(SearchQuery("a", "en-US", page=2)),
    lambda cached: cached.search(SearchQuery("a", "en-US", region="US")),
    lambda cached: cached.search(SearchQuery("a", "en-US", year=1999)),
    lambda cached: cached.details(550, "en-US"),
    lambda cached: cached.details(551, "en-US"),
    lambda cached: cached.details(550, "es-ES"),
    lambda cached: cached.record(550),
    lambda cached: cached.record(551),
    lambda cached: cached.genres("en-US"),
    lambda cached: cached.genres("es-ES"),
]


def test_every_parameter_is_part_of_the_cache_key(harness: Harness) -> None:
    harness.upstream.add(make_record(551))

    for fetch in DISTINCT_FETCHES:
        assert fetch(harness.cached).freshness.source is Source.MISS

    assert len(harness.cache.entries) == len(DISTINCT_FETCHES)


LANGUAGES = st.from_regex(r"[a-z]{2}(-[A-Z]{2})?", fullmatch=True)
REGIONS = st.none() | st.from_regex(r"[A-Z]{2}", fullmatch=True)
PAGES = st.integers(1, 500)
POPULARS = st.builds(PopularQuery, language=LANGUAGES, page=PAGES, region=REGIONS)
SEARCHES = st.builds(
    SearchQuery,
    text=st.text() | st.text(":%1a"),
    language=LANGUAGES,
    page=PAGES,
    region=REGIONS,
    year=st.none() | st.integers(1, 3000),
)


def keys_after(*queries: PopularQuery | SearchQuery) -> list[str]:
    harness = Harness()
    for query in queries:
        if isinstance(query, PopularQuery):
            harness.cached.popular(query)
        else:
            harness.cached.search(query)
    return list(harness.cache.entries)


@given(POPULARS | SEARCHES, POPULARS | SEARCHES)
def test_queries_share_a_key_only_if_they_are_equal(
    one: PopularQuery | SearchQuery, other: PopularQuery | SearchQuery
) -> None:
    assert len(keys_after(one, other)) == len({one, other})


@given(st.text() | st.text(": \r\n\0*?[]{}/\\\"'é"))
def test_special_characters_of_a_search_text_are_escaped_in_the_key(text: str) -> None:
    (key,) = keys_after(SearchQuery(text, "en-US"))

    assert key.isascii()
    assert key.isprintable()
    assert not set(key) & set(" *?[]{}/\\\"'")
    assert key.count(":") == 5
    assert unquote(key.split(":")[1]) == text


# --- invalid responses ---------------------------------------------------------------------


def test_invalid_response_starts_a_cooldown_for_only_its_call(harness: Harness) -> None:
    harness.break_upstream(CatalogueInvalidResponse())
    with pytest.raises(CatalogueInvalidResponse) as first:
        harness.popular()
    harness.upstream.failure = None

    with pytest.raises(CatalogueUnavailable) as second:
        harness.popular()

    assert first.value.retry_after == second.value.retry_after == COOLDOWN
    assert harness.cached.record(550).freshness.source is Source.MISS
    assert harness.calls == 2


def test_stale_entry_is_served_during_the_cooldown_of_its_call(harness: Harness) -> None:
    cached = harness.cache_and_expire()
    harness.break_upstream(CatalogueInvalidResponse())
    harness.popular()

    fetched = harness.popular()

    assert fetched.value == cached.value
    assert fetched.freshness == Freshness(Source.COOLDOWN, age=40, ttl=-10)
    assert harness.calls == 2


def test_call_is_retried_after_its_own_cooldown(harness: Harness) -> None:
    harness.break_upstream(CatalogueInvalidResponse())
    with pytest.raises(CatalogueInvalidResponse):
        harness.popular()
    harness.upstream.failure = None
    harness.advance(COOLDOWN)

    assert harness.popular().freshness.source is Source.MISS


# --- logs ----------------------------------------------------------------------------------


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records]


def test_failed_call_logs_one_error(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    harness.cache_and_expire()
    failure = harness.break_upstream()
    failure.__cause__ = ConnectionResetError("https://secret.example")
    failure.attempts = 4

    harness.popular()

    (line,) = lines(caplog)
    assert line["levelno"] == logging.ERROR
    assert line["msg"] == "tmdb.call_failed"
    assert line["failure"] == "CatalogueUnavailable"
    assert line["reason"] == "ConnectionResetError"
    assert line["upstream_status"] == 503
    assert line["attempts"] == 4
    assert line["call"] == "popular:1:en-US:"
    assert line["served"] == "stale"
    assert "secret" not in str(line)


def test_failed_call_without_an_entry_logs_that_nothing_was_served(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.break_upstream()

    with pytest.raises(CatalogueUnavailable):
        harness.popular()

    (line,) = lines(caplog)
    assert line["served"] == "nothing"
    assert line["reason"] is None


def test_failed_call_logs_its_duration(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    class SlowCatalogue(FakeCatalogue):
        def popular(self, query: PopularQuery) -> Fetched[Any]:
            harness.advance(2.3456)
            return super().popular(query)

    harness.upstream = SlowCatalogue(failure=CatalogueTimedOut())
    harness.restart()
    with pytest.raises(CatalogueTimedOut):
        harness.popular()

    (line,) = lines(caplog)
    assert line["seconds"] == 2.346


def test_successful_calls_log_no_warnings(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.popular()
    harness.popular()
    with pytest.raises(MovieNotFound):
        harness.cached.record(1)

    assert lines(caplog) == []


def test_cooldown_logs_nothing(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    harness.cache_and_expire()
    harness.health.record_failure()

    harness.popular()

    assert lines(caplog) == []


@pytest.mark.parametrize("kind", ["refuse", "503", "truncated", "401"])
def test_log_of_a_real_failure_contains_neither_token_nor_address(
    caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with Sandbox() as sandbox:
        sandbox.inject(Fault(kind))
        http = TmdbHttp(sandbox.url, DEFAULT_TOKEN, Limits(retries=1), sleep=lambda _: None)
        with pytest.raises(CatalogueFailed):
            Harness().make_pod(TmdbCatalogue(http)).popular(POPULAR)
        http._session.close()

    (line,) = lines(caplog)
    assert line["msg"] == "tmdb.call_failed"
    assert DEFAULT_TOKEN not in str(line)
    assert "127.0.0.1" not in str(line)
