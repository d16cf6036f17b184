"""The HTTP application: routes over the service's parts, and the tasks that run beside the requests."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from serving import problem
from serving.body import LimitBody
from serving.metrics import MeasureRequests
from serving.openapi import document
from serving.routes import catalogue, events, health, items, recommendations, users
from serving.security import RequireKey
from serving.service import Parts, Service

__all__ = ["Parts", "create_app"]

logger = logging.getLogger(__name__)


def create_app(parts: Parts) -> FastAPI:
    """The application; its lifespan runs the background tasks. Whoever opened the parts closes them afterwards."""
    service = Service.of(parts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(service):
            yield

    # FastAPI's own pages load their scripts from a public host, which a shop's network may not reach.
    app = FastAPIOffline(
        title="Shopfloor",
        summary="Events in, recommendations out.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    # The busiest routes stand first, as plain Starlette routes: FastAPI's parsing would cost more than the answer.
    plain = [*recommendations.routes(service), *events.routes(service)]
    app.router.routes[:0] = plain
    for routes in (items, users, catalogue, health):
        app.include_router(routes.router(service))
    problem.install(app)
    app.add_middleware(LimitBody, limit=parts.settings.body_limit_bytes)
    if parts.keys:
        app.add_middleware(RequireKey, keys=parts.keys)
    app.add_middleware(MeasureRequests, metrics=service.metrics, plain={route.endpoint: route.path for route in plain})
    document(app, secured=bool(parts.keys))
    return app


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    """Catalogue and model are followed and exposures written until the end; what waits is flushed."""
    writing = _task(service.exposures.run(), "exposure writer")
    following = [_task(service.feed.run(), "catalogue feed"), _task(service.follower.run(), "model follower")]
    try:
        await _loaded(service)
        # The catalogue is a hundred thousand objects that stay: walking them again and again holds answers up for
        # a tenth of a second each time.
        gc.collect()
        gc.freeze()
        yield
    finally:
        gc.unfreeze()
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await service.exposures.flush(writing)


async def _loaded(service: Service) -> None:
    """Wait, in bounds, for catalogue and model, so that the first answers are neither empty nor out of date."""
    try:
        async with asyncio.timeout(service.parts.settings.start_seconds):
            await service.feed.caught_up.wait()
            await service.slot.looked.wait()
    except TimeoutError:
        logger.warning("catalogue or model are not loaded yet, starting without; /readyz says which")


def _task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell_failure)
    return task


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("the %s stopped", task.get_name(), exc_info=task.exception())
