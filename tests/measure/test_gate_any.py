"""--max-drop of models that are no detectors: by agreement with float, or by a measure of the user's own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort, needs_toolkit, needs_torch
from tests.fakes.commands import misused, refused, run
from tests.fakes.tiny_onnx import blunt_net, computed, picture_net, two_inputs
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import BuildError, CalibrationError, ModelError
from yolorknn.measure import gate_any
from yolorknn.measure.gate_any import build_any_within
from yolorknn.measure.gate_report import Trial
from yolorknn.measure.metric import agreeing, read_metric
from yolorknn.measure.recipes import Recipe
from yolorknn.model import rknn_file

METRIC = """import numpy as np
def score(outputs, files):
    assert len(outputs) == len(files) == 6 and files[0][0].is_file()
    return float(np.mean([out["logits"].max() > -1e9 for out in outputs]))
def nothing(outputs, files):
    return None
def fails(outputs, files): return outputs[0]["absent"]
nine = 9
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("cal", "held"):
        Path(folder).mkdir()
        for number in range(6):
            np.save(f"{folder}/{number}.npy", rng.normal(size=(1, 3, 16, 16)).astype(np.float32))
    Path("mine.py").write_text(METRIC)
    picture_net(tmp_path / "net.onnx", size=16)
    return tmp_path


def test_agreement_is_of_the_largest_values_and_of_one_value_the_cosine() -> None:
    one: dict[str, Any] = {"y": np.array([[1.0, 2.0, 3.0]]), "z": np.array([[5.0]])}
    assert agreeing(one, one) == 1
    assert agreeing(one, {"a": np.array([[3.0, 2.0, 1.0]]), "b": np.array([[-5.0]])}) == 0
    assert agreeing(one, {"a": np.array([[0.0, 0.0, 1.0]]), "b": np.array([[-1.0]])}) == 0.5


@pytest.mark.parametrize("text", ["near:f", "./near.py:f", "far/near.py:f", "pack.near:f", "test:f"])
def test_a_metric_is_a_function_of_a_file_or_of_a_module_here(
    place: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """With what lies beside it; and a module here goes before an installed one, as Python's own `test` is."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("near", "pack", "pack.near", "beside", "test"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    here = [str(Path.cwd()), str(Path.cwd() / "far")]
    assert not set(here) & set(sys.path)
    for folder, value in ((".", 0.5), ("far", 0.75)):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "beside.py").write_text(f"value = {value}\n")
        Path(folder, "near.py").write_text("from beside import value\ndef f(outputs, files): return value\n")
    Path("pack").mkdir()
    for other in ("pack/near.py", "test.py"):
        Path(other).write_text(Path("near.py").read_text())
    assert read_metric(text)([], []) == (0.75 if text.startswith("far") else 0.5)
    assert sys.path[0] not in here, "later imports of ours find what is installed"
    for name in ("near", "pack", "pack.near", "beside", "test"):
        sys.modules.pop(name, None)


def test_an_installed_module_has_metrics_too() -> None:
    assert read_metric("statistics:fmean")([1.0, 2.0], None) == 1.5  # type: ignore[list-item, arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine.py:absent", r"no function: give module:function or .* has no attribute 'absent'"),
        ("mine.py:", "no function: give module:function or"),
        ("mine:nine", "int and no function"),
        ("absent.py:f", "no function: give .*No such file"),
        ("no_such_module:f", "no function: give .*No module named 'no_such_module'"),
        ("score", "no function: give .*no colon"),
        ("zero:f", r"ZeroDivisionError: .*zero\.py, line 2\)"),
        ("zero.py:f", r"ZeroDivisionError: .*zero\.py, line 2\)"),
        ("torn.py:f", r"SyntaxError: .*torn\.py, line 1\)"),
        ("lacking.py:f", r"No module named 'no_such_module' \(.*lacking\.py, line 1\)"),
        ("left.py:f", r"SystemExit: 3 \(.*left\.py, line 1\)"),
        ("mine.py:fails", r"KeyError: 'absent' \(.*mine\.py, line 7\)"),
    ],
)
def test_what_is_wrong_with_a_metric_is_a_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    broken = {"zero": "\n1 / 0", "torn": "def f(:", "lacking": "import no_such_module", "left": "raise SystemExit(3)"}
    for name, line in broken.items():
        Path(f"{name}.py").write_text(f"{line}\n")
    with pytest.raises(BuildError, match=f"^--metric {text}:? .*{said}"):
        read_metric(text)([{}], [])


@needs_ort
def test_what_the_gate_refuses(place: Path) -> None:
    request = BuildRequest(Path("net.onnx"), dataset=Path("cal"), generic=True)
    with pytest.raises(CalibrationError, match="is in cal and in cal: measure on"):
        build_any_within(request, Path("cal"), max_drop=1)
    shutil.copytree("cal", "copied")
    with pytest.raises(CalibrationError, match=r"copied/.* is a copy of one in cal: measure on"):
        build_any_within(request, Path("copied"), max_drop=1)
    with pytest.raises(CalibrationError, match="pass --dataset"):
        build_any_within(BuildRequest(Path("net.onnx"), generic=True), Path("held"), max_drop=1)
    with pytest.raises(ModelError, match=r"and nothing here runs a \.tflite in float: export it to ONNX"):
        build_any_within(BuildRequest(Path("n.tflite"), dataset=Path("cal"), generic=True), Path("held"), max_drop=1)
    with pytest.raises(BuildError, match="the metric gave None, which is no number"):
        build_any_within(request, Path("held"), max_drop=1, metric="mine.py:nothing")
    Path("zero.py").write_text("def of(outputs, files):\n    return 0\n")
    with pytest.raises(
        BuildError, match=r"the float model itself has 0 of zero\.py:of on .* files of held, so that no"
    ):
        build_any_within(request, Path("held"), max_drop=1, metric="zero.py:of")
    assert "is for build --generic" in misused(
        "build", "net.onnx", "--metric", "a:b", "--max-drop", 1, "--data", "held"
    )
    assert "needs --max-drop" in misused("build", "net.onnx", "--generic", "--metric", "a:b")
    words = ["build", "net.onnx", "--generic", "--max-drop", 1, "--data", "held", "--dataset", "cal"]
    assert "chooses the recipe itself" in misused(*words, "--algorithm", "normal")


@needs_ort
def test_the_first_recipe_that_is_good_enough_is_built_and_none_is_an_error(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ran(self: Any, recipe: Recipe) -> gate_any.Ran:
        name = recipe.name
        asked.append(name)
        drop = {"normal": 5.0, "kl_divergence": 2.0}[name]
        return Trial(name, {}, 6, map=1 - drop / 100, drop=drop, size=1000, ms=1.0), None

    def two(compare: Any, base: BuildOptions, *, float16: bool, mmse: bool) -> Iterator[list[Recipe]]:
        yield [Recipe("normal", base), Recipe("kl_divergence", base)]

    monkeypatch.setattr(gate_any._Gate, "ran", ran)
    monkeypatch.setattr(gate_any, "recipes_of_any", two)
    made = Path("net-rk3588-i8.rknn")
    built: list[Any] = []

    def build_as(*_: Any, **options: Any) -> Path:
        built.append(options["accuracy"])
        return made

    monkeypatch.setattr(gate_any, "build_as", build_as)
    words = ["build", "net.onnx", "--generic", "--data", "held", "--dataset", "cal", "--metric", "mine.py:score"]
    done = run(*words, "--max-drop", 3)
    assert asked == ["normal", "kl_divergence"] and done.stdout == f"{made}\n"
    said, heads, *rows = (
        line for line in done.stderr.splitlines() if "mine.py" in line or "  <- " in line or "few" in line
    )
    assert said.endswith("points of mine.py:score on 6 inputs of held") and rows[0].endswith("<- chosen")
    assert heads.index("drop") + 4 == rows[0].index("2.00") + 4, "the columns stand below their names"
    assert rows[1].startswith("6 inputs are few")
    assert built[0]["measure"] == "mine.py:score" and built[0]["float"] == 1.0
    report = json.loads(Path("net-rk3588-i8.accuracy.json").read_text())
    assert report["chosen"] == "kl_divergence" and report["measured"] == 6
    assert "loses 2.00" in refused(*words, "--max-drop", 1)
    assert Path("net-rk3588-i8.rejected.json").is_file()


@needs_ort
def test_a_metric_is_given_the_float_models_outputs_as_it_is_the_simulators(place: Path) -> None:
    """Of an .onnx that gives float16, too."""
    import onnx

    model = onnx.load("net.onnx")
    model.graph.node.append(onnx.helper.make_node("Cast", ["logits"], ["half"], to=onnx.TensorProto.FLOAT16))
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("half", onnx.TensorProto.FLOAT16, [1, 10]))
    onnx.save(model, "half.onnx")
    rows = [[path] for path in sorted(Path("held").iterdir())]
    found = gate_any._Gate(BuildRequest(Path("half.onnx"), generic=True), rows, None, None).floating()
    assert all(outputs["half"].dtype == np.float32 for outputs in found)
    for outputs, (path,) in zip(found, rows, strict=True):
        expected = computed(Path("net.onnx"), {"image": np.load(path)})["logits"]
        assert outputs["half"] == pytest.approx(expected, rel=1e-3, abs=1e-3)


@needs_ort
def test_rows_are_in_the_order_of_the_inputs_that_are_loaded(tmp_path: Path) -> None:
    """As the toolkit reads them, and as the .rknn has its inputs: of two of one shape nothing else would tell."""
    model, rows = two_inputs(tmp_path / "two.onnx"), [[tmp_path / "v.npy", tmp_path / "i.npy"]]
    vector, image = np.ones((1, 5), np.float32), np.full((1, 3, 4, 6), 9, np.float32)
    np.save(rows[0][0], vector)
    np.save(rows[0][1], image)
    load = {"inputs": ["a/b", "image"], "input_size_list": [[1, 5], [1, 3, 4, 6]]}
    config = {"mean_values": [[], [1.0, 1.0, 1.0]], "std_values": [[], [4.0, 4.0, 4.0]]}
    request = BuildRequest(model, generic=True, options=BuildOptions(load=load, config=config))
    (found,) = gate_any._Gate(request, rows, None, None).floating()
    assert np.allclose(found["y"], computed(model, {"image": (image - 1) / 4, "a/b": vector})["y"], atol=1e-6)


@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_the_layer_that_int8_loses_is_kept_in_float16(place: Path) -> None:
    model = blunt_net(place / "blunt.onnx")
    request = BuildRequest(model, dataset=Path("cal"), generic=True)
    made, report = build_any_within(request, Path("held"), max_drop=3)
    assert report.trials[0].drop is not None and report.trials[0].drop > 30
    assert report.chosen is not None and "layers float16" in report.chosen
    recorded = rknn_file.read(made).recorded()
    assert recorded is not None and recorded.build is not None
    assert any(name.startswith("second") for name in recorded.build.options["float16"])


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, which traces
def test_a_torchscript_agrees_with_torch(place: Path) -> None:
    """Whose answers its metric is given first: here rows of which int8 must know the largest."""
    import torch

    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1568, 4)
    )
    torch.jit.trace(network.eval(), torch.zeros(1, 3, 16, 16)).save("net.pt")
    rows = [[path] for path in sorted(Path("held").iterdir())]
    options = BuildOptions(
        config={"mean_values": [[1.0, 2.0, 3.0]], "std_values": [[2.0, 2.0, 4.0]]},
        load={"input_size_list": [[1, 3, 16, 16]]},
    )
    request = BuildRequest(Path("net.pt"), dataset=Path("cal"), dtype="i8", options=options, generic=True)
    for outputs, (path,) in zip(gate_any._Gate(request, rows, None, None).floating(), rows, strict=True):
        scaled = (np.load(path)[0].T - [1, 2, 3]) / [2, 2, 4]
        expected = network(torch.from_numpy(scaled.T[None].astype(np.float32))).detach().numpy()
        assert next(iter(outputs.values())) == pytest.approx(expected, abs=1e-5)
    _, report = build_any_within(request, Path("held"), max_drop=20)
    assert report.chosen == "normal" and report.float_map == 1
