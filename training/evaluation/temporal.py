"""One file cut at one moment for the whole shop: everything before it is learnt from, what comes after is asked for.

A split by customer or at random would let a model learn from what others did after the moment of the question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from training.evaluation.cautions import options_without_effect
from training.evaluation.protocol import Protocol, read_training, task_of
from training.evaluation.task import Exclude, Task
from training.interactions import SESSION, TIME, USER


@dataclass(frozen=True, slots=True)
class TemporalSplit:
    """``moment`` in seconds since 1970; ``left_out``: rows after it of sessions that had begun before."""

    task: Task
    moment: int
    left_out: int


def read_split(
    protocol: Protocol,
    data: Path,
    columns: Mapping[str, str],
    share: float,
    seed: int = 0,
    target: Kind | None = None,
    exclude: Exclude | None = None,
) -> TemporalSplit:
    """Learn from the rows before the last ``share`` of the file's span of time, ask for what came then.

    ``sessions`` asks about sessions that begin after the cut: of one that runs across it, the first part is learnt
    from and the rest left out. ``users`` asks for all a customer took after the cut, ``baskets`` for the first basket
    after it. BadInput when the file has no times or one side of the cut is empty.
    """
    if not 0 < share < 1:
        raise BadInput(f"--share {share}: the part of time to ask about lies between 0 and 1")
    frame = read_training(protocol, data, columns)
    if TIME not in frame or frame[TIME].min() == frame[TIME].max():
        raise BadInput(f"{data} has no times to cut at; name its column with --columns time=COLUMN, or cut it yourself")
    first, last = int(frame[TIME].iloc[0]), int(frame[TIME].iloc[-1])
    moment = last - int((last - first) * share)
    train, asked, left_out = _cut(protocol, frame, moment)
    if train.empty or asked.empty:
        part = "before" if train.empty else "after"
        raise BadInput(f"{data}: nothing to use lies {part} the cut at {share} of its time; give another --share")
    # Both parts have the same columns, so that an option works for both or is refused.
    list(options_without_effect(protocol, train, asked, target, exclude))
    return TemporalSplit(task_of(protocol, train, asked, seed, target, exclude), moment, left_out)


def _cut(protocol: Protocol, frame: pd.DataFrame, moment: int) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    before = frame[TIME] < moment
    train, after = frame[before], frame[~before]
    if protocol is Protocol.SESSIONS:
        begun = after[SESSION].isin(train[SESSION])
        return train, after[~begun], int(begun.sum())
    if protocol is Protocol.BASKETS:
        later = after[TIME] > after.groupby(USER)[TIME].transform("min")
        return train, after[~later], 0
    return train, after, 0
