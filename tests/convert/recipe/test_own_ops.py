"""Custom ops of the user: a Python class through the vendor's real toolkit, against the same in ops of ONNX's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit
from tests.fakes.tiny_onnx import SWISH, computed, swish_net
from yolorknn import Detector, Place, Runner, build
from yolorknn.convert.analyze import analyze
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.own_ops import own_ops, registered, unchanged
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.toolkit.own_op import CustomOpError, OwnOp
from yolorknn.errors import BuildError, ModelError
from yolorknn.measure.compare import compare
from yolorknn.model import rknn_file
from yolorknn.tasks.agreement import agreement

X = np.random.default_rng(0).normal(size=(1, 4, 6, 5)).astype(np.float32)


BETA = '-np.float64(get_node_attr(node, "beta")) * x'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swish.py").write_text(SWISH)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and its class, built: all that stands in a folder."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "swish.py").write_text(SWISH)
    swish_net(folder / "own.onnx", custom=True)
    swish_net(folder / "plain.onnx", custom=False)
    np.save(folder / "x.npy", X)
    (folder / "list.txt").write_text("x.npy\n")
    options = BuildOptions(custom_ops=(f"{folder / 'swish.py'}:Swish",))
    return build(folder / "own.onnx", generic=True, options=options, dataset=folder / "list.txt")


def test_what_is_no_such_class_is_one_sentence(place: Path) -> None:
    def refusal(text: str, ops: tuple[str, ...] = ("cstSwish", "Conv")) -> str:
        with pytest.raises(BuildError) as caught:
            registered(ops, own_ops([text] if text else [], ops, Path("own.onnx")))
        return str(caught.value)

    changed: list[tuple[str, str, str]] = [
        ("compute(self", "run(self", "class Swish in bad.py has no compute(self, node, inputs): a custom op has"),
        ("node, inputs", "node, x, y", "compute of class Swish in bad.py must be compute(self, node, inputs)"),
        ("in_shapes, in_dtypes):", "in_shapes):", "must be shape_infer(self, node, in_shapes, in_dtypes)"),
        ("op_type =", "kind =", "class Swish in bad.py has no op_type"),
        ('"cstSwish"', '"Sigmoid"', "op_type 'Sigmoid' of class Swish in bad.py is no custom op's"),
        (
            '"cstSwish"',
            '"cstOther"',
            "own.onnx has no op cstOther, which bad.py:Swish is for; its custom ops: cstSwish",
        ),
        ("class Swish", "class Other", "bad.py has no class Swish"),
        ("import numpy", "import", "bad.py is no Python that can be read"),
    ]
    for old, new, said in changed:
        assert old in SWISH
        (place / "bad.py").write_text(SWISH.replace(old, new))
        assert said in refusal("bad.py:Swish") and "\n" not in refusal("bad.py:Swish")
    assert refusal("nothing.py:Swish") == "cannot read the custom op in nothing.py: No such file or directory"
    assert refusal("swish.py") == "'swish.py' names no class of a custom op: give it as FILE.py:CLASS"
    assert refusal("") == (
        "the model has the op cstSwish, which is no ONNX op: give the class that computes it, as "
        "--custom-op FILE.py:cstSwish"
    )
    (place / "copy.py").write_text(SWISH)
    with pytest.raises(BuildError, match=r"two classes are given for the op cstSwish"):
        own_ops(["swish.py:Swish", "copy.py:Swish"], ["cstSwish"], Path("own.onnx"))
    assert len(own_ops(["swish.py:Swish"] * 2, ["cstSwish"], Path("own.onnx"))) == 1
    assert len(registered(["cstSoftmax", "Conv"], ())) == 1, "ours needs no class"


class Node:
    output = ("y",)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return [inputs[0][:1]]", "compute gives 1x3, where shape_infer said 2x3"),
        ("return []", "compute gives nothing, where shape_infer said 2x3"),
        ("raise KeyError('gone')", "compute raised KeyError: 'gone'"),
        ("return inputs[0].astype('float64')", ""),
        ("return (inputs[0],)", ""),
    ],
)
def test_what_a_class_gives_is_looked_at(place: Path, body: str, said: str) -> None:
    text = SWISH.replace("from rknn.api.custom_op import get_node_attr\n", "").partition("        (x,)")[0]
    (place / "own.py").write_text(f"{text}        {body}\n")
    op = OwnOp(str(place / "own.py"), "Swish")
    assert op.op_type == "cstSwish"
    x = np.ones((2, 3), np.float32)
    assert op.shape_infer(Node, [[2, 3]], ["float"]) == ([[2, 3]], ["float"])
    if not said:
        (given,) = op.compute(Node, [x])
        assert np.array_equal(given, x) and given.dtype == np.float32
        return
    with pytest.raises(CustomOpError) as caught:
        op.compute(Node, [x])
    assert str(caught.value) == f"Swish of {place / 'own.py'}: {said}"


def test_a_class_that_cannot_be_made_or_infers_wrong(place: Path) -> None:
    (place / "own.py").write_text(
        "class A:\n    op_type = 'cstA'\n    def __init__(self): raise OSError('no camera')\n"
    )
    with pytest.raises(CustomOpError, match=r"A of .*own.py: it raised OSError: no camera$"):
        OwnOp(str(place / "own.py"), "A")
    (place / "own.py").write_text(
        "class A:\n    op_type = 'cstA'\n    def shape_infer(self, *a): return [[1], [2]], ['float']\n"
    )
    with pytest.raises(CustomOpError, match=r"shape_infer gives 2 shapes and 1 dtypes for 1 outputs$"):
        OwnOp(str(place / "own.py"), "A").shape_infer(Node, [], [])


@needs_ort
@needs_toolkit
def test_onnxruntime_is_not_given_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has the custom op cstSwish, .*: build it with --custom-op FILE.py:cstSwish"):
        Runner(swish_net(tmp_path / "own.onnx", custom=True))


@pytest.mark.toolkit
@needs_ort
@needs_toolkit
def test_it_computes_what_the_ops_of_onnx_do(made: Path) -> None:
    expected = computed(made.parent / "plain.onnx", {"x": X})["y"]

    def cosine(found: Any) -> float:
        return float(found.ravel() @ expected.ravel() / np.linalg.norm(found) / np.linalg.norm(expected))

    assert rknn_file.read(made).recorded().build.custom_ops.keys() == {"cstSwish"}  # type: ignore[union-attr]
    with Runner(made, place=Place(simulate=True)) as runner:
        assert cosine(runner.run(x=X)["y"]) >= 0.999


def test_a_class_goes_with_the_model_and_must_be_the_same(place: Path) -> None:
    recorded = {op.op_type: op.recorded for op in own_ops(["swish.py:Swish"], ["cstSwish"], Path("own.onnx"))}
    rknn = place / "elsewhere" / "own.rknn"
    rknn.parent.mkdir()
    assert unchanged(recorded, rknn) == ("swish.py:Swish",)
    moved = (place / "swish.py").rename(rknn.parent / "swish.py")
    assert unchanged(recorded, rknn) == (f"{moved}:Swish",), "beside the model, as a folder is given to others"
    moved.write_text(SWISH + "# other\n")
    with pytest.raises(ModelError, match=r"swish.py has changed since .* was built with its Swish: build it again"):
        unchanged(recorded, rknn)
    moved.unlink()
    with pytest.raises(ModelError, match=r"needs its custom op Swish, but there is no swish.py: copy it there"):
        unchanged(recorded, rknn)


@pytest.mark.toolkit
@pytest.mark.slow
@needs_ort
@needs_toolkit
def test_places_are_compared(made: Path) -> None:
    (row,) = compare(made).rows
    assert row.place == "int8, simulator" and row.cosine is not None and row.cosine > 0.999


@pytest.mark.toolkit
@pytest.mark.slow
@needs_ort
@needs_toolkit
def test_its_layer_is_analysed(made: Path) -> None:
    found = analyze(BuildRequest(made, generic=True))
    assert [layer.target for layer in found.layers if layer.op == "cstSwish"] == ["CPU"]
    assert min(error.single_cosine or 0 for error in found.errors if error.op == "cstSwish") > 0.999


@pytest.mark.toolkit
@pytest.mark.slow
@needs_toolkit
def test_a_class_that_fails_is_named(place: Path) -> None:
    (place / "swish.py").write_text(SWISH.replace("[x / ", "[(x / ").replace("* x))]", "* x)))[:, 1:]]"))
    swish_net(place / "own.onnx", custom=True)
    with pytest.raises(
        BuildError, match=r"failed in build: CustomOpError: Swish of .*swish.py: compute gives 1x3x6x5, wh"
    ):
        build("own.onnx", generic=True, options=BuildOptions(custom_ops=("swish.py:Swish",)))
    assert not list(place.glob("*.rknn")) and not (place / "cst_swish-plugin").exists()


@pytest.mark.toolkit
@pytest.mark.slow
@needs_ort
@needs_toolkit
def test_detectors_have_such_ops_too(place: Path) -> None:
    import onnx

    model = onnx.load(str(DEMO_ONNX))
    next(node for node in model.graph.node if node.op_type == "Sigmoid").op_type = "cstSig"
    onnx.save(model, str(place / "own.onnx"))
    (place / "sig.py").write_text(
        SWISH.replace("cstSwish", "cstSig").replace("[x / (1 +", "[1 / (1 +").replace(BETA, "-x")
    )
    image = next((DATASET / "images").glob("*.jpg"))
    made = build(place / "own.onnx", dataset=image, options=BuildOptions(custom_ops=("sig.py:Swish",)))
    with Detector(DEMO_ONNX) as one, Detector(made, simulate=True) as other:
        expected, found = one.detect(image), other.detect(image)
    assert agreement("image", expected, found).share >= 0.8 and len(expected) > 0
