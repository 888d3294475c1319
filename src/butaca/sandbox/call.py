"""A call as TMDB interprets it: a path, and query parameters with TMDB's defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import parse_qsl, unquote, urlsplit

from butaca.sandbox.responses import TmdbError

LAST_PAGE = 500
MAX_RANGE_DAYS = 14
MAX_ID_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Call:
    """A path and its query, as TMDB interprets them."""

    path: str
    params: Mapping[str, str]

    @classmethod
    def parse(cls, target: str) -> "Call":
        """Parse a request target."""
        parts = urlsplit(target)
        return cls(unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)))

    @property
    def language(self) -> str:
        """The requested language: `xx` or `xx-YY`."""
        return self.params.get("language") or "en-US"

    @property
    def page(self) -> int:
        """The requested page. Raises TmdbError (code 22) outside 1..500."""
        text = self.params.get("page", "1")
        number = int(text) if text.isascii() and text.isdigit() else 0
        if not 1 <= number <= LAST_PAGE:
            raise TmdbError(22)
        return number

    @property
    def year(self) -> str:
        """The requested year of release, or an empty string."""
        return self.params.get("primary_release_year") or self.params.get("year") or ""

    @property
    def wants_translations(self) -> bool:
        """Whether the details must include the translations."""
        return "translations" in self.params.get("append_to_response", "").split(",")

    def check_dates(self) -> None:
        """Raise TmdbError: code 23 for an invalid date, 20 for a range over 14 days."""
        start, end = self._date("start_date"), self._date("end_date")
        if start and end and not 0 <= (end - start).days <= MAX_RANGE_DAYS:
            raise TmdbError(20)

    def _date(self, name: str) -> date | None:
        if not (text := self.params.get(name)):
            return None
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise TmdbError(23) from error


def parse_id(text: str) -> int | None:
    """Return the ID in a text, or None; TMDB's IDs have 32 bits."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS:
        return int(text)
    return None
