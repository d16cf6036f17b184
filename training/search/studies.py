"""Studies: what was tried already, kept in a journal by Optuna so that a search can go on after it was stopped.

A folder holds one search: ``journal.log`` with all trials of all studies, a line for each change, and ``search.json``
with what it was about. A search that is killed loses at most the trial it was at.
"""

import json
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from zlib import crc32

from feature_repo.errors import Conflict, Corrupt, Misconfigured
from training.exclusive import only_one
from training.search.space import Choice, Range, Space
from training.settings import Value

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage

JOURNAL: Final = "journal.log"
ABOUT: Final = "search.json"
LOCK: Final = "search.lock"
IN_FORCE: Final = "in_force"
"""Attribute of a study: the score of what is in force."""
START_ANEW: Final = "give --anew to forget what was tried and start anew"
DIGITS: Final = 3
"""Significant digits of a value that is tried, so that what is written down is what was tried."""


class Tried(NamedTuple):
    values: Mapping[str, Value]
    score: float


@dataclass(frozen=True, slots=True)
class Explored:
    in_force: Tried
    best: Tried
    """The first one of equals; what is in force where nothing scored higher."""
    trials: int
    """Of all calls."""

    @property
    def improved(self) -> bool:
        return self.best.score > self.in_force.score


class Studies:
    """The studies of one folder; ``only_search`` must be held."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._seed = seed
        self._storage = _storage(folder / JOURNAL)

    def study(self, name: str) -> "Study":
        """The study of this name, new where there is none; a trial that was running when it was killed has failed."""
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                storage=self._storage, study_name=name, load_if_exists=True, direction="maximize"
            )
            running = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING])
            for trial in running:
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            # Another seed for each call: the same one would propose again what was tried at first.
            seed = crc32(f"{self._seed}/{name}/{len(study.get_trials(deepcopy=False))}".encode())
            study.sampler = optuna.samplers.TPESampler(seed=seed)
        return study


def explore(
    study: "Study",
    space: Space,
    in_force: Mapping[str, Value],
    score: Callable[[Mapping[str, Value]], float],
    go_on: Callable[[int], bool],
    told: Callable[[int, float], None],
    reference: float | None = None,
) -> Explored | None:
    """Try values of the space while ``go_on``, asked with the number of trials so far, says so.

    What is in force is tried before all else, and is to be beaten: its score, or where these values do not stand for
    all of it, ``reference``. ``told`` hears each new trial's number and score. None when there was no time to try
    anything, now or earlier.
    """
    if IN_FORCE not in study.user_attrs and not go_on(0):
        return None
    today = _in_force(study, space, in_force, score, reference)
    distributions = _distributions(space, in_force)
    while go_on(len(completed(study))):
        trial = study.ask(distributions)
        reached = score(_rounded(trial.params))
        study.tell(trial, reached)
        told(trial.number, reached)
    done = completed(study)
    best = max(done, key=lambda trial: (trial.value, -trial.number), default=None)
    if best is None or best.value <= today.score:
        return Explored(today, today, len(done))
    return Explored(today, Tried(_rounded(best.params), best.value), len(done))


def scores_of(study: "Study") -> list[float]:
    """Of the trials, in their order."""
    return [float(trial.value) for trial in completed(study)]


def _in_force(
    study: "Study",
    space: Space,
    in_force: Mapping[str, Value],
    score: Callable[[Mapping[str, Value]], float],
    reference: float | None,
) -> Tried:
    """What is in force reaches, scored once in the life of a study; the sampler begins there where it can."""
    import optuna

    values = {name: in_force[name] for name in space}
    known = study.user_attrs.get(IN_FORCE)
    if known is None:
        known = score(values) if reference is None else reference
        within = all(where.holds(values[name]) for name, where in space.items())
        if within and reference is None:
            distributions = _distributions(space, in_force)
            study.add_trial(optuna.trial.create_trial(params=values, distributions=distributions, value=float(known)))
        elif within:
            study.enqueue_trial(values)
        study.set_user_attr(IN_FORCE, float(known))
    return Tried(values, float(known))


def completed(study: "Study") -> list[Any]:
    """The trials that were told their score, in their order."""
    import optuna

    return study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])


def _distributions(space: Space, in_force: Mapping[str, Value]) -> dict[str, "BaseDistribution"]:
    return {name: _distribution(where, in_force[name]) for name, where in space.items()}


def _distribution(where: Range | Choice, in_force: Value) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(where, Choice):
        return CategoricalDistribution(where.values)
    if isinstance(in_force, int):
        return IntDistribution(int(where.low), int(where.high), log=where.log)
    return FloatDistribution(where.low, where.high, log=where.log)


def _rounded(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for name, value in values.items()}


def check_optuna() -> None:
    """Misconfigured, saying what to install, when Optuna is missing."""
    try:
        import optuna
    except ImportError as error:
        raise Misconfigured(
            f"`shopfloor search` needs Optuna ({error}); install it with: pip install 'shopfloor[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _storage(journal: Path) -> "BaseStorage":
    import optuna
    from optuna.storages.journal import JournalFileBackend

    _forget_half_a_line(journal)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=cast(Any, _Held())))
    except (ValueError, KeyError) as error:
        raise Corrupt(f"{journal} cannot be read: {error}; {START_ANEW}", file=str(journal)) from error


class _Held:
    """``only_search`` holds the lock; Optuna's own, a file, would outlive a search that is killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return


def _forget_half_a_line(journal: Path) -> None:
    """A search that is killed may leave the last line without its end."""
    if journal.exists():
        text = journal.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text):
            with journal.open("r+b") as file:
                file.truncate(len(whole))


def resume(folder: Path, about: Mapping[str, Any], anew: bool) -> dict[str, Any]:
    """What an earlier call noted of this search, nothing where it is new.

    Conflict, naming what differs, when the folder's search was about something else.
    """
    if anew or not (folder / ABOUT).exists():
        for name in (ABOUT, JOURNAL):
            (folder / name).unlink(missing_ok=True)
        write_about(folder, about, {})
        return {}
    earlier, noted = _read_about(folder)
    for part, value in json.loads(json.dumps(about)).items():
        if earlier.get(part) != value:
            differs = _shown(earlier.get(part), value)
            raise Conflict(f"the search in {folder} was made with other {part} ({differs}); {START_ANEW}", differs=part)
    return noted


def known_until(folder: Path) -> datetime | None:
    """Just after the last event that the folder's search knows; None where there is no search."""
    if not (folder / ABOUT).exists():
        return None
    try:
        return datetime.fromisoformat(_read_about(folder)[0]["data"]["last_event"]) + timedelta(seconds=1)
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"{folder / ABOUT} does not say what it is about; {START_ANEW}", file=ABOUT) from error


def write_about(folder: Path, about: Mapping[str, Any], noted: Mapping[str, Any]) -> None:
    """Write what the search is about, whole or not at all."""
    unfinished = folder / f".{ABOUT}"
    unfinished.write_text(json.dumps({"about": about, "noted": noted}, indent=1))
    os.replace(unfinished, folder / ABOUT)


def _read_about(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    path = folder / ABOUT
    try:
        found = json.loads(path.read_text())
        return dict(found["about"]), dict(found["noted"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"{path} cannot be read: {error}; {START_ANEW}", file=str(path)) from error


def _shown(earlier: Any, now: Any) -> str:
    if isinstance(earlier, dict) and isinstance(now, dict):
        changed = [name for name in sorted({*earlier, *now}) if earlier.get(name) != now.get(name)]
        return ", ".join(
            f"{name} {earlier.get(name, 'nothing')} then, {now.get(name, 'nothing')} now" for name in changed
        )
    return f"{earlier} then, {now} now"


def only_search(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of searches in this folder; Conflict, naming the other process, when it is held."""
    return only_one(folder / LOCK, f"a search in {folder}")
