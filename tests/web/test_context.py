"""Request data is released after the request."""

import gc
from weakref import ref

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from butaca.web import WebOptions, create_web
from tests.conftest import FakeBackend
from tests.web.helpers import API


class Connection:
    """An object that a server keeps in the WSGI environment of a request."""


@pytest.mark.parametrize("path", ["/livez", f"{API}/me", "/nowhere"])
def test_request_data_is_released_after_the_request(backend: FakeBackend, path: str) -> None:
    connection = Connection()
    environ = EnvironBuilder(path, environ_overrides={"connection": connection}).get_environ()
    run_wsgi_app(create_web(backend.services(), WebOptions()), environ)
    reference = ref(connection)

    del environ, connection
    gc.collect()

    assert reference() is None
