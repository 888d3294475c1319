"""The startup message of `butaca dev`."""

import shlex
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from sqlalchemy import URL, make_url

from butaca.core.accounts import DEMO_USERS
from butaca.settings import Settings


def render_banner(settings: Settings, frontend_url: str | None) -> str:
    """Return the startup message: the URLs, the demo users, and commands to try."""
    origin, api = origin_of(settings), api_of(settings)
    database = make_url(settings.database_url.get_secret_value())
    lines = [
        # Not the base URL of the API, which has no page.
        f"  Butaca is at {origin}/docs",
        "",
        f"    API         {api.removeprefix(origin)}/…, with the token of a user",
        f"    front end   {frontend_url or 'not installed'}",
        f"    TMDB        {settings.tmdb_base_url}",
        f"    database    {database.render_as_string()}",
        f"    commands    {_users_command(database)}",
        *(_example_commands(api) if settings.demo_users else ()),
        "",
        "  Press Ctrl-C to stop.",
    ]
    return "\n".join(["", *lines, ""])


def exposure_warning(settings: Settings, address: str) -> str | None:
    """Return a warning if other machines can use the demo users at the listening address."""
    if not settings.demo_users or ip_address(address.partition("%")[0]).is_loopback:
        return None
    (_, admin), (_, consumer) = DEMO_USERS
    return (
        f"HOST={settings.host} lets other machines call Butaca with the public tokens {admin} "
        f"(ADMIN) and {consumer}. Unset HOST, or set DEMO_USERS=false."
    )


def api_of(settings: Settings) -> str:
    """Return the base URL of the API."""
    return f"{origin_of(settings)}/api/v1"


def origin_of(settings: Settings) -> str:
    """Return the URL of the server, without a path."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _users_command(database: URL) -> str:
    """Return a command to paste, whose first part also works for all other commands."""
    program = Path(sys.executable).with_name("butaca")
    folder = Path.cwd()
    path = program.relative_to(folder) if program.is_relative_to(folder) else program
    command = f"{shlex.quote(str(path))} users list"
    if database.password is not None:  # Not shown here; the user has set DATABASE_URL.
        return f"{command}   (with the same DATABASE_URL)"
    return f"DATABASE_URL={shlex.quote(database.render_as_string())} {command}"


def _example_commands(api: str) -> Iterator[str]:
    (_, admin), (_, consumer) = DEMO_USERS
    me = f"curl -s -H 'Authorization: Bearer {consumer}'"
    json = "-H 'Content-Type: application/json'"
    yield f"    admin       {admin}   (user 1, ADMIN)"
    yield f"    consumer    {consumer}         (user 2, USER)"
    yield ""
    yield "  Try these commands:"
    yield ""
    yield f"    {me} {api}/movies/popular"
    yield f"    {me} {json} -d '{{\"movie_id\": 550}}' {api}/me/favorites"
    yield f"    {me} {json} -X PUT -d '{{\"stars\": 4.5}}' {api}/me/ratings/550"
    yield f"    {me} '{api}/me/favorites?sort=-release_date,-rating&language=es'"
    yield f"    curl -s -H 'Authorization: Bearer {admin}' -X DELETE {api}/users/2/favorites"
