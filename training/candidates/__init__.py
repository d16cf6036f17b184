"""Candidate models, one file each. A new one is a file here and a line in ``MODELS``."""

from collections.abc import Mapping
from typing import Final

from training.candidates.als import Als
from training.candidates.bpr import Bpr
from training.candidates.bspm import Bspm
from training.candidates.buy_again import BuyAgain, BuyAgainWhenDue
from training.candidates.candidate import CandidateModel
from training.candidates.covisitation import BoughtTogether, Covisitation
from training.candidates.ease import Ease
from training.candidates.graph_filter import GraphFilter
from training.candidates.new_items import NewItems
from training.candidates.popular import Popular
from training.candidates.session_knn import SessionKnn
from training.candidates.trending import Trending

MODELS: Final[Mapping[str, type[CandidateModel]]] = {
    model.name: model
    for model in (
        Popular,
        Als,
        Bpr,
        Bspm,
        Ease,
        BuyAgain,
        BuyAgainWhenDue,
        GraphFilter,
        SessionKnn,
        Covisitation,
        BoughtTogether,
        NewItems,
        Trending,
    )
}
"""Name to class. A bundle names its models and finds their classes here."""
