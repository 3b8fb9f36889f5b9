"""A program in C++ that detects with a model of the first generation, for boards without Python."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

from yolorknn.convert.alone import check_example
from yolorknn.errors import BuildError
from yolorknn.files import atomic_folder
from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.known import output_shapes

TEMPLATES = Path(__file__).with_name("cpp")


def check_codegen(metadata: ModelMetadata, target: Path) -> None:
    """Refuse what the program cannot decode, before the build.

    Raises:
        BuildError: another task or head; or there is something where the program is to be.
    """
    roles = {output.role for output in metadata.outputs}
    if metadata.task != "detect" or metadata.head != "split" or roles != {"box", "cls"} or metadata.channels != 3:
        raise BuildError(
            "--codegen writes a program for detectors in colour with the split head, as 'yolorknn export' makes them: "
            "leave it out for this model"
        )
    check_example(target)


def write_codegen(metadata: ModelMetadata, target: Path) -> None:
    """Write the program into a folder of its own.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_folder(target) as made:
        for name in ("main.cpp", "CMakeLists.txt"):
            shutil.copyfile(TEMPLATES / name, made / name)
        (made / "model.h").write_text(header(metadata), encoding="utf-8")


def header(metadata: ModelMetadata) -> str:
    """Return what main.cpp has to know of the model, as C++."""
    shapes = output_shapes(metadata)
    index = {(output.role, output.stride): number for number, output in enumerate(metadata.outputs)}
    strides = sorted({output.stride for output in metadata.outputs})
    names = ",\n    ".join(_literal(name) for name in metadata.names)
    outputs = ", ".join(f"{{{math.prod(shape)}}}" for shape in shapes.values())
    levels = ", ".join(f"{{{stride}, {index['box', stride]}, {index['cls', stride]}}}" for stride in strides)
    return f"""// Of the model that this program is for; written by yolorknn.
#pragma once

#include <cstddef>

namespace model {{

struct Output {{
    std::size_t elements;
}};

struct Level {{
    int stride;
    std::size_t boxes, scores;
}};

constexpr int kWidth = {metadata.imgsz[1]}, kHeight = {metadata.imgsz[0]};
constexpr int kBins = {metadata.reg_max}, kClasses = {len(metadata.names)};
constexpr bool kEndToEnd = {str(metadata.end_to_end).lower()};
constexpr bool kSwapped = {str(metadata.colour == "BGR").lower()};  // whether it sees blue first
constexpr Output kOutputs[] = {{{outputs}}};
constexpr Level kLevels[] = {{{levels}}};
constexpr const char* kNames[] = {{  // as JSON has them
    {names}}};

}}  // namespace model
"""


def _literal(name: str) -> str:
    """Return a class name as a C++ literal of its JSON; trigraphs and escapes of others cannot arise."""
    return json.dumps(json.dumps(name)).replace("?", "\\?")
