"""What a reader of an evaluation must know of its files: options that had no effect, and what makes figures flatter.

A figure flatters where a model could learn the answers: from visits or rows that stand in both files, or from what
others did after the moment of the question. What can only be a mistake is refused.
"""

from collections.abc import Iterator

import pandas as pd

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from training.evaluation.protocol import Protocol
from training.evaluation.task import Exclude
from training.evaluation.wording import moment
from training.interactions import EVENT, ITEM, SESSION, TIME, USER


def options_without_effect(
    protocol: Protocol, known: pd.DataFrame, asked: pd.DataFrame, target: Kind | None, exclude: Exclude | None
) -> Iterator[str]:
    """Sentences on ``--target`` and ``--exclude bought`` where rows do not tell what kind of event they are.

    ``known`` and ``asked`` are the rows of the training and of the test part. BadInput where neither has events.
    """
    events = EVENT in known or EVENT in asked
    if target is not None and EVENT not in asked:
        option = f"--target {target.name.lower()}"
        if protocol is Protocol.BASKETS and target is not Kind.BUY:
            raise BadInput(f"{option}: baskets are purchases; leave --target out")
        if not events:
            raise BadInput(_no_events(option))
        if protocol is not Protocol.BASKETS:
            yield f"{option} could not narrow the questions: the test file has no events; all its rows are asked for."
    of_history, part = (asked, "test") if protocol is Protocol.SESSIONS else (known, "training")
    if exclude is Exclude.BOUGHT and EVENT not in of_history:
        if not events:
            raise BadInput(_no_events("--exclude bought"))
        yield f"--exclude bought removed nothing: the {part} file, which holds the histories, has no events."


def leaks(protocol: Protocol, known: pd.DataFrame, asked: pd.DataFrame, held_out: bool) -> Iterator[str]:
    """Sentences on what of the test file could be learnt from the training file.

    Customers who are in both are the point of most files and no leak. BadInput where all that is asked about was
    learnt from, or, unless it was ``held_out``, lies before all of it.
    """
    timed = TIME in asked and TIME in known
    if protocol is Protocol.SESSIONS and SESSION in asked:
        yield from _shared_sessions(known, asked, timed)
    elif timed and protocol is Protocol.USERS:
        yield from _shared_rows(known, asked)
    if timed and not held_out:
        yield from _older_rows(known, asked)


def _no_events(option: str) -> str:
    return (
        f"{option} needs to know what kind of event a row is, and no file tells; "
        f"name the column with --columns event=COLUMN, or leave {option.partition(' ')[0]} out"
    )


def _shared_sessions(known: pd.DataFrame, asked: pd.DataFrame, timed: bool) -> Iterator[str]:
    shared = asked[asked[SESSION].isin(known[SESSION])]
    if shared.empty:
        return
    learnt = _in_both(known, shared, [SESSION, ITEM, *([TIME] if timed else [])])
    whole = int(learnt.groupby(shared[SESSION]).all().sum())
    sessions, of = shared[SESSION].nunique(), asked[SESSION].nunique()
    if whole == of:
        raise BadInput(
            f"all {of:,} test sessions stand in the training file, click by click: a model would be asked for what it "
            "was shown. Take them out of the training file, or cut one file with --data"
        )
    yield (
        f"{sessions:,} of the {of:,} test sessions have an id that the training file has too, {whole:,} of them with "
        "the same clicks: their answers could be learnt, and the figures flatter. No session should be in both files."
    )


def _shared_rows(known: pd.DataFrame, asked: pd.DataFrame) -> Iterator[str]:
    learnt = int(
        _in_both(known, asked, [USER, ITEM, TIME, *([EVENT] if EVENT in known and EVENT in asked else [])]).sum()
    )
    if learnt == len(asked):
        raise BadInput(
            f"all {len(asked):,} test rows stand in the training file: a model would be asked for what it was shown. "
            "Take them out of the training file, or cut one file with --data"
        )
    if learnt:
        yield (
            f"{learnt:,} of the {len(asked):,} test rows stand in the training file too, with the same customer, item "
            "and time: they could be learnt, and the figures do not tell what a model finds by itself."
        )


def _older_rows(known: pd.DataFrame, asked: pd.DataFrame) -> Iterator[str]:
    end = int(known[TIME].max())
    older = int((asked[TIME] < end).sum())
    if asked[TIME].max() < known[TIME].min():
        raise BadInput(
            f"the test file ends at {moment(int(asked[TIME].max()))}, before the training file begins, at "
            f"{moment(int(known[TIME].min()))}; are --train and --test the wrong way round?"
        )
    if older:
        yield (
            f"{older:,} of the {len(asked):,} test rows ({100 * older / len(asked):.2f} %) are older than the end of "
            f"the training file ({moment(end)} UTC): models could learn what came after them, which flatters the "
            "figures. A file that is cut with --data has none."
        )


def _in_both(known: pd.DataFrame, asked: pd.DataFrame, by: list[str]) -> "pd.Series[bool]":
    """Which rows of ``asked`` are in ``known`` with the same values of ``by``."""
    for name in by:  # leaves few rows to compare as a whole, which takes long
        known = known[known[name].isin(asked[name])]
    return pd.Series(pd.MultiIndex.from_frame(asked[by]).isin(pd.MultiIndex.from_frame(known[by])), asked.index)
