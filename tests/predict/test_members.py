"""What the classes to embed have: what a user calls, and nothing else."""

from __future__ import annotations

import pytest

from yolorknn import Classifier, Detector, Runner
from yolorknn.predict.loaded_model import LoadedModel

SHARED = {"busy", "close", "dead", "imgsz", "names", "stream"}
CHANGED = {"run", "thresholds", "keep", "prove", "finds_as", "replace"}
"""What a program calls that changes it while it runs, as `watch` does."""
THRESHOLDS = {"agnostic_nms", "classes", "conf", "iou", "max_det", "multi_label"}


@pytest.mark.parametrize(
    ("kind", "own"), [(Detector, {"detect", *THRESHOLDS}), (Classifier, {"classify"})], ids=["Detector", "Classifier"]
)
def test_members_are_what_a_user_calls(kind: type[LoadedModel], own: set[str]) -> None:
    assert {name for name in dir(kind) if not name.startswith("_")} == SHARED | CHANGED | own


def test_a_runner_has_what_a_user_calls() -> None:
    own = {"busy", "close", "dead", "run", "stream"}
    assert {name for name in dir(Runner) if not name.startswith("_")} == own
