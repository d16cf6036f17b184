"""Where the questions of an evaluation come from: a training and a test file, or one file that is cut."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from training.evaluation.cautions import leaks, options_without_effect
from training.evaluation.comparison import Setting
from training.evaluation.protocol import Protocol, read_rows, task_of
from training.evaluation.task import Exclude, Task
from training.evaluation.temporal import read_split
from training.evaluation.wording import QUESTIONS, REMOVED, moment

TEMPORAL: Final = "temporal"
HELD_OUT: Final = "held-out"
_YEAR_SECONDS: Final = 31_536_000
"""Files without times count from 0: what lies in the first year is no date."""


@dataclass(frozen=True, slots=True)
class Source:
    """The questions; whole sentences on what was done to the data for them (``notes``), and on what there is to be
    careful about in the figures (``cautions``)."""

    task: Task
    protocol: Protocol
    learnt_from: str
    asked_about: str
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    def setting(self, models: Mapping[str, str], now: datetime) -> Setting:
        """What a report says of the data; ``models``: what each is, in a sentence."""
        train = self.task.train
        first, last = int(train.time.min()), int(train.time.max())
        window = f", {moment(first)} to {moment(last)} UTC" if first > _YEAR_SECONDS else ""
        without_customers = self.task.in_session and train.n_users == train.n_sessions
        return Setting(
            question=QUESTIONS[self.protocol],
            learnt_from=self.learnt_from + window,
            asked_about=self.asked_about,
            interactions=len(train),
            items=train.n_items,
            customers=train.n_users,
            owners="sessions" if without_customers else "customers",
            questions=len(self.task),
            made_at=now,
            models=models,
            notes=(REMOVED[self.task.exclude], *self.notes),
            cautions=self.cautions,
        )


def read_source(
    protocol: Protocol,
    train: Path | None,
    test: Path | None,
    split: str | None,
    data: Path | None,
    share: float,
    columns: Mapping[str, str],
    seed: int = 0,
    target: Kind | None = None,
    exclude: Exclude | None = None,
) -> Source:
    """Cut ``data`` in time, or read ``train`` and ``test``, of which ``split`` says how they were cut.

    BadInput when what is given does not fit together.
    """
    if split not in (None, TEMPORAL, HELD_OUT):
        raise BadInput(f"--split {split}: known are {TEMPORAL} and {HELD_OUT}")
    if data is not None:
        if train is not None or test is not None:
            raise BadInput("give --data FILE, which is cut in time, or --train FILE and --test FILE, not both")
        if split == HELD_OUT:
            raise BadInput(f"--split {HELD_OUT}: --data is cut in time only; give --train FILE and --test FILE")
        return _cut_in_time(protocol, data, share, columns, seed, target, exclude)
    if train is None or test is None:
        raise BadInput("give --data FILE, which is cut in time, or --train FILE and --test FILE, which are cut already")
    if split == HELD_OUT and protocol is Protocol.SESSIONS:
        raise BadInput(f"--split {HELD_OUT}: sessions are asked about as a whole; leave --split out")
    held_out = protocol is Protocol.USERS if split is None else split == HELD_OUT
    known, asked = read_rows(protocol, train, test, columns)
    unused = tuple(options_without_effect(protocol, known, asked, target, exclude))
    flattering = tuple(leaks(protocol, known, asked, held_out))
    task = replace(task_of(protocol, known, asked, seed, target, exclude), held_out=held_out)
    return Source(task, protocol, train.name, test.name, cautions=unused + flattering)


def _cut_in_time(
    protocol: Protocol,
    data: Path,
    share: float,
    columns: Mapping[str, str],
    seed: int,
    target: Kind | None,
    exclude: Exclude | None,
) -> Source:
    cut = read_split(protocol, data, columns, share, seed, target, exclude)
    notes = [f"The file was cut at {moment(cut.moment)} UTC: what came before was learnt from, the rest asked about."]
    if cut.left_out:
        notes.append(f"{cut.left_out:,} rows after the cut belong to sessions begun before it and were left out.")
    return Source(cut.task, protocol, data.name, f"{data.name}, from {moment(cut.moment)} UTC", tuple(notes))


def described(model: type) -> str:
    """What a model's page says that it is, its first sentence."""
    text = " ".join((getattr(inspect.getmodule(model), "__doc__", "") or "").split())
    return re.split(r"(?<=\.) ", text.partition(": ")[2] or text)[0]
