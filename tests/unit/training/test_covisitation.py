from tests.unit.training.candidate_suite import CandidateSuite
from training.candidates.covisitation import BoughtTogether, Covisitation


class TestCovisitation(CandidateSuite):
    model = Covisitation


class TestBoughtTogether(CandidateSuite):
    model = BoughtTogether
