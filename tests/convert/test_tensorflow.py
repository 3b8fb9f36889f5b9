"""Models of TensorFlow, built with the vendor's real toolkit beside a real TensorFlow (scripts/tensorflow.sh)."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from tests.conftest import needs_toolkit
from tests.docs.toolkit_rows import BEHIND_TENSORFLOW, ROWS, asked, check, examples
from yolorknn.cli.app import app
from yolorknn.convert.recipe.config import from_dict
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.model import rknn_file

pytestmark = [needs_toolkit, pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
tf: Any = pytest.importorskip("tensorflow", reason="no tensorflow: run scripts/tensorflow.sh")

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
SCALED = {"mean_values": [[0, 0, 0]], "std_values": [[255, 255, 255]]}
GRAPH = {"inputs": ["image"], "input_size_list": [[1, 32, 48, 3]], "outputs": ["Identity"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.float32]]:
    """net.tflite and net.pb of one network, and what TensorFlow itself computes of IMAGE."""
    constants = importlib.import_module("tensorflow.python.framework.convert_to_constants")
    folder = tmp_path_factory.mktemp("né")
    tf.keras.utils.set_random_seed(0)
    image = tf.keras.Input((*IMAGE.shape[:2], 3), batch_size=1, name="image")
    features = tf.keras.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(image)
    features = tf.keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(features)
    pooled = tf.keras.layers.GlobalAveragePooling2D()(tf.keras.layers.Conv2D(8, 1)(features))
    scores = tf.keras.layers.Dense(5, kernel_initializer=tf.keras.initializers.RandomNormal(stddev=10))(pooled)
    model = tf.keras.Model(image, scores)
    (folder / "net.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())

    def graph(image: Any) -> Any:
        return model(image)

    signature = tf.TensorSpec((1, *IMAGE.shape), tf.float32, name="image")
    frozen = constants.convert_variables_to_constants_v2(tf.function(graph).get_concrete_function(signature))
    (folder / "net.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return folder, model(IMAGE[None] / np.float32(255)).numpy()


@pytest.mark.parametrize(("name", "load"), [("net.tflite", {}), ("net.pb", GRAPH)])
def test_it_computes_what_tensorflow_computes(
    made: tuple[Path, NDArray[np.float32]], name: str, load: dict[str, Any], tmp_path: Path
) -> None:
    folder, expected = made
    options = from_dict({"config": SCALED, "load": load})
    request = BuildRequest(folder / name, options=options, generic=True)
    with planned(request) as plan, Toolkit(Log(tmp_path / "x.log"), python=plan.toolkit.python) as toolkit:
        rknn = built(toolkit, plan)
        rknn.do("init_runtime")
        (found,) = rknn.infer(IMAGE[None])
    assert np.ptp(expected) > 0.2
    assert np.allclose(found.ravel(), expected.ravel(), atol=0.01 * float(np.ptp(expected)))


def test_the_command(made: tuple[Path, NDArray[np.float32]], tmp_path: Path) -> None:
    folder, _ = made
    file = tmp_path / "pb.toml"
    file.write_text('[load]\ninputs = ["image"]\ninput_size_list = [[1, 32, 48, 3]]\noutputs = ["Identity"]\n')
    for arguments in (["net.tflite"], ["net.pb", "--config", str(file)]):
        done = CliRunner().invoke(
            app, ["build", str(folder / arguments[0]), *arguments[1:], "-o", str(tmp_path / arguments[0][-2:])]
        )
        assert done.exit_code == 0, done.stderr
        assert rknn_file.read(Path(done.stdout.strip())).platforms == ("rk3588",)
    with pytest.raises(Exception, match="inputs"):
        CliRunner().invoke(app, ["build", str(folder / "net.pb")], catch_exceptions=False)


def test_the_examples_of_the_page(made: tuple[Path, NDArray[np.float32]], tmp_path: Path) -> None:
    """Of docs/toolkit.md."""
    rows = [row for row in ROWS if row.call in BEHIND_TENSORFLOW]
    assert len(rows) == 7
    for number, ((words, toml), of) in enumerate(examples(rows).items()):
        calls = asked(words, toml, Path(shutil.copytree(made[0], tmp_path / str(number))))
        for row in of:
            check(row, calls)
