"""Which outputs stay in float16 where nobody says so."""

from __future__ import annotations

import pytest

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.joint import with_own_float16
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.platforms import get_platform


def kept(role: str, *, chip: str = "rk3588", by_default: bool = True, **options: object) -> tuple[str, ...]:
    outputs = tuple(Output(f"{name}8", name, 8) for name in ("box", "cls", role))
    metadata = ModelMetadata(("a",), (320, 320), "split", outputs)
    made = BuildOptions(**options)  # type: ignore[arg-type]
    return with_own_float16(made, metadata, get_platform(chip), by_default=by_default).float16


def test_keypoints_unless_it_was_chosen_how_ranges_are_measured() -> None:
    assert kept("keypoints", algorithm="mean") == ("keypoints8",)
    assert kept("keypoints", algorithm="mean", float16=("a", "keypoints8")) == ("a", "keypoints8")
    assert kept("keypoints", algorithm="mean", by_default=False) == ()
    assert kept("keypoints", algorithm="normal") == (), "what settled() made of options that are the vendor's"
    assert kept("mask", algorithm="mean") == ()


def test_boxes_that_share_an_output_with_scores(caplog: pytest.LogCaptureFixture) -> None:
    assert kept("yolox", algorithm="kl_divergence", by_default=False) == ("yolox8",)
    assert kept("yolox", auto_hybrid=True) == ()
    assert not caplog.messages
    assert kept("keypoints", chip="rv1106", algorithm="mean") == () and not caplog.messages
    assert kept("yolox", chip="rv1106", algorithm="mean") == () and "runs no float16" in caplog.text
