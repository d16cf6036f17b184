"""docs/evaluation.md: its model works as it stands there, and it names what there is."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.training.candidate_suite import CandidateSuite
from training.evaluation.protocol import Protocol
from training.evaluation.source import described
from training.evaluation.task import Metric

GUIDE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()


def guides_model() -> ModuleType:
    module = ModuleType("guides_model")
    source = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[0]
    sys.modules[module.__name__] = module  # where dataclasses and inspect look for it
    exec(compile(source, "docs/evaluation.md", "exec"), module.__dict__)
    return module


class TestModelOfTheGuide(CandidateSuite):
    model = guides_model().Followers


def test_the_first_sentence_of_a_models_page_describes_it() -> None:
    assert (
        described(TestModelOfTheGuide.model) == "what most often came right after the item the customer looked at last."
    )


@pytest.mark.parametrize("name", [*Metric, *Protocol])
def test_the_guide_explains(name: str) -> None:
    assert f"`{name}`" in GUIDE
