"""Mean and std of generic models: as many as the toolkit takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.normal import check_normal
from yolorknn.errors import BuildError
from yolorknn.model.metadata import Tensor
from yolorknn.model.onnx_file import OnnxFile


def check(shape: tuple[int, ...], load: dict[str, Any] | None = None, **config: list[list[float]]) -> None:
    tensors = [Tensor("x", shape, "float32"), Tensor("z", (1, 4), "float32")]
    file = OnnxFile(Path("m.onnx"), tensors, [], {}, opset=17, producer="", ops=frozenset())
    check_normal(file, BuildOptions(config=config, load=load or {}))


def test_mean_and_std_are_a_number_for_each_of_the_second_axis() -> None:
    """The toolkit's own words for it are a ValueError; channels that are the last it takes for the width."""
    for shape, numbers in (((1, 3, 32, 32), 3), ((1, 32, 32, 3), 32), ((1, 64), 64), ((1, 0, 8, 8), 3), ((5,), 3)):
        check(shape, mean_values=[[1.0] * numbers], std_values=[[2.0] * numbers])
    check((1, 32, 32, 3), {"input_size_list": [[1, 3, 32, 32], [1, 4]]}, mean_values=[[1, 2, 3]])
    with pytest.raises(BuildError, match=r"^--mean 1,2,3 .* x of m\.onnx, which is 1x32x32x3: .*32.*channels second"):
        check((1, 32, 32, 3), mean_values=[[1, 2, 3]])
    with pytest.raises(BuildError, match=r"^--std 0\.5 does not fit x .*each of the 3 along its second axis$"):
        check((1, 3, 32, 32), std_values=[[0.5]])
    with pytest.raises(BuildError, match=r"z of m\.onnx, which is 1x4: "):
        check((1, 3, 32, 32), std_values=[[1, 2, 3], [1, 2, 3]])
