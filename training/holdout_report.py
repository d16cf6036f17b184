"""The page that explains a training's comparison: the report of ``shopfloor evaluate``, over the hold-out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np

from training.evaluation import evaluation
from training.evaluation.catalogue import Catalogue
from training.evaluation.comparison import Setting, compared, model_rows
from training.evaluation.report import render
from training.evaluation.slices import slices_of
from training.evaluation.task import Exclude, Metric, Task
from training.evaluation.wording import REMOVED, moment
from training.holdout import Answers, Comparison, K, Question
from training.interactions import Interactions

NAMES: Final[Mapping[str, str]] = {
    "home": "new version",
    "champion": "version in use",
    "blend": "new version without ranker",
}
"""What recipes are called for people."""
MODELS: Final[Mapping[str, str]] = {
    "new version": "what this training made, as it would fill the home page.",
    "version in use": "today's mix of models, fitted on the same data for this comparison.",
    "new version without ranker": "the new version without its ranker, in the order of the blend.",
    "popular": "what most customers of a market want lately, for comparison.",
}


def holdout_report(
    comparison: Comparison, questions: list[Question], earlier: Interactions, made_at: datetime, seed: int
) -> str:
    """HTML, complete in itself. ``comparison`` holds at least one recipe's answers to ``questions``, one or more."""
    task = task_of(questions, earlier)
    answers = [_counted(NAMES.get(name, name), found, task) for name, found in comparison.answers.items()]
    catalogue = Catalogue.of(earlier)
    found = model_rows(answers, task, [K], catalogue, seed)
    return render(compared(_setting(task, made_at), answers, task, found, slices_of(task, catalogue), K, seed))


def task_of(questions: list[Question], earlier: Interactions) -> Task:
    """The hold-out's questions as an evaluation's; customers of whom only this visit is known count as new."""
    histories = [question.history for question in questions]
    last = np.cumsum([len(history.item) for history in histories], dtype=np.int64)
    number = np.arange(len(questions), dtype=np.int64)
    market = [np.full(len(history.item), history.market, np.int32) for history in histories]
    return Task(
        train=earlier,
        item=np.concatenate([history.item for history in histories]),
        kind=np.concatenate([history.kind for history in histories]),
        time=np.concatenate([history.time for history in histories]),
        market=np.concatenate(market),
        first=np.concatenate((np.zeros(1, np.int64), last[:-1])),
        last=last,
        now=np.array([history.now for history in histories], np.int64),
        relevant=np.array([question.item for question in questions], np.int32),
        relevant_first=number,
        relevant_last=number + 1,
        cluster=np.array([question.session for question in questions], np.int32),
        in_session=False,
        exclude=Exclude.NONE,
        metrics=(Metric.HR, Metric.MRR, Metric.COVERAGE),
        new_customer=np.array([bool(history.in_session.all()) for history in histories]),
        in_visit=np.concatenate([history.in_session for history in histories]),
    )


def _counted(name: str, answers: Answers, task: Task) -> evaluation.Answers:
    hits = np.zeros(answers.shown.shape, np.bool_)
    found = np.flatnonzero(answers.place)
    hits[found, answers.place[found] - 1] = True
    return evaluation.Answers(name, answers.shown, hits, np.ones(len(task), np.int32))


def _setting(task: Task, made_at: datetime) -> Setting:
    train = task.train
    return Setting(
        question="For each step of the latest visits, the new version and others were asked where the customer would "
        "go next, knowing what a shop knows at that moment.",
        learnt_from=f"events of the lake, {moment(int(train.time.min()))} to {moment(int(train.time.max()))} UTC",
        asked_about=f"visits after that, {moment(int(task.now.min()))} to {moment(int(task.now.max()))} UTC",
        interactions=len(train),
        items=train.n_items,
        customers=len(np.unique(train.user)),
        questions=len(task),
        made_at=made_at,
        models=MODELS,
        notes=(
            REMOVED[task.exclude],
            "The version itself was fitted anew on everything, the latest visits included, after this comparison.",
        ),
    )
