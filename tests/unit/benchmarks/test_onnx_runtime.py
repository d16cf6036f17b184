"""ONNX Runtime beside our trees: what is said where it is not installed, and that rounding sends no row elsewhere."""

import sys

import numpy as np
import pytest

from benchmarks import ranking
from benchmarks.onnx_runtime import Score, Times, in_turns, not_above
from training.interactions import Floats


def test_without_the_packages_it_says_at_once_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(sys, "argv", ["ranking", "--onnx"])
    monkeypatch.setattr(ranking, "measure", lambda *_: pytest.fail("it measured nevertheless"))
    with pytest.raises(SystemExit):
        ranking.main()
    assert "onnx and onnxruntime are missing; install with: python -m pip install onnx onnxruntime" in (
        capsys.readouterr().err
    )


def test_a_rounded_threshold_sends_every_value_the_same_way() -> None:
    rng = np.random.default_rng(0)
    thresholds = np.concatenate([rng.normal(size=1000), [0.0, 0.1, 0.3, -0.1, 1e-50, -1e-50]])
    near = thresholds.astype(np.float32)
    values = np.stack([near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))])
    assert ((values <= near) != (values <= thresholds)).any(), "the nearest float32 would do, this test shows nothing"
    assert ((values <= not_above(thresholds, np.float32)) == (values <= thresholds)).all()


def test_both_are_asked_equally_often_and_each_goes_first_as_often() -> None:
    asked: list[tuple[str, float]] = []

    def scorer_of(name: str) -> Score:
        def score(rows: Floats) -> Floats:
            asked.append((name, float(rows[0, 0])))
            return rows[:, 0]

        return score

    lists = [np.full((1, 1), value, np.float32) for value in (1, 2)]
    times = in_turns((scorer_of("ours"), scorer_of("other")), lists, calls=4)
    assert [type(each) for each in times] == [Times, Times]
    first = asked[4::2]  # behind the round that warms up
    assert sorted(first) == [("other", 1), ("other", 2), ("ours", 1), ("ours", 2)]
