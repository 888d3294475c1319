"""The control API under /_sandbox: faults and the call counter."""

from typing import Any

from butaca.sandbox.active_faults import ActiveFaults
from butaca.sandbox.calls import Calls
from butaca.sandbox.faults import KINDS, parse_faults
from butaca.sandbox.responses import Response, json_response

ROOT = "/_sandbox"


class Control:
    """Handles `/_sandbox`, `/_sandbox/faults` and `/_sandbox/calls`."""

    def __init__(self, faults: ActiveFaults, calls: Calls, token: str) -> None:
        """Control these faults and this counter, and show the valid token."""
        self._faults = faults
        self._calls = calls
        self._token = token

    def handle(self, method: str, path: str, body: bytes, *, host: str) -> Response:
        """Execute a request, and return the resulting faults or counts."""
        match method, path.removeprefix(ROOT):
            case "GET", "":
                return json_response(_usage(f"http://{host}", self._token))
            case "GET" | "PUT" | "DELETE", "/faults":
                return self._handle_faults(method, body)
            case "GET" | "DELETE", "/calls":
                return self._handle_calls(method)
        return json_response({"error": f"unsupported: {method} {path}; see GET {ROOT}"}, 404)

    def _handle_faults(self, method: str, body: bytes) -> Response:
        try:
            if method == "PUT":
                self._faults.replace(*parse_faults(body.decode()))
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
        if method == "DELETE":
            self._faults.replace()
        return json_response(self._faults.as_json())

    def _handle_calls(self, method: str) -> Response:
        if method == "DELETE":
            self._calls.reset()
        return json_response(self._calls.as_json())


def export_command(origin: str, token: str) -> str:
    """Return the shell command with which Butaca uses the sandbox at this origin."""
    return f"export TMDB_BASE_URL={origin}/3 TMDB_IMAGE_BASE_URL={origin}/t/p TMDB_TOKEN={token}"


def _usage(origin: str, token: str) -> dict[str, Any]:
    url = f"{origin}{ROOT}"
    return {
        "about": "A stand-in for TMDB. PUT a list of faults to make it fail, DELETE it to recover.",
        "use": export_command(origin, token),
        "examples": [
            f"curl {url}/faults",
            f"""curl -X PUT {url}/faults -d '[{{"kind": "503"}}]'""",
            f"""curl -X PUT {url}/faults -d '[{{"kind": "429", "times": 2, "retry_after": 1}}]'""",
            f"""curl -X PUT {url}/faults -d '[{{"kind": "hang", "paths": "/3/movie/popular"}}]'""",
            f"""curl -X PUT {url}/faults -d '[{{"kind": "deleted", "ids": [550]}}]'""",
            f"curl -X PUT {url}/faults -d 'delay:/3/search/*:1,500'",
            f"curl -X DELETE {url}/faults",
            f"curl {url}/calls",
            f"curl -X DELETE {url}/calls",
        ],
        "fields": {
            "kind": "one of the kinds below",
            "paths": "a shell-style pattern; default *",
            "times": "the number of calls; default all",
            "probability": "from 0 to 1; default 1",
            "seconds": "the duration, for delay, drip and drip-headers; default 1",
            "retry_after": "the value of a Retry-After header, not validated; default none",
            "ids": "the IDs of the deleted movies, for deleted",
        },
        "kinds": dict(KINDS),
    }
