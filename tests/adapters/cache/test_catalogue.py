"""The cached catalogue: fresh entries save a call, stale ones replace a failed one."""

import logging
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butaca.adapters.tmdb import Limits, TmdbCatalogue, TmdbHttp
from butaca.core.errors import (
    CatalogueAnsweredNonsense,
    CatalogueFailed,
    CatalogueGarbled,
    CatalogueRefusedUs,
    CatalogueTimedOut,
    CatalogueUnavailable,
    MovieNotFound,
)
from butaca.core.models import Fetched, Freshness, Source
from butaca.core.ports import PopularQuery, SearchQuery
from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from tests.adapters.cache.scene import COOLDOWN, KEY, POPULAR, PROBE, TTL, Ask, Scene
from tests.builders import make_movie, make_page, make_record
from tests.fakes import FakeCatalogue

ASKS: dict[str, Ask] = {
    "popular": lambda cached: cached.popular(POPULAR),
    "search": lambda cached: cached.search(SearchQuery("movie", "en-US")),
    "details": lambda cached: cached.details(550, "en-US"),
    "record": lambda cached: cached.record(550),
    "genres": lambda cached: cached.genres("en-US"),
}
FAILURES: list[tuple[type[CatalogueFailed], int | None]] = [
    (CatalogueUnavailable, 503),
    (CatalogueTimedOut, None),
    (CatalogueGarbled, 200),
    (CatalogueAnsweredNonsense, 200),
    (CatalogueRefusedUs, 401),
]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(params=list(ASKS.values()), ids=list(ASKS))
def ask(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


# --- fresh ---------------------------------------------------------------------------------


def test_the_first_call_goes_out_and_is_kept(scene: Scene, ask: Ask) -> None:
    fetched = ask(scene.cached)

    assert fetched.freshness == Freshness(Source.MISS, age=0, ttl=TTL, stored=True)
    assert scene.calls == 1


def test_the_same_call_within_the_ttl_does_not_go_out(scene: Scene, ask: Ask) -> None:
    first = ask(scene.cached)
    scene.pass_seconds(TTL - 0.5)
    second = ask(scene.cached)

    assert second.value == first.value
    assert second.freshness == Freshness(Source.HIT, age=29, ttl=0)
    assert scene.calls == 1


def test_a_hit_tells_its_age_and_what_is_left(scene: Scene) -> None:
    scene.popular()
    scene.pass_seconds(12)

    assert scene.popular().freshness == Freshness(Source.HIT, age=12, ttl=18)


def test_at_the_ttl_the_call_goes_out_again(scene: Scene, ask: Ask) -> None:
    ask(scene.cached)
    scene.pass_seconds(TTL)

    assert ask(scene.cached).freshness.source is Source.MISS
    assert scene.calls == 2


def test_what_came_again_is_fresh_again(scene: Scene) -> None:
    scene.keep_and_let_expire()
    scene.upstream.pages = {1: make_page(make_movie(13))}
    scene.popular()
    scene.pass_seconds(1)

    fetched = scene.popular()

    assert fetched.freshness == Freshness(Source.HIT, age=1, ttl=TTL - 1)
    assert fetched.value.results == (make_movie(13),)


def test_while_the_cache_is_away_and_nothing_is_remembered_every_call_goes_out(ask: Ask) -> None:
    scene = Scene(remembered=0)
    scene.cache.is_away = True
    ask(scene.cached)

    assert ask(scene.cached).freshness == Freshness(Source.MISS, ttl=TTL, stored=False)
    assert scene.calls == 2


def test_while_the_cache_is_away_what_is_remembered_is_a_hit(scene: Scene, ask: Ask) -> None:
    scene.cache.is_away = True
    first = ask(scene.cached)
    scene.pass_seconds(12)

    second = ask(scene.cached)

    assert first.freshness == Freshness(Source.MISS, ttl=TTL, stored=False)
    assert second.freshness == Freshness(Source.HIT, age=12, ttl=18)
    assert second.value == first.value
    assert scene.calls == 1


def test_while_the_cache_is_away_what_is_remembered_is_not_fresh_for_longer(scene: Scene) -> None:
    scene.cache.is_away = True
    scene.popular()
    scene.pass_seconds(TTL)

    assert scene.popular().freshness.source is Source.MISS
    assert scene.calls == 2


def test_when_cache_and_upstream_are_away_what_is_remembered_is_served(
    scene: Scene, ask: Ask
) -> None:
    kept = ask(scene.cached)
    scene.pass_seconds(TTL + 10)
    scene.cache.is_away = True
    scene.break_upstream()

    fetched = ask(scene.cached)

    assert fetched.value == kept.value
    assert fetched.freshness == Freshness(Source.STALE, age=40, ttl=-10, upstream_status=503)


def test_another_process_finds_what_is_kept(scene: Scene, ask: Ask) -> None:
    first = ask(scene.cached)
    scene.pass_seconds(12)
    scene.forget()

    second = ask(scene.cached)

    assert second.value == first.value
    assert second.freshness == Freshness(Source.HIT, age=12, ttl=18)
    assert scene.calls == 1


def test_another_process_does_not_find_it_fresh_for_longer(scene: Scene) -> None:
    scene.popular()
    scene.pass_seconds(20)
    scene.forget()
    scene.popular()
    scene.pass_seconds(10)

    assert scene.popular().freshness.source is Source.MISS
    assert scene.calls == 2


# --- no such movie -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["details", "record"])
def test_that_there_is_no_such_movie_is_kept_like_an_answer(scene: Scene, name: str) -> None:
    scene.upstream.records.clear()
    for _ in range(2):
        with pytest.raises(MovieNotFound):
            ASKS[name](scene.cached)

    assert scene.calls == 1


def test_a_movie_that_came_into_being_is_found_after_the_ttl(scene: Scene) -> None:
    scene.upstream.records.clear()
    with pytest.raises(MovieNotFound):
        scene.cached.details(550, "en-US")
    scene.upstream.add(make_record(550))
    scene.pass_seconds(TTL)

    assert scene.cached.details(550, "en-US").freshness.source is Source.MISS


def test_when_a_call_fails_there_is_still_no_such_movie(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.upstream.records.clear()
    with pytest.raises(MovieNotFound):
        scene.cached.details(550, "en-US")
    scene.pass_seconds(TTL)
    scene.break_upstream()

    with pytest.raises(MovieNotFound):
        scene.cached.details(550, "en-US")

    assert [vars(record)["served"] for record in caplog.records] == ["stale"]
    assert scene.health.seconds_of_rest(KEY) == COOLDOWN


def test_in_the_cool_down_there_is_still_no_such_movie(scene: Scene) -> None:
    scene.upstream.records.clear()
    with pytest.raises(MovieNotFound):
        scene.cached.details(550, "en-US")
    scene.pass_seconds(TTL)
    scene.health.failed()

    with pytest.raises(MovieNotFound):
        scene.cached.details(550, "en-US")

    assert scene.calls == 1


# --- failures ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "status"), FAILURES)
def test_when_a_call_fails_what_is_kept_is_served(
    scene: Scene, kind: type[CatalogueFailed], status: int | None
) -> None:
    kept = scene.keep_and_let_expire()
    scene.break_upstream(kind(upstream_status=status))

    fetched = scene.popular()

    assert fetched.value == kept.value
    assert fetched.freshness == Freshness(Source.STALE, age=40, ttl=-10, upstream_status=status)


@pytest.mark.parametrize(("kind", "status"), FAILURES)
def test_when_a_call_fails_and_nothing_is_kept_so_does_ours(
    scene: Scene, kind: type[CatalogueFailed], status: int | None
) -> None:
    failure = scene.break_upstream(kind(upstream_status=status))

    with pytest.raises(kind) as caught:
        scene.popular()

    assert caught.value is failure
    assert caught.value.retry_after == COOLDOWN


def test_part_of_a_second_of_cool_down_is_a_second_to_wait(scene: Scene) -> None:
    scene.health.cooldown = 2.1
    scene.break_upstream()

    with pytest.raises(CatalogueUnavailable) as caught:
        scene.popular()

    assert caught.value.retry_after == 3


def test_every_kind_of_call_has_its_stale_answer(scene: Scene, ask: Ask) -> None:
    kept = ask(scene.cached)
    scene.pass_seconds(TTL)
    scene.break_upstream()

    fetched = ask(scene.cached)

    assert fetched.value == kept.value
    assert fetched.freshness.source is Source.STALE


def test_a_failure_throws_nothing_away(scene: Scene) -> None:
    scene.keep_and_let_expire()
    scene.break_upstream()

    for _ in range(3):
        assert scene.popular().freshness.source is Source.STALE
        scene.pass_seconds(COOLDOWN)


# --- the cool-down -------------------------------------------------------------------------


def test_in_the_cool_down_nothing_goes_out_and_stale_is_served(scene: Scene) -> None:
    kept = scene.keep_and_let_expire()
    scene.break_upstream()
    scene.popular()
    scene.pass_seconds(COOLDOWN - 1)

    fetched = scene.popular()

    assert fetched.value == kept.value
    assert fetched.freshness == Freshness(Source.COOLDOWN, age=46, ttl=-16)
    assert scene.calls == 2


def test_in_the_cool_down_whoever_has_nothing_is_told_to_wait(scene: Scene) -> None:
    scene.break_upstream()
    with pytest.raises(CatalogueUnavailable):
        scene.popular()
    scene.pass_seconds(3.5)

    with pytest.raises(CatalogueUnavailable) as caught:
        scene.cached.record(550)

    assert caught.value.retry_after == 4
    assert caught.value.upstream_status is None
    assert scene.calls == 1


def test_in_the_cool_down_what_is_fresh_is_a_hit(scene: Scene) -> None:
    scene.popular()
    scene.health.failed()

    assert scene.popular().freshness.source is Source.HIT


def test_after_the_cool_down_one_call_goes_out(scene: Scene) -> None:
    scene.keep_and_let_expire()
    scene.break_upstream()
    scene.popular()
    scene.pass_seconds(COOLDOWN)

    assert scene.popular().freshness.source is Source.STALE
    assert scene.popular().freshness.source is Source.COOLDOWN
    assert scene.calls == 3


def test_after_the_cool_down_a_mended_upstream_answers(scene: Scene) -> None:
    scene.keep_and_let_expire()
    scene.break_upstream()
    scene.popular()
    scene.upstream.failure = None
    scene.pass_seconds(COOLDOWN)

    assert scene.popular().freshness == Freshness(Source.MISS, ttl=TTL, stored=True)


def test_after_the_cool_down_one_call_goes_out_at_a_time(scene: Scene) -> None:
    scene.keep_and_let_expire()
    scene.health.failed()
    scene.pass_seconds(COOLDOWN)
    assert scene.health.claim() == 0

    fetched = scene.popular()

    assert fetched.freshness == Freshness(Source.COOLDOWN, age=47, ttl=-17)
    assert scene.calls == 1


def test_a_call_that_never_comes_back_is_replaced_by_another(scene: Scene) -> None:
    scene.health.failed()
    scene.pass_seconds(COOLDOWN)
    scene.health.claim()
    scene.pass_seconds(PROBE)

    assert scene.popular().freshness.source is Source.MISS


def test_a_mended_upstream_may_be_called_by_all(scene: Scene) -> None:
    scene.health.failed()
    scene.pass_seconds(COOLDOWN)
    scene.popular()

    assert scene.cached.record(550).freshness.source is Source.MISS
    assert scene.cached.details(550, "en-US").freshness.source is Source.MISS


def test_that_there_is_no_such_movie_mends_upstream(scene: Scene) -> None:
    scene.health.failed()
    scene.pass_seconds(COOLDOWN)
    with pytest.raises(MovieNotFound):
        scene.cached.record(1)

    assert scene.popular().freshness.source is Source.MISS


def test_no_such_movie_lets_nobody_rest(scene: Scene) -> None:
    with pytest.raises(MovieNotFound):
        scene.cached.record(1)

    assert scene.health.seconds_of_rest(KEY) == 0


# --- what cannot be read -------------------------------------------------------------------

GARBAGE = [b"", b"\x80\x04garbage", b"{", b"[1]", b"{}", b'"a string"', b'{"results": null}']


def spoil(scene: Scene, body: bytes) -> None:
    """Replace every kept body by another one, for a process that remembers none."""
    scene.forget()
    scene.cache.entries = {key: (body, put_at) for key, (_, put_at) in scene.cache.entries.items()}


@pytest.mark.parametrize("body", GARBAGE)
def test_an_unreadable_entry_is_a_miss_and_is_replaced(scene: Scene, ask: Ask, body: bytes) -> None:
    ask(scene.cached)
    spoil(scene, body)

    assert ask(scene.cached).freshness.source is Source.MISS
    scene.forget()
    assert ask(scene.cached).freshness.source is Source.HIT


@given(st.binary())
def test_any_entry_is_an_answer_a_miss_or_no_such_movie(body: bytes) -> None:
    scene = Scene()
    scene.cached.details(550, "en-US")
    spoil(scene, body)

    with suppress(MovieNotFound):  # For b"null", should it be drawn.
        assert scene.cached.details(550, "en-US").value.id == 550


def test_an_entry_of_another_kind_is_a_miss(scene: Scene) -> None:
    scene.popular()
    ((popular, _),) = scene.cache.entries.values()
    scene.cached.record(550)
    spoil(scene, popular)

    assert scene.cached.record(550).freshness.source is Source.MISS


def test_an_unreadable_entry_stands_in_for_nothing(scene: Scene) -> None:
    scene.keep_and_let_expire()
    spoil(scene, b"garbage")
    scene.break_upstream()

    with pytest.raises(CatalogueUnavailable) as caught:
        scene.popular()

    assert caught.value.upstream_status == 503


def test_an_unreadable_entry_in_the_cool_down_is_as_good_as_none(scene: Scene) -> None:
    scene.keep_and_let_expire()
    spoil(scene, b"garbage")
    scene.health.failed()

    with pytest.raises(CatalogueUnavailable) as caught:
        scene.popular()

    assert caught.value.retry_after == COOLDOWN
    assert scene.calls == 1


# --- keys ----------------------------------------------------------------------------------

DIFFERENT: list[Ask] = [
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


def test_every_parameter_makes_a_call_of_its_own(scene: Scene) -> None:
    scene.upstream.add(make_record(551))

    for each in DIFFERENT:
        assert each(scene.cached).freshness.source is Source.MISS

    assert len(scene.cache.entries) == len(DIFFERENT)


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
    scene = Scene()
    for query in queries:
        if isinstance(query, PopularQuery):
            scene.cached.popular(query)
        else:
            scene.cached.search(query)
    return list(scene.cache.entries)


@given(POPULARS | SEARCHES, POPULARS | SEARCHES)
def test_two_calls_share_a_key_when_they_are_the_same_and_only_then(
    one: PopularQuery | SearchQuery, other: PopularQuery | SearchQuery
) -> None:
    assert len(keys_after(one, other)) == len({one, other})


@given(st.text() | st.text(": \r\n\0*?[]{}/\\\"'é"))
def test_a_search_text_leaves_no_odd_character_in_its_key(text: str) -> None:
    (key,) = keys_after(SearchQuery(text, "en-US"))

    assert key.isascii()
    assert key.isprintable()
    assert not set(key) & set(" *?[]{}/\\\"'")
    assert key.count(":") == 5
    assert unquote(key.split(":")[1]) == text


# --- nonsense ------------------------------------------------------------------------------


def test_a_call_that_is_answered_with_nonsense_rests_alone(scene: Scene) -> None:
    scene.break_upstream(CatalogueAnsweredNonsense())
    with pytest.raises(CatalogueAnsweredNonsense) as first:
        scene.popular()
    scene.upstream.failure = None

    with pytest.raises(CatalogueUnavailable) as second:
        scene.popular()

    assert first.value.retry_after == second.value.retry_after == COOLDOWN
    assert scene.cached.record(550).freshness.source is Source.MISS
    assert scene.calls == 2


def test_while_a_call_rests_what_is_kept_of_it_is_served(scene: Scene) -> None:
    kept = scene.keep_and_let_expire()
    scene.break_upstream(CatalogueAnsweredNonsense())
    scene.popular()

    fetched = scene.popular()

    assert fetched.value == kept.value
    assert fetched.freshness == Freshness(Source.COOLDOWN, age=40, ttl=-10)
    assert scene.calls == 2


def test_after_its_rest_a_call_goes_out_again(scene: Scene) -> None:
    scene.break_upstream(CatalogueAnsweredNonsense())
    with pytest.raises(CatalogueAnsweredNonsense):
        scene.popular()
    scene.upstream.failure = None
    scene.pass_seconds(COOLDOWN)

    assert scene.popular().freshness.source is Source.MISS


# --- what the operator reads ---------------------------------------------------------------


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records]


def test_a_failed_call_is_one_error_line(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.keep_and_let_expire()
    failure = scene.break_upstream()
    failure.__cause__ = ConnectionResetError("https://secret.example")
    failure.tries = 4

    scene.popular()

    (line,) = lines(caplog)
    assert line["levelno"] == logging.ERROR
    assert line["msg"] == "tmdb.call_failed"
    assert line["failure"] == "CatalogueUnavailable"
    assert line["reason"] == "ConnectionResetError"
    assert line["upstream_status"] == 503
    assert line["tries"] == 4
    assert line["call"] == "popular:1:en-US:"
    assert line["served"] == "stale"
    assert "secret" not in str(line)


def test_a_failed_call_with_nothing_kept_says_so(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.break_upstream()

    with pytest.raises(CatalogueUnavailable):
        scene.popular()

    (line,) = lines(caplog)
    assert line["served"] == "nothing"
    assert line["reason"] is None


def test_a_failed_call_says_how_long_it_took(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(FakeCatalogue):
        def popular(self, query: PopularQuery) -> Fetched[Any]:
            scene.pass_seconds(2.3456)
            return super().popular(query)

    scene.upstream = Slow(failure=CatalogueTimedOut())
    scene.forget()
    with pytest.raises(CatalogueTimedOut):
        scene.popular()

    (line,) = lines(caplog)
    assert line["seconds"] == 2.346


def test_what_does_not_fail_says_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.popular()
    scene.popular()
    with pytest.raises(MovieNotFound):
        scene.cached.record(1)

    assert lines(caplog) == []


def test_the_cool_down_says_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.keep_and_let_expire()
    scene.health.failed()

    scene.popular()

    assert lines(caplog) == []


@pytest.mark.parametrize("kind", ["refuse", "503", "truncated", "401"])
def test_a_real_failure_tells_neither_token_nor_address(
    caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with Sandbox() as sandbox:
        sandbox.inject(Fault(kind))
        http = TmdbHttp(sandbox.url, DEFAULT_TOKEN, Limits(retries=1), sleep=lambda _: None)
        with pytest.raises(CatalogueFailed):
            Scene().pod(TmdbCatalogue(http)).popular(POPULAR)
        http._session.close()

    (line,) = lines(caplog)
    assert line["msg"] == "tmdb.call_failed"
    assert DEFAULT_TOKEN not in str(line)
    assert "127.0.0.1" not in str(line)
