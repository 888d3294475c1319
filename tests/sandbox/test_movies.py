"""The built-in movies of the sandbox."""

from collections import Counter

from butaca.sandbox.movies.movies import builtin_movies
from butaca.sandbox.movies.names import COUNTRIES, GENRES, LANGUAGES
from butaca.sandbox.movies.numbers import generate_numbers

MOVIES = builtin_movies()


def texts(field: str, language: str) -> list[str]:
    return [one.texts[language][field] for one in MOVIES if language in one.texts]


def test_catalogue_has_several_pages() -> None:
    assert len(MOVIES) >= 120


def test_ids_are_unique() -> None:
    assert len({movie.id for movie in MOVIES}) == len(MOVIES)


def test_texts_are_unique() -> None:
    for language in ("en-US", "es-ES"):
        for field in ("overview", "tagline"):
            written = Counter(text for text in texts(field, language) if text)
            assert max(written.values()) == 1


def test_most_movies_have_an_overview_in_both_languages() -> None:
    for language in ("en-US", "es-ES"):
        assert sum(map(bool, texts("overview", language))) > 0.85 * len(MOVIES)


def test_translations_do_not_repeat_the_original_title() -> None:
    for movie in MOVIES:
        assert movie.original_title not in [one["title"] for one in movie.texts.values()]


def test_every_kind_of_missing_data_occurs() -> None:
    gaps = {
        "poster": sum(not movie.has_poster for movie in MOVIES),
        "backdrop": sum(not movie.has_backdrop for movie in MOVIES),
        "date": sum(not movie.release_date for movie in MOVIES),
        "overview": sum(not movie.text("overview", "en-US") for movie in MOVIES),
        "runtime": sum(not movie.runtime for movie in MOVIES),
        "genres": sum(not movie.genre_ids for movie in MOVIES),
        "imdb null": sum(movie.imdb_id is None for movie in MOVIES),
        "imdb empty": sum(movie.imdb_id == "" for movie in MOVIES),
        "spanish": sum("es-ES" not in movie.texts for movie in MOVIES),
        "votes": sum(generate_numbers(movie).vote_count == 0 for movie in MOVIES),
    }

    assert all(gaps.values()), gaps


def test_some_titles_are_in_non_latin_scripts() -> None:
    assert sum(not movie.original_title[0].isascii() for movie in MOVIES) >= 10


def test_genres_countries_and_languages_have_names() -> None:
    assert {genre for movie in MOVIES for genre in movie.genre_ids} <= set(GENRES)
    assert {country for movie in MOVIES for country in movie.countries} <= set(COUNTRIES)
    assert {language.split("-")[0] for movie in MOVIES for language in movie.texts} <= set(
        LANGUAGES
    )
    assert {movie.original_language for movie in MOVIES} <= set(LANGUAGES)


def test_numbers_are_in_tmdbs_ranges() -> None:
    for known in map(generate_numbers, MOVIES):
        assert 0 <= known.vote_average <= 10
        assert known.vote_average == round(known.vote_average, 3)
        assert known.popularity > 0
        assert known.budget >= 0


def test_numbers_are_deterministic() -> None:
    assert generate_numbers(MOVIES[1]) == generate_numbers(MOVIES[1])


def test_unreleased_movies_have_no_votes() -> None:
    assert {generate_numbers(one).vote_count for one in MOVIES if one.status != "Released"} == {0}


def test_order_is_not_strictly_by_popularity() -> None:
    shown = [generate_numbers(movie).popularity for movie in MOVIES]

    assert shown != sorted(shown, reverse=True)
    assert shown[0] > shown[20] > shown[-1]
