"""Settings: one ``shopfloor.toml``, overridden by ``SHOPFLOOR_…`` variables, read once by the composition root.

Relative paths in the file, the addresses of files and folders too, count from the file's folder; from a variable or a
default, from the current folder.
The shop's own models, where the file names some, are looked for beside the file too.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from feature_repo.errors import Misconfigured
from ingestion.contracts.event import Market
from ingestion.contracts.rejection import field_errors
from ingestion.stream.settings import StreamSettings
from serving.settings import ServingSettings
from shopfloor.schedule import ScheduleSettings
from training.settings import TrainingSettings

FILE_NAME: Final = "shopfloor.toml"
VARIABLES: Final = {
    "SHOPFLOOR_DATA": "data",
    "SHOPFLOOR_EVENTS": "events",
    "SHOPFLOOR_ONLINE": "online",
    "SHOPFLOOR_LAKE": "lake",
    "SHOPFLOOR_MODELS": "models",
    "SHOPFLOOR_HOST": "host",
    "SHOPFLOOR_PORT": "port",
    "SHOPFLOOR_KEYS": "keys",
}

PLACES: Final = ("data", "events", "online", "lake", "models")
"""Settings that are a path, or an address that may be one."""
SQLITE: Final = "sqlite:///"
"""Before a path, relative or not, where MLflow takes the address of a database."""

Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

_STRICT = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Settings(BaseModel):
    """Everything that can be set. ``shopfloor doctor`` shows what is in force and where it came from."""

    model_config = _STRICT

    data: Path = Path(".shopfloor")
    """Folder of everything the embedded parts keep."""
    events: str = ""
    """The log: empty for the embedded one in the data folder, or ``kafka://host:9092``."""
    online: str = ""
    """Online features: empty for SQLite in the data folder, or ``redis://host:6379``."""
    lake: str = ""
    """Delta tables: empty for ``<data>/lake``, or another folder or ``s3://…``."""
    models: str = ""
    """MLflow tracking: empty for SQLite in the data folder, or a server's address."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    keys: tuple[Key, ...] = ()
    """API keys; required before the service binds to anything but loopback."""
    markets: tuple[Market, ...] = ()
    """The markets this shop sells in; when set, any other is refused."""
    stream: StreamSettings = StreamSettings()
    training: TrainingSettings = TrainingSettings()
    serving: ServingSettings = ServingSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @property
    def lake_address(self) -> str:
        return self.lake or str(self.data / "lake")

    @property
    def events_address(self) -> str:
        return self.events or str(self.data / "log")

    @property
    def online_address(self) -> str:
        return self.online or str(self.data / "online.db")

    @property
    def models_address(self) -> str:
        return self.models or f"sqlite:///{self.data / 'mlflow.db'}"

    @property
    def features_folder(self) -> Path:
        """Where materialisation publishes the batch feature tables as Parquet."""
        return self.data / "features"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    settings: Settings
    sources: Mapping[str, str]
    """Setting name to where it came from: ``default``, a file's path or a variable's name."""

    @classmethod
    def read(cls, config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the file and the variables; Misconfigured, naming file and field, when they do not fit."""
        path = config or Path(FILE_NAME)
        values: dict[str, Any] = {}
        if path.exists():
            values = _read_toml(path)
        elif config is not None:
            raise Misconfigured(f"there is no settings file {config}; give another --config or leave it out")
        sources = dict.fromkeys(Settings.model_fields, "default") | dict.fromkeys(values, str(path))
        folder = path.parent.absolute()
        for name in PLACES:
            if isinstance(values.get(name), str):
                values[name] = _from(folder, values[name])
        for variable, name in VARIABLES.items():
            given = environ.get(variable, "")
            value = _listed(given) if name == "keys" else given
            if value:
                values[name] = value
                sources[name] = variable
        try:
            settings = Settings.model_validate(values)
        except ValidationError as error:
            first = field_errors(error)[0]
            where = sources.get(first.field.split(".")[0], str(path))
            got = "" if first.field.startswith("keys") else f" (got {first.value})"  # it may be a secret
            raise Misconfigured(f"setting {first.field} from {where}: {first.reason}{got}") from error
        if settings.training.own_models and str(folder) not in sys.path:
            sys.path.append(str(folder))  # as the last one, so that a file there hides no library
        return cls(settings.model_copy(update={"data": settings.data.absolute()}), sources)


def _from(folder: Path, address: str) -> str:
    """The address with a relative path in it counted from the folder; ``kafka://…`` and its like hold none."""
    if address.startswith(SQLITE):
        return SQLITE + _from(folder, address.removeprefix(SQLITE))
    return str(folder / address) if address and "://" not in address else address


def _listed(text: str) -> list[str]:
    """What stands between the commas; an empty place, as after a last comma, is nothing."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"the settings file {path} cannot be read: {error}") from error
