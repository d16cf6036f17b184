"""Whether the service may be sent requests, part by part."""

import asyncio
from collections.abc import Awaitable
from typing import Final, Literal

import msgspec

from serving.service import Service

PATIENCE_SECONDS: Final = 1.0

State = Literal["ok", "starting", "failing"]


class PartState(msgspec.Struct, frozen=True):
    state: State
    detail: str


class Readiness(msgspec.Struct, frozen=True):
    """``starting`` until catalogue and model were looked at once; then ``ready``, or ``degraded`` when a part fails.

    A degraded service still answers (the ladder; 503 for events while the log is away), so it stays in rotation:
    taking every replica out because one store is down would turn a worse answer into none.
    """

    status: Literal["ready", "degraded", "starting"]
    parts: dict[str, PartState]


async def readiness(service: Service) -> Readiness:
    log, online = await asyncio.gather(_answers(service.parts.log.check()), _answers(_read(service)))
    parts = {"log": log, "online": online, "catalogue": _catalogue(service), "model": _model(service)}
    if service.slot.current is not None:
        parts["drift"] = PartState("ok", service.slot.current.drift.says())
    states = {part.state for part in parts.values()}
    if "starting" in states:
        return Readiness("starting", parts)
    return Readiness("degraded" if "failing" in states else "ready", parts)


async def _read(service: Service) -> str:
    await service.parts.features.read_customer("readyz", None)
    return "the online store answers"


async def _answers(check: Awaitable[str]) -> PartState:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return PartState("ok", await check)
    except TimeoutError:
        return PartState("failing", f"no answer within {PATIENCE_SECONDS:g} s")
    except Exception as error:  # a probe tells what ails a part, whatever it is
        return PartState("failing", str(error))


def _catalogue(service: Service) -> PartState:
    if service.feed.problem is not None:
        return PartState("failing", service.feed.problem)
    if not service.feed.caught_up.is_set():
        return PartState("starting", "loading products and taxonomy")
    return PartState("ok", f"{len(service.catalogue)} products, {len(service.catalogue.taxonomy)} categories")


def _model(service: Service) -> PartState:
    slot = service.slot
    serves = "no model" if slot.current is None else f"model {slot.current.bundle.version}"
    if slot.problem is not None:
        return PartState("failing", f"{serves} answers; the champion cannot be taken over: {slot.problem}")
    if not slot.looked.is_set():
        return PartState("starting", "looking for the champion")
    if slot.current is None:
        return PartState("ok", "no champion yet; run shopfloor train, until then popular and new products are shown")
    return PartState("ok", f"{serves} answers")
