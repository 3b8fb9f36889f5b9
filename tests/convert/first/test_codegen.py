"""The C++ program for boards without Python, compiled here with a stand-in for librknn_api."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, ROOT, needs_ort
from tests.convert.first.conftest import Interpreter
from yolorknn import Detector
from yolorknn.convert.first.build import build_first
from yolorknn.convert.first.codegen import check_codegen, header, write_codegen
from yolorknn.convert.first.plan import FirstRequest
from yolorknn.errors import BuildError
from yolorknn.image import letterbox, read_image
from yolorknn.predict.open_model import open_model, read_metadata
from yolorknn.tasks.known import output_shapes

COMPILER = shutil.which("g++") and shutil.which("cmake")
METADATA = read_metadata(DEMO_ONNX) if DEMO_ONNX.exists() else None


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


ARM = "arm-linux-gnueabihf-"
QEMU = shutil.which("qemu-arm-static") or shutil.which("qemu-arm")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, with every warning an error, beside a stand-in for the vendor's library."""
    if not COMPILER:
        pytest.skip("needs g++ and cmake")
    flags = "-Wall -Wextra -Werror -fsanitize=undefined -fno-sanitize-recover"
    return compiled(tmp_path_factory.mktemp("cpp"), flags)


def compiled(folder: Path, flags: str, *, prefix: str = "", end_to_end: bool = False) -> Path:
    theirs = folder / "librknn_api"
    shutil.copytree(ROOT / "tests/fakes/rknpu1/include", theirs / "include")
    (theirs / "lib").mkdir()
    source = ROOT / "tests/fakes/rknpu1/rknn_api.c"
    library = theirs / "lib/librknn_api.so"
    done = run(f"{prefix}gcc", "-Wall", "-Werror", "-shared", "-fPIC", f"-I{theirs}/include", source, "-o", library)
    assert done.returncode == 0, done.stderr
    assert METADATA is not None
    metadata = replace(METADATA, names=('a "ball"', "b\\t??/", "bøx", *METADATA.names[3:]), end_to_end=end_to_end)
    write_codegen(metadata, folder / "made-cpp")
    words = [
        f"-DRKNN_API={theirs}",
        f"-DCMAKE_CXX_FLAGS={flags}",
        *([f"-DCMAKE_CXX_COMPILER={prefix}g++"] * bool(prefix)),
    ]
    done = run("cmake", "-S", folder / "made-cpp", "-B", folder / "build", *words)
    assert done.returncode == 0, done.stderr
    done = run("cmake", "--build", folder / "build")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build/detect"


def model(folder: Path, code: int = 0, sizes: list[int] | None = None) -> Path:
    assert METADATA is not None
    sizes = sizes or [4 * int(np.prod(shape)) for shape in output_shapes(METADATA).values()]
    path = folder / "m.rknn"
    path.write_text(f"{code} {len(sizes)} {' '.join(map(str, sizes))}\n")
    return path


def write_ppm(path: Path, image: object) -> Path:
    assert cv2.imwrite(str(path), image)  # type: ignore[call-overload]
    return path


@needs_ort
@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 2, 3])
@pytest.mark.parametrize("whole", [True, False], ids=["of the input's size", "letterboxed"])
def test_it_finds_what_the_detector_finds(number: int, whole: bool, program: Path, tmp_path: Path) -> None:
    """On what the network gives for the very input; letterboxed, its pixels differ from OpenCV's by rounding."""
    assert_alike([program], number, whole=whole, tmp_path=tmp_path)


@needs_ort
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which(f"{ARM}g++"), reason=f"no {ARM}g++: apt install g++-arm-linux-gnueabihf")
@pytest.mark.skipif(not (QEMU and COMPILER), reason="no qemu-arm or cmake: apt install qemu-user-static cmake")
def test_it_does_so_on_armv7(tmp_path: Path) -> None:
    made = compiled(tmp_path, "-Wall -Wextra -Werror", prefix=ARM)
    header = made.read_bytes()[:20]
    assert header[4] == 1 and int.from_bytes(header[18:], "little") == 40, "ELF of 32 bits, for ARM"
    assert_alike([QEMU, "-L", "/usr/arm-linux-gnueabihf", made], 2, whole=False, tmp_path=tmp_path)


def assert_alike(words: list[object], number: int, *, whole: bool, tmp_path: Path) -> None:
    assert METADATA is not None
    image = read_image(sorted((DATASET / "images").glob("*.jpg"))[number])
    if whole:
        image = np.asarray(cv2.resize(image, METADATA.imgsz[::-1]), np.uint8)
    picture = write_ppm(tmp_path / "picture.ppm", image)
    pixels, _ = letterbox(image, METADATA.imgsz)
    _, (backend,) = open_model(DEMO_ONNX)
    for index, array in enumerate(backend.infer(pixels)):
        array.astype("<f4").tofile(tmp_path / f"{index}.bin")
    backend.close()
    done = run(*words, model(tmp_path), picture, "0.01", "0.6", FAKE_DATA=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    with Detector(DEMO_ONNX, conf=0.01, iou=0.6) as detector:
        expected = detector.detect(image)
    assert len(expected) > 0 and [row["class_id"] for row in found] == expected.class_id.tolist()
    assert np.array([row["xyxy"] for row in found]) == pytest.approx(expected.xyxy, abs=0.01)
    assert [row["confidence"] for row in found] == pytest.approx(expected.confidence.tolist(), abs=1e-4)
    assert {row["name"] for row in found} <= {'a "ball"', "b\\t??/", "bøx", *METADATA.names[3:]}
    given = np.fromfile(tmp_path / "input.bin", np.uint8).reshape(pixels.shape)
    assert np.abs(given.astype(int) - pixels).max() <= (0 if whole else 1)


@pytest.mark.slow
@pytest.mark.skipif(not COMPILER, reason="needs g++ and cmake")
def test_of_an_end_to_end_model_an_anchor_has_each_class_that_is_above(tmp_path: Path) -> None:
    """As ultralytics takes the best pairs of anchor and class there."""
    assert METADATA is not None
    for index, shape in enumerate(output_shapes(METADATA).values()):
        array = np.zeros(shape, "<f4")
        if index % 2:
            array[0, :, 1, 2] = [0.6, 0.1, 0.3, 0.7, 0, 0] if index == 1 else 0
        array.tofile(tmp_path / f"{index}.bin")
    picture = write_ppm(tmp_path / "p.ppm", np.zeros((*METADATA.imgsz, 3), np.uint8))
    made = compiled(tmp_path, "", end_to_end=True)
    done = run(made, model(tmp_path), picture, FAKE_DATA=str(tmp_path))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["class_id"], row["confidence"]) for row in rows] == [(3, 0.7), (0, 0.6), (2, 0.3)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-14, "it is not pre-compiled, and this board has the mini driver"),
        (-11, "another version"),
        (-6, "no .rknn of"),
    ],
)
def test_what_rknn_init_means(code: int, words: str, program: Path, tmp_path: Path) -> None:
    picture = write_ppm(tmp_path / "p.ppm", np.zeros((4, 4, 3), np.uint8))
    done = run(program, model(tmp_path, code), picture, FAKE_DATA=str(tmp_path))
    assert (
        done.returncode == 1 and done.stderr.startswith(f"error: rknn_init returned {code}: ") and words in done.stderr
    )


@pytest.mark.slow
def test_hostile_pictures_and_another_model(program: Path, tmp_path: Path) -> None:
    good = model(tmp_path)
    for number, data in enumerate(
        [b"", b"P6", b"P5 1 1 255 xxx", b"P6 9 9 255\n" + b"x" * 242, b"P6 99999999999 1 255 ", b"P6 -1 1 255 ",
         b"P6 0 1 255 ", b"P6 1 1 65535\nxxxxxx", b"P6\n# c\n2"]
    ):  # fmt: skip
        path = tmp_path / f"{number}.ppm"
        path.write_bytes(data)
        done = run(program, good, path, FAKE_DATA=str(tmp_path))
        assert done.returncode == 1 and done.stderr.startswith(f"error: {path} is "), (data, done)
    picture = write_ppm(tmp_path / "p.ppm", np.zeros((1, 3000, 3), np.uint8))
    for words in ((good,), (good, picture, "2"), (good, picture, "0.2", "x"), (tmp_path / "absent", picture)):
        done = run(program, *words, FAKE_DATA=str(tmp_path))
        assert done.returncode in (1, 2) and ("error: " in done.stderr or "usage: " in done.stderr)
    done = run(program, model(tmp_path, sizes=[4]), picture, FAKE_DATA=str(tmp_path))
    assert "other inputs and outputs" in done.stderr
    sizes = [8] * 6
    for index in range(6):
        (tmp_path / f"{index}.bin").write_bytes(b"\0" * 8)
    done = run(program, model(tmp_path, sizes=sizes), picture, FAKE_DATA=str(tmp_path))
    assert done.returncode == 1 and "of other sizes" in done.stderr


def test_with_the_build(toolkit1: Interpreter, tmp_path: Path) -> None:
    """It is written beside the model; what it cannot decode is refused before anything is built."""
    assert METADATA is not None
    made = build_first(FirstRequest(DEMO_ONNX, "rv1126"), python=toolkit1("3.6"), codegen=True, output=tmp_path)
    written = made.with_name("demo-rv1126-fp16-cpp")
    assert {path.name for path in written.iterdir()} == {"main.cpp", "CMakeLists.txt", "model.h"}
    assert header(METADATA) == (written / "model.h").read_text()
    with pytest.raises(BuildError, match="which exists: remove it"):
        build_first(FirstRequest(DEMO_ONNX, "rv1126"), python=toolkit1("3.6"), codegen=True, output=tmp_path)
    for other in (replace(METADATA, head="decoded"), replace(METADATA, task="pose"), replace(METADATA, colour="GRAY")):
        with pytest.raises(BuildError, match="in colour with the split head"):
            check_codegen(other, tmp_path / "other")
