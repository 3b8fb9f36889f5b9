"""The sizes of anchor boxes, which the outputs of YOLOv5 and YOLOv7 do not tell: from a file, or published ones."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from yolorknn.errors import ModelError
from yolorknn.files import decoded, is_file
from yolorknn.model.fields import FAILURES
from yolorknn.text import reason_of

AnchorSizes = tuple[float, ...]
"""Width and height of each, in pixels of the input; those of the finest stride first."""
PUBLISHED: dict[str, AnchorSizes] = {
    "yolov5": (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326),
    "yolov7": (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401),
    "yolov7-tiny": (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326),
}
"""Of the weights that their authors publish, and of what was trained from these without autoanchor."""
WRITTEN = "RK_anchors.txt"
"""What Rockchip's fork of YOLOv5 writes beside the model that it exports."""
KEY = "anchors"
"""Under which an .onnx may have them in its metadata_props."""
MOST_CHARACTERS = 10_000
FEWEST_PIXELS = 16
"""Of the largest anchor box's longer side: those that a checkpoint holds are in cells, and smaller."""
MOST_PIXELS = 10_000


def given_anchors(anchors: str | Path | Iterable[Any] | None) -> AnchorSizes | None:
    """Return the sizes that a user gave: a name of PUBLISHED, a text file of numbers, or numbers, nested or not.

    Raises:
        ModelError: the file cannot be read, or they are not sizes.
        ValueError: they are not numbers.
    """
    if anchors is None:
        return None
    if isinstance(anchors, (str, Path)):
        return PUBLISHED.get(str(anchors)) or read_anchors(Path(anchors))
    numbers = list(_flat(anchors))
    if not isinstance(anchors, Iterable) or not all(isinstance(number, (int, float)) for number in numbers):
        given, known = " ".join(repr(anchors).split()), ", ".join(PUBLISHED)
        raise ValueError(f"anchors are {known}, a text file, or numbers, width and height in turn, not {given:.80}")
    return checked(numbers, "the anchors given")


def read_anchors(path: Path) -> AnchorSizes:
    """Return the sizes in a text file, the numbers apart by lines, spaces or commas; in a .yaml those of `anchors:`.

    Raises:
        ModelError: it cannot be read, or they are not sizes.
    """
    try:
        with path.open("rb") as file:
            text = decoded(file.read(MOST_CHARACTERS))
    except (OSError, UnicodeDecodeError) as exc:
        known = " or ".join(PUBLISHED)
        why = reason_of(exc)
        raise ModelError(f"cannot read the anchors in {path} ({why}): give a text file of numbers, or {known}") from exc
    words = re.split(r"[\s,;\[\]()]+", _below_anchors(re.sub(r"#.*", "", text)))
    try:
        return checked([float(word) for word in words if word], str(path))
    except ValueError:
        raise ModelError(f"{path} is not a list of anchor boxes: give numbers, width and height in turn") from None


def _below_anchors(text: str) -> str:
    """Return what a .yaml as of YOLOv5 or YOLOv7 has as its `anchors:`, without dashes; a text that has none as it is.

    The next key ends it. There may be no YAML reader on a board.
    """
    blocks = re.findall(r"^anchors[ \t]*:(.*(?:\n(?:[ \t\r\-\[\]].*)?)*)", text, re.MULTILINE)
    return re.sub(r"-\s", " ", str(blocks[0])) if len(blocks) == 1 else text


def stated_anchors(text: str | None) -> AnchorSizes | None:
    """Return the sizes in an .onnx's metadata, as a list or lists of lists; None where there are none to be used."""
    if text is None or len(text) > MOST_CHARACTERS:
        return None
    try:
        return checked(list(_flat(ast.literal_eval(text))), "its metadata")
    except (ModelError, *FAILURES):
        return None


def file_beside(model: Path) -> Path | None:
    """Return the file with sizes beside a model: NAME.anchors.txt, or as Rockchip's fork calls it."""
    return next(filter(is_file, (model.with_suffix(".anchors.txt"), model.with_name(WRITTEN))), None)


def checked(numbers: Sequence[Any], where: str) -> AnchorSizes:
    """Return numbers as sizes in pixels.

    Raises:
        ModelError: they are none.
    """
    sizes = tuple(float(number) for number in numbers)
    if not sizes or len(sizes) % 2 or not all(math.isfinite(size) and 0 < size <= MOST_PIXELS for size in sizes):
        raise ModelError(
            f"{where} has {len(sizes)} numbers that are not widths and heights of anchor boxes in pixels, in turn"
        )
    if max(sizes) < FEWEST_PIXELS:
        what, each = ("shares of the input", "side") if max(sizes) <= 1 else ("in cells", "stride")
        raise ModelError(
            f"{where} has anchor boxes of at most {max(sizes):g} pixels, which seem to be {what}: give them in "
            f"pixels, each times its {each}"
        )
    return sizes


def by_stride(sizes: AnchorSizes, strides: Sequence[int], boxes: int) -> tuple[AnchorSizes, ...] | str:
    """Return the sizes of each stride's anchor boxes, in the order of the strides; or why they do not fit.

    Args:
        sizes: of all strides, the finest first.
        strides: of the outputs, in their order.
        boxes: how many a cell has.
    """
    if len(sizes) != 2 * boxes * len(strides):
        return (
            f"{len(sizes) // 2} anchor boxes were given, but the model has {boxes} a cell at each of {len(strides)} "
            f"strides: {boxes * len(strides)} are needed, widths and heights in turn"
        )
    groups = [sizes[start : start + 2 * boxes] for start in range(0, len(sizes), 2 * boxes)]
    areas = [math.prod(group[0::2]) * math.prod(group[1::2]) for group in groups]
    if areas != sorted(areas):
        return "the anchor boxes are in another order than the strides: give those of the finest, the smallest, first"
    finest = sorted(strides)
    return tuple(groups[finest.index(stride)] for stride in strides)


def smaller_than_a_cell(groups: Sequence[AnchorSizes], strides: Sequence[int]) -> str | None:
    """Return what to tell of anchor boxes of which none is as large as a cell of the coarsest stride; None of others.

    In cells, those of a network of large objects are no smaller than some in pixels of a network of tiny ones.
    """
    largest = max((size for group in groups for size in group), default=math.inf)
    if largest >= max(strides):
        return None
    return (
        f"its anchor boxes are of at most {largest:g} pixels: if they were given in cells, as a checkpoint has them, "
        "all boxes will be too small: give them in pixels, each times its stride"
    )


def _flat(value: Any) -> Iterable[Any]:
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        value = value.tolist()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)):
        for entry in value:
            yield from _flat(entry)
    else:
        yield value
