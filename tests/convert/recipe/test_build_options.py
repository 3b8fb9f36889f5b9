"""The vendor's build options: what they do to the model, and that --simulate repeats them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit
from yolorknn import Detector
from yolorknn.cli.app import app
from yolorknn.convert.analyze import analyze
from yolorknn.convert.build import build
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.recorded import read_recorded
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import BuildError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.metadata import Build
from yolorknn.tasks.known import metadata_of

IMAGES = sorted((DATASET / "images").glob("*.jpg"))
TOOLKIT = [needs_ort, needs_toolkit, pytest.mark.toolkit]
HIDDEN = "/model.0/act/Mul_output_0"


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return Path(shutil.copy(DEMO_ONNX, tmp_path / "demo.onnx"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    listing = tmp_path / "two.txt"
    listing.write_text("".join(f"{path}\n" for path in IMAGES[:2]))
    return listing


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(),
        BuildOptions(algorithm="kl_divergence", method="layer", optimization_level=2),
        BuildOptions(
            float16=("a", "b"), custom_hybrid=(("c", "d"),), config={"model_pruning": True}, load={"inputs": ["x"]}
        ),
    ],
)
def test_what_is_recorded_is_read_back(options: BuildOptions) -> None:
    made = Build("rk3588", "i8", "2.3.2", options.algorithm, options.method, options=options.recorded())
    assert BuildOptions.of(made) == options
    with pytest.raises(BuildError, match="built with warp, unknown here"):
        BuildOptions.of(Build("rk3588", "i8", "9", options={"warp": 9}))


@pytest.mark.parametrize(
    ("options", "dtype", "words"),
    [
        (BuildOptions(auto_hybrid=True, float16=("a",)), "i8", "chooses the float16 layers itself: leave out float16"),
        (BuildOptions(algorithm="mmse"), "fp16", "algorithm concerns quantization, but fp16 is not quantized"),
        (BuildOptions(float16=("a",)), "fp16", "float16 concerns quantization"),
        (BuildOptions(optimization_level=4), "i8", "optimization_level 4 is not"),
        (BuildOptions(batch=0), "i8", "batch 0"),
        (BuildOptions(config={"auto_hybrid_cos_thresh": 0.9}), "i8", "threshold: add --auto-hybrid"),
        (BuildOptions(config={"quantized_dtype": "w8a16"}), "fp16", "quantized_dtype concerns quantization"),
        (BuildOptions(config={"quantize_weight": True}), "i8", "for models that are not quantized"),
        (BuildOptions(config={"target_platform": "rk3588"}), "i8", "it comes from --platform"),
    ],
)
def test_contradictions(options: BuildOptions, dtype: Any, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        options.check(dtype)


class TestToolkit:
    pytestmark = TOOLKIT

    @pytest.mark.slow
    def test_named_layers_are_float16_and_the_simulation_has_them_too(self, onnx: Path, images: Path) -> None:
        options = BuildOptions(float16=(HIDDEN, "box8"))
        file = rknn_file.read(build(onnx, dataset=images, options=options))
        assert {tensor.name: tensor.dtype for tensor in file.outputs} == {
            **{f"{role}{stride}": "int8" for stride in (8, 16, 32) for role in ("box", "cls")},
            "box8": "float16",
        }
        made = metadata_of(file).build
        assert made is not None and BuildOptions.of(made) == options.settled("i8")
        with Detector(file.path, simulate=True) as detector:
            found = np.concatenate([detector.detect(image).confidence for image in IMAGES[:6]])
        with Detector(onnx, simulate=True, dataset=images) as detector:
            assert not np.array_equal(found, np.concatenate([detector.detect(i).confidence for i in IMAGES[:6]]))

    def test_an_unknown_layer_is_named_with_its_nearest(self, onnx: Path, images: Path) -> None:
        with pytest.raises(BuildError, match=rf"^the model has no tensor '{HIDDEN}x' .*nearest name is '{HIDDEN}'"):
            build(onnx, dataset=images, options=BuildOptions(float16=(f"{HIDDEN}x",)))
        with pytest.raises(BuildError, match="nowhere is not exists"):
            build(onnx, dataset=images, options=BuildOptions(custom_hybrid=((HIDDEN, "nowhere"),)))
        assert not list(onnx.parent.glob("*.rknn"))

    @pytest.mark.slow
    def test_layers_below_a_cosine_stay_float16(self, onnx: Path, images: Path) -> None:
        """They are those that the vendor's comparison shows below it, and no other; the report names them."""
        errors = analyze(BuildRequest(onnx, dataset=images)).errors
        cosines = {e.tensor: e.single_cosine or 0.0 for e in errors if e.op != "Input" and e.note != "fused"}
        below = sorted(cosines.values())[5] + 5e-6  # half of the last digit printed
        arguments = ["build", str(onnx), "--dataset", str(images), "--float16-below", str(below)]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        made = metadata_of(rknn_file.read(Path(done.stdout.strip()))).build
        kept = {tensor for tensor, cosine in cosines.items() if cosine < below}
        assert made is not None and set(BuildOptions.of(made).float16) == kept and 6 <= len(kept) < 20
        assert f"{len(kept)} layers have a cosine below" in done.stderr and all(name in done.stderr for name in kept)

    def test_a_cosine_for_nothing(self, onnx: Path, images: Path) -> None:
        for cosine in (1.5, 0.0):
            with pytest.raises(BuildError, match=f"float16_below {cosine:g} is not a cosine"):
                build(onnx, dataset=images, float16_below=cosine)
        with pytest.raises(BuildError, match="is for int8, on a calibration image: pass --dataset"):
            build(onnx, float16_below=0.9)
        with pytest.raises(BuildError, match="chooses the float16 layers itself: leave out float16_below"):
            build(onnx, dataset=images, float16_below=0.9, options=BuildOptions(auto_hybrid=True))

    def test_the_onnx_is_found_in_another_folder(self, onnx: Path, tmp_path: Path) -> None:
        """A .rknn built with --output knows the way; moved away together with its .onnx, it finds that beside it."""
        made = build(onnx, output=tmp_path / "out")
        assert read_recorded(made)[0].resolve() == onnx.resolve()
        (tmp_path / "far/away").mkdir(parents=True)
        moved, beside = (Path(shutil.copy(file, tmp_path / "far/away")) for file in (made, onnx))
        onnx.unlink()
        assert read_recorded(moved)[0] == beside
        beside.unlink()
        with pytest.raises(ModelError, match=f"there is no {beside}: copy or export it there"):
            read_recorded(moved)
