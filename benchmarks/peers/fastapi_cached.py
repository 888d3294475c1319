"""FastAPI with fastapi-cache2 on Redis, following the README of fastapi-cache2.

It runs on `uvicorn[standard]`, as FastAPI's documentation recommends, with uvloop and httptools.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from httpx import AsyncClient
from redis import asyncio as aioredis

from benchmarks.peers.tmdb import HEADERS, REDIS_URL, SECONDS, URL, with_image_urls

tmdb = AsyncClient(headers=HEADERS)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Initialize the cache."""
    redis = aioredis.from_url(REDIS_URL)
    FastAPICache.init(RedisBackend(redis), prefix="fastapi-cache")
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/movies/popular")
@cache(expire=SECONDS)
async def popular(page: int = 1):  # type: ignore[no-untyped-def]
    """Return a page of popular movies, as the cache decodes it. A return type would cost more."""
    response = await tmdb.get(URL, params={"page": page})
    body: Any = response.raise_for_status().json()
    return with_image_urls(body)
