"""What the classes to embed have: what a user calls, and nothing else."""

from __future__ import annotations

import pytest

from yolorknn import Classifier, Detector
from yolorknn.predict.loaded_model import LoadedModel

SHARED = {"busy", "close", "dead", "imgsz", "names", "stream"}
THRESHOLDS = {"agnostic_nms", "classes", "conf", "iou", "max_det", "multi_label"}


@pytest.mark.parametrize(
    ("kind", "own"), [(Detector, {"detect", *THRESHOLDS}), (Classifier, {"classify"})], ids=["Detector", "Classifier"]
)
def test_members_are_what_a_user_calls(kind: type[LoadedModel], own: set[str]) -> None:
    assert {name for name in dir(kind) if not name.startswith("_")} == SHARED | own
