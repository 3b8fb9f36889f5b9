"""The stand-in is held to a second, independent user of librknnrt's interface, which works on real boards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fakes.encode import Cell, encode_split, split_metadata
from tests.fakes.rknn_files import write_rknn
from tests.fakes.standin import compile_standin, key_of, needs_compiler, write_replay
from yolorknn.model import rknn_file
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.values import floats, values_of
from yolorknn.runtime import rknn_api
from yolorknn.runtime.rknnrt import Weights
from yolorknn.tasks.boxes import decode

PACKAGE = "ztu-somemodelruntime-ez-rknn-async==0.11"
IMGSZ = (64, 96)
METADATA = ModelMetadata(**{**split_metadata(IMGSZ, 3).__dict__, "build": Build("rk3588", "i8", "2.3.2")})


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, which is no dependency of ours: AGPL, and only ever asked here."""
    folder = tmp_path_factory.mktemp("second-user")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{PACKAGE} cannot be had here: {done.stderr[-200:]}")
    return folder


@pytest.mark.slow
@needs_compiler
def test_it_gets_the_answers_that_we_get(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = compile_standin(tmp_path)
    model = write_rknn(tmp_path / "m.rknn", METADATA)
    images = np.random.default_rng(0).integers(0, 256, (6, *IMGSZ, 3), np.uint8)
    cells = [
        Cell(8, number, 2 * number, number % 3, 0.9 - number / 10, (1, 2, 3, 1.5)) for number in range(len(images))
    ]
    answers = {key_of(image): encode_split(METADATA, [cell]) for image, cell in zip(images, cells, strict=True)}
    np.savez(tmp_path / "images.npz", images=images)
    standin = {
        "STANDIN_SOC": "rk3588",
        "STANDIN_REPLAY": str(write_replay(tmp_path / "replay.bin", answers)),
        "STANDIN_LOG": str(tmp_path / "log.jsonl"),
    }
    environment = {**os.environ, **standin, "LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(installed)}
    words = [ROOT / "tests/fakes/second_user.py", model, tmp_path / "images.npz", tmp_path / "found.npz"]
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    calls = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert not [call for call in calls if "wrong" in call and call["f"] != "rknn_destroy"]  # it ends the owner first
    assert [call["f"] for call in calls].count("rknn_dup_context") == 2, "three cores share weights"
    assert {call["core"] for call in calls if call["f"] == "rknn_run"} == {0, 1, 2}

    for name, value in standin.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(library),))
    theirs, session = np.load(tmp_path / "found.npz"), Weights(rknn_file.read(model)).open(0)
    for number, (image, cell) in enumerate(zip(images, cells, strict=True)):
        outputs = session.run({"images": image[None]})
        ours = [values_of(outputs[tensor.name], tensor) for tensor in session.outputs]
        boxes = decode(ours, METADATA, conf=0.25)
        assert boxes.class_id.tolist() == [cell.class_id]
        for kind in ("one", "three", "async"):
            given = [theirs[f"{kind}.{number}.{index}"] for index in range(len(ours))]
            assert all(np.array_equal(one, floats(other)) for one, other in zip(given, ours, strict=True)), kind
            assert np.array_equal(decode(given, METADATA, conf=0.25).xyxy, boxes.xyxy)
    session.close()
