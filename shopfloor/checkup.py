"""Asks each outside part whether it answers, one after the other, and never raises for one that does not.

Nothing is made by being asked about: of files and folders that are not there yet it only says whether they can be.
"""

import asyncio
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from feature_repo.errors import Misconfigured, ShopfloorError, TryLater, told
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
    details: Mapping[str, Any] = field(default_factory=dict)
    """The same for a program, where there is more than a sentence to tell."""


async def checkup(settings: Settings) -> list[Finding]:
    """What data folder, log, online store, lake, model registry, the settings of models, and the service, if one runs,
    say of themselves."""
    parts: dict[str, Callable[[], Awaitable[str | Finding]]] = {
        "data": lambda: asyncio.to_thread(_data, settings),
        "events": lambda: _events(settings),
        "online": lambda: _online(settings),
        "lake": lambda: _lake(settings),
        "models": lambda: asyncio.to_thread(_models, settings),
        "training": lambda: asyncio.to_thread(_training, settings),
        "service": lambda: asyncio.to_thread(_service, settings),
    }
    findings = []
    for part, ask in parts.items():
        try:
            said = await ask()
            findings.append(said if isinstance(said, Finding) else Finding(part, True, said))
        except Exception as error:  # a part that fails in a way of its own is a finding as well
            findings.append(Finding(part, False, told(error)))
    return findings


def _data(settings: Settings) -> str:
    missing = _not_there(str(settings.data))
    try:
        free = shutil.disk_usage(_nearest(settings.data)).free
    except OSError as error:
        raise Misconfigured(f"data folder {settings.data} cannot be used: {error}; set SHOPFLOOR_DATA") from error
    if not missing and not settings.data.is_dir():
        raise Misconfigured(f"data folder {settings.data} is a file; set SHOPFLOOR_DATA")
    if free < LEAST_FREE_BYTES:
        raise TryLater(f"{settings.data} has {free / 1e6:,.0f} MB free; the log stops taking events when it is full")
    return f"{missing or settings.data}, {free / 1e9:,.1f} GB free"


async def _events(settings: Settings) -> str:
    if missing := _not_there(settings.events_address):
        return missing
    async with wiring.event_log(settings, "doctor") as log:
        return await log.check()


async def _online(settings: Settings) -> str:
    if missing := _not_there(settings.online_address):
        return missing
    async with wiring.online_features(settings) as online:
        return await asyncio.to_thread(online.check)


async def _lake(settings: Settings) -> str:
    return _not_there(settings.lake_address) or await asyncio.to_thread(wiring.lake(settings).check)


def _not_there(address: str) -> str:
    """What to say of a file or folder that nobody made yet; empty for one that is there, and for a server.

    Raises Misconfigured where it could not be made.
    """
    place = Path(address)
    if "://" in address or place.is_file() or (place.is_dir() and any(place.iterdir())):
        return ""
    nearest = _nearest(place)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise Misconfigured(f"{place} cannot be made: {nearest} is no folder that we may write in; set another address")
    return f"nothing at {place} yet; it is made when first needed"


def _nearest(place: Path) -> Path:
    """The path itself or the first one above it that exists."""
    return next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())


def _models(settings: Settings) -> str | Finding:
    """Who is champion, since when and why, and whether it can be read."""
    registry = wiring.model_registry(settings)
    version, history = registry.version_of("champion"), registry.champions()
    if not history:
        return "answers; no champion yet, run shopfloor train"
    last = history[-1]
    if version is None:
        mend = "shopfloor rollback or shopfloor promote sets one"
        return Finding("models", False, f"no version is champion any more, the last was {last.version}; {mend}")
    says = f"champion is version {version}" + (f" since {last.at}" if last.at else "")
    says += (", forced" if last.forced else "") + (f": {last.why}" if last.why else "")
    overruled = registry.overruled(version) if last.forced else []
    champion = {"version": version, "since": last.at, "why": last.why, "forced": last.forced, "overruled": overruled}
    try:
        registry.check(version)
    except ShopfloorError as error:
        return Finding("models", False, f"{says}; it cannot be read: {error}", {"champion": champion})
    return Finding("models", True, says, {"champion": champion})


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
