"""Serves the contract, and a documentation page that shows it in Swagger UI."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from mimetypes import guess_type

from apiflask import APIFlask
from flask import Blueprint, Response, render_template
from werkzeug.exceptions import NotFound

from butaca.core.accounts import DEMO_USERS
from butaca.web.compression import STATIC_CODERS, Compression
from butaca.web.context import contract, current_request, options
from butaca.web.response_builders import UntypedResponse, conditional, etag_for

_PAGE, _SWAGGER_UI = files("butaca.web") / "page", files("flask_swagger_ui") / "dist"
_FOLDERS = {
    "favicon-32x32.png": _SWAGGER_UI,
    "swagger-ui-bundle.js": _SWAGGER_UI,
    "swagger-ui.css": _SWAGGER_UI,
    "page.css": _PAGE,
    "start.js": _PAGE,
}
_POLICY = (
    "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'none'; "
    "frame-ancestors 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'"
)
_REVALIDATE = "no-cache"
_IMMUTABLE = "public, max-age=31536000, immutable"

bp = Blueprint("contract", __name__)
page = Blueprint("docs", __name__, url_prefix="/docs", template_folder="page")

_compress = Compression(STATIC_CODERS, cache_bytes=float("inf"))  # For at most eight bodies.
for _blueprint in (bp, page):
    _blueprint.after_request(_compress)


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    type: str
    tag: str

    @classmethod
    @cache
    def load(cls, name: str) -> "_Asset":
        """Read a file of the documentation page."""
        body = (_FOLDERS[name] / name).read_bytes()
        return cls(body, guess_type(name)[0] or "", etag_for(body))


@bp.get("/openapi.json")
def as_json() -> Response:
    """Serve the contract as JSON."""
    return conditional(Response(contract().as_json, mimetype="application/json"), _REVALIDATE)


@bp.get("/openapi.yaml")
def as_yaml() -> Response:
    """Serve the contract as YAML (RFC 9512)."""
    return conditional(Response(contract().as_yaml, mimetype="application/yaml"), _REVALIDATE)


@bp.get("/")
@bp.get("/docs")
def redirect_to_page() -> Response:
    """Redirect to the page. `Location` has no host, because a proxy may have another one."""
    return UntypedResponse(status=HTTPStatus.FOUND, headers={"Location": f"{page.url_prefix}/"})


@page.get("/")
def index() -> Response:
    """Serve the documentation page, with the tokens of the demo users if they are enabled."""
    demo_users = DEMO_USERS if options().demo_users else ()
    html = render_template("index.html", versioned_url=_versioned_url, demo_users=demo_users)
    policy = {"Content-Security-Policy": _POLICY}
    return conditional(Response(html, headers=policy, mimetype="text/html"), _REVALIDATE)


@page.get("/<name>")
def asset(name: str) -> Response:
    """Serve a file of the page. It is immutable at the versioned URL that the page uses."""
    if name not in _FOLDERS:
        raise NotFound
    file = _Asset.load(name)
    is_current_version = current_request().args.get("v") == file.tag
    cache_control = _IMMUTABLE if is_current_version else _REVALIDATE
    return conditional(Response(file.body, mimetype=file.type), cache_control, file.tag)


def register(app: APIFlask) -> None:
    """Register the contract and its page. The page loads no file from another host."""
    for blueprint in (bp, page):
        app.register_blueprint(blueprint)


def _versioned_url(name: str) -> str:
    return f"{name}?v={_Asset.load(name).tag}"
