# Nothing is compiled: every dependency is installed as a wheel with a pinned hash. The last stage is the image.
ARG PYTHON=3.13.18

FROM python:${PYTHON}-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv --without-pip /opt/butaca \
    && pip --python /opt/butaca/bin/python install --no-compile --no-deps --only-binary :all: --require-hashes -r requirements/runtime.txt \
    && pip install --no-deps --only-binary :all: --require-hashes -r requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY examples/frontend examples/frontend
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist . \
    && pip --python /opt/butaca/bin/python install --no-compile --no-deps --no-index dist/*.whl

# Debug symbols make up 12 MB of the dependencies.
RUN find /opt/butaca -name '*.cpython-*.so' -exec strip --strip-debug {} +


FROM python:${PYTHON}-slim-trixie AS trimmed
# Remove what is needed only to install packages, draw user interfaces or read help.
RUN dpkg --purge --force-depends --force-remove-essential apt libapt-pkg7.0 perl-base sqv
COPY --from=build /opt/butaca /opt/butaca
# Compiling bytecode takes most of the startup time, so compile it here, but only for the modules that serve and
# migrate: all of it would be too large. Python does not check it against the source, because a builder may change
# the source's timestamps.
RUN rm -rf /usr/local/include /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/pip* \
        /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/idlelib /usr/local/lib/python3.*/pydoc_data \
        /usr/local/lib/python3.*/tkinter /usr/local/lib/python3.*/turtledemo \
    && DATABASE_URL=postgresql+psycopg://db/butaca REDIS_URL=redis://redis TMDB_TOKEN=none \
    /opt/butaca/bin/python -c "import sys; files = set(); \
sys.addaudithook(lambda event, args: event == 'compile' and files.add(str(args[1]))); \
import alembic.command, butaca.app, butaca.cli, butaca.server, multiprocessing.popen_fork, py_compile; \
butaca.app.create_from_environment(); \
trusted = py_compile.PycInvalidationMode.UNCHECKED_HASH; \
[py_compile.compile(file, doraise=True, invalidation_mode=trusted) for file in files if file.endswith('.py')]"


FROM scratch
# Copy everything into a new layer, so that removed files do not add to the size.
# hadolint ignore=DL3067
COPY --from=trimmed / /
# With malloc's default of eight arenas per processor, memory use is 7 MB higher. The threads allocate one at a
# time anyway.
ENV PATH=/opt/butaca/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOST=0.0.0.0 PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2

# A numeric ID, so that Kubernetes can verify that it is not root.
USER 10001:10001
WORKDIR /opt/butaca
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s \
    CMD ["python", "-Ic", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]

# No shell in between, so that SIGTERM reaches the server, which needs up to 20 seconds to shut down.
STOPSIGNAL SIGTERM
ENTRYPOINT ["butaca"]
CMD ["serve"]
