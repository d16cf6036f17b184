from typing import Any, ClassVar

from tests.unit.training.candidate_suite import CandidateSuite
from training.candidates.session_knn import VMIS, SessionKnn


class TestSessionKnn(CandidateSuite):
    model = SessionKnn


class TestPlainVmis(CandidateSuite):
    model = SessionKnn
    settings: ClassVar[dict[str, Any]] = {"settings": VMIS}
