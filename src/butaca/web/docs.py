"""The contract as it is served, and a page to read and try it on."""

from apiflask import APIFlask
from flask import Blueprint, Response
from flask_swagger_ui import get_swaggerui_blueprint

from butaca.web.context import contract

PATH = "/docs"

# Swagger UI's page has its start in an inline script, and styles in the elements that it makes.
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data: https: http:; "
    "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)

bp = Blueprint("contract", __name__)


@bp.get("/openapi.json")
def as_json() -> Response:
    """Serve the contract as JSON."""
    return Response(contract().as_json, mimetype="application/json")


@bp.get("/openapi.yaml")
def as_yaml() -> Response:
    """Serve the contract as YAML (RFC 9512)."""
    return Response(contract().as_yaml, mimetype="application/yaml")


def register(app: APIFlask) -> None:
    """Serve the contract and its page; no file of it is of another host."""
    ui = get_swaggerui_blueprint(
        PATH,
        "/openapi.json",
        config={
            "app_name": "Butaca",
            "deepLinking": True,
            "displayRequestDuration": True,
            "filter": True,
            "persistAuthorization": True,
            "tryItOutEnabled": True,
            "validatorUrl": None,
        },
        blueprint_name="docs",
    )
    ui.after_request(_let_page_run)
    app.register_blueprint(ui)
    app.register_blueprint(bp)


def _let_page_run(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    return response
