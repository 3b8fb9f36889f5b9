"""The rarer results of a build on the vendor's real toolkit, and what goes wrong around one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from tests.fakes.waiting import until
from yolorknn import Detector
from yolorknn.convert.build import build
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError, MetadataError, ModelError
from yolorknn.model import rknn_file
from yolorknn.predict.open_model import open_model
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort, needs_toolkit, pytest.mark.toolkit]

IMAGES = sorted((DATASET / "images").glob("*.jpg"))
HIDDEN = "/model.0/act/Mul_output_0"


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return Path(shutil.copy(DEMO_ONNX, tmp_path / "demo.onnx"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_batches_the_encrypted_model_and_the_example(onnx: Path) -> None:
    """All three are made, and each says who runs it."""
    made = build(onnx, options=BuildOptions(batch=4), encrypt=3, codegen=True)
    locked, example = made.with_suffix(".crypt.rknn"), made.with_name(f"{made.stem}-cpp")
    assert names(onnx.parent) == {onnx.name, made.name, f"{made.stem}.log", locked.name, example.name}
    assert locked.read_bytes()[:4] == b"CYPT" and b"yolorknn1:" not in locked.read_bytes()
    assert "rknn_init" in (example / "src/rknn_app.cc").read_text()
    with pytest.raises(ModelError, match="is encrypted: only the NPU's runtime reads it"):
        rknn_file.read(locked)
    with pytest.raises(ModelError, match="not for detection by yolorknn: it takes batches of 4 images"):
        open_model(made)
    with pytest.raises(ModelError, match=r"cannot be simulated .* batches of 4 images"):
        Detector(made, simulate=True)
    with pytest.raises(BuildError, match=r"-cpp, which exists: remove it"):
        build(onnx, codegen=True)
    with pytest.raises(BuildError, match="encryption level 4 is not"):
        build(onnx, encrypt=4)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"dynamic_input": [[[1, 3, 320, 320]], [[1, 3, 192, 320]]]}, "several sizes"),
        ({"remove_weight": True}, "in another model"),
    ],
)
def test_what_the_detector_cannot_run_is_refused(onnx: Path, config: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=f"not for detection by yolorknn: .*{words}"):
        open_model(build(onnx, options=BuildOptions(config=config)))


def test_mean_and_std_are_in_the_file_and_its_metadata(onnx: Path) -> None:
    options = BuildOptions(config={"mean_values": [[1, 2, 3]], "std_values": [128, 128, 128], "single_core_mode": True})
    file = rknn_file.read(build(onnx, options=options))
    assert (file.mean, file.std) == ((1, 2, 3), (128, 128, 128)) == (metadata_of(file).mean, metadata_of(file).std)
    for bad in ([[1, 2]], "1,2,3", [[1, 2, "x"]]):
        with pytest.raises(BuildError, match="is not three numbers"):
            build(onnx, options=BuildOptions(config={"mean_values": bad}))
    with pytest.raises(MetadataError, match="std"):
        build(onnx, options=BuildOptions(config={"std_values": [0, 1, 1]}))
    for config in ({"quant_img_RGB2BGR": True}, {"inputs_yuv_fmt": ["nv12"]}):
        with pytest.raises(BuildError, match="is for generic models"):
            build(onnx, options=BuildOptions(config=config))


def layers(onnx: Path, dataset: Path | None, options: BuildOptions) -> list[list[str]]:
    """Return the rows of the compiler's own table, which verbose prints: operation, dtype, target, ..."""
    log = Log(onnx.with_suffix(".verbose.log"))
    with (
        planned(BuildRequest(onnx, dataset=dataset, options=options)) as plan,
        Toolkit(log, python=plan.toolkit.python) as toolkit,
    ):
        built(toolkit, plan, verbose=True)
        text = log.text()
    _, _, table = text.partition("Network Layer Information Table")
    rows = [line.split("] ", 1)[-1].split() for line in table.splitlines() if line.startswith("D RKNN")]
    found = [row[1:] for row in rows if len(row) > 6 and row[0].isdigit()]
    assert len(found) > 50
    return found


@pytest.mark.slow
def test_op_target_moves_layers_to_the_cpu(onnx: Path) -> None:
    plain = layers(onnx, None, BuildOptions())
    moved = layers(onnx, None, BuildOptions(config={"op_target": {HIDDEN: "cpu"}}))
    assert sum(row[2] == "CPU" for row in moved) > sum(row[2] == "CPU" for row in plain)
    assert not Path("check0_base_optimize.onnx").exists()
    with pytest.raises(BuildError, match="Invalid key of 'nowhere' in 'op_target'"):
        build(onnx, options=BuildOptions(config={"op_target": {"nowhere": "cpu"}}))


def test_the_command_line_passes_its_options_on_over_the_files(onnx: Path, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("algorithm = 'mmse'\noptimization_level = 2\n[config]\nmodel_pruning = true\n")
    chosen = ("--algorithm", "kl_divergence", "--method", "layer", "--mean", "0,0,1", "--auto-hybrid")
    process = started(onnx, "--dataset", IMAGES[0], "--config", file, *chosen, "-o", tmp_path / "out")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    made = metadata_of(rknn_file.read(tmp_path / "out/demo-rk3588-i8.rknn"))
    assert made.mean == (0, 0, 1) and made.build is not None
    assert BuildOptions.of(made.build) == BuildOptions(
        algorithm="kl_divergence",
        method="layer",
        optimization_level=2,
        auto_hybrid=True,
        config={"model_pruning": True, "mean_values": [[0, 0, 1]]},
    )
    file.write_text("[config]\nmodel_prunning = true\n")
    process = started(onnx, "--config", file)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert errors == f"error: {file}: there is no 'model_prunning' in [config]: did you mean 'model_pruning'?\n"


@pytest.mark.slow
def test_layers_that_the_toolkit_proposes_are_float16(onnx: Path) -> None:
    def floating(options: BuildOptions) -> int:
        return sum(row[0].startswith("Conv") and row[1] == "FLOAT16" for row in layers(onnx, IMAGES[0], options))

    assert floating(BuildOptions(proposal=1)) > floating(BuildOptions()) == 0


# Around a build


def started(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "yolorknn", "build", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_build_killed_in_the_middle_is_started_again(onnx: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = started(onnx, "--dataset", DATASET, "-o", out, env={**os.environ, "TMPDIR": str(tmp_path)})
    log = out / "demo-rk3588-i8.log"
    until(lambda: log.exists() and log.stat().st_size, by=process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(out) == {log.name}
    made = build(onnx, dataset=IMAGES[0], output=out)
    assert names(out) == {log.name, made.name}
    rknn_file.read(made)


@pytest.mark.slow
def test_two_builds_at_once_in_one_folder(onnx: Path, tmp_path: Path) -> None:
    """Of one model for two chips: both succeed. Of the very same: one does, and the other says so or comes later."""
    out = tmp_path / "out"
    chips = ("rk3588", "rk3588", "rk3576")
    running = [started(onnx, "--platform", chip, "-o", out) for chip in chips]
    done = [(process.communicate(timeout=300), process.returncode) for process in running]
    assert done[2][1] == 0 and 0 in (done[0][1], done[1][1])
    for (_, errors), code in done:
        assert code == 0 or (code == 1 and "another build is writing" in errors), errors
    assert names(out) == {f"demo-{chip}-fp16{suffix}" for chip in chips for suffix in (".rknn", ".log")}
    for chip in chips:
        assert rknn_file.read(out / f"demo-{chip}-fp16.rknn").platforms == (chip,)


@pytest.mark.parametrize("limit", [20_000, 1_000_000, 2_913_000])
def test_a_full_disk_leaves_none_of_the_three_results(onnx: Path, tmp_path: Path, limit: int) -> None:
    """The system refuses to let any file grow beyond the limit: the ONNX's copy, the .rknn, the encrypted one."""
    out = tmp_path / "out"
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    code += "from yolorknn.__main__ import main; main()"
    command = [sys.executable, "-c", code, "build", str(onnx), "-o", str(out), "--encrypt", "1", "--codegen"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert not out.exists() or names(out) <= {"demo-rk3588-fp16.log"}
