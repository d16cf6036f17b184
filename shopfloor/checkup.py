"""Asks each outside part whether it answers, one after the other, and never raises for one that does not."""

import asyncio
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from feature_repo.errors import Misconfigured, ShopfloorError, TryLater
from shopfloor import wiring
from shopfloor.settings import Settings
from shopfloor.system import base_url

LEAST_FREE_BYTES: Final = 500_000_000
SERVICE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    ok: bool
    says: str


async def checkup(settings: Settings) -> list[Finding]:
    """What data folder, log, online store, lake, model registry, the settings of models, and the service, if one runs,
    say of themselves."""
    parts: dict[str, Callable[[], Awaitable[str]]] = {
        "data": lambda: asyncio.to_thread(_data, settings),
        "events": lambda: _events(settings),
        "online": lambda: _online(settings),
        "lake": lambda: asyncio.to_thread(wiring.lake(settings).check),
        "models": lambda: asyncio.to_thread(_models, settings),
        "training": lambda: asyncio.to_thread(_training, settings),
        "service": lambda: asyncio.to_thread(_service, settings),
    }
    findings = []
    for part, ask in parts.items():
        try:
            findings.append(Finding(part, True, await ask()))
        except ShopfloorError as error:
            findings.append(Finding(part, False, str(error)))
        except Exception as error:  # a part that fails in a way of its own is a finding as well
            findings.append(Finding(part, False, f"{type(error).__name__}: {error}"))
    return findings


def _data(settings: Settings) -> str:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(settings.data).free
    except OSError as error:
        raise Misconfigured(f"data folder {settings.data} cannot be used: {error}; set SHOPFLOOR_DATA") from error
    if free < LEAST_FREE_BYTES:
        raise TryLater(f"{settings.data} has {free / 1e6:,.0f} MB free; the log stops taking events when it is full")
    return f"{settings.data}, {free / 1e9:,.1f} GB free"


async def _events(settings: Settings) -> str:
    async with wiring.event_log(settings, "doctor") as log:
        return await log.check()


async def _online(settings: Settings) -> str:
    async with wiring.online_features(settings) as online:
        return await asyncio.to_thread(online.check)


def _models(settings: Settings) -> str:
    champion = wiring.model_registry(settings).version_of("champion")
    return f"champion is version {champion}" if champion else "answers; no champion yet, run shopfloor train"


def _training(settings: Settings) -> str:
    from training.model_settings import ModelSettings

    ModelSettings.of(settings.training)
    own = [*settings.training.own_models, *settings.training.models, *settings.training.blends]
    return f"the shop's own settings for {', '.join(own)}" if own else "default settings of models and blends"


def _service(settings: Settings) -> str:
    """What the service says of itself and of drift; that none runs on this machine is no fault."""
    address = f"{base_url(settings)}/readyz"
    try:
        with urllib.request.urlopen(address, timeout=SERVICE_SECONDS) as answer:  # noqa: S310  # our own http address
            ready = json.load(answer)
            status, drift = ready["status"], ready["parts"].get("drift")
    except urllib.error.HTTPError as error:
        raise TryLater(f"{address} answers {error.code}: it is starting, or it is not Shopfloor's") from error
    except (urllib.error.URLError, OSError):
        return f"none at {base_url(settings)}"
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Misconfigured(f"{address} is not Shopfloor's: {error}; give another SHOPFLOOR_PORT") from error
    return f"{status} at {base_url(settings)}" + (f"; drift: {drift['detail']}" if drift else "")


def without_password(address: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@", 1)))
