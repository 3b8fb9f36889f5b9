"""Mean and std of generic models: as many as the toolkit takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolorknn.convert.recipe.normal import check_normal, normal_of, sized
from yolorknn.errors import BuildError
from yolorknn.model.metadata import Tensor

INPUTS = [Tensor("x", (1, 3, 2, 2), "uint8"), Tensor("z", (1, 4), "float32")]


def check(shape: tuple[int, ...], **config: Any) -> None:
    check_normal(Path("m.onnx"), [Tensor("x", shape, "float32"), INPUTS[1]], config)


def test_mean_and_std_are_a_number_for_each_of_the_second_axis() -> None:
    """The toolkit's own words for it are a ValueError; channels that are the last it takes for the width."""
    for shape, numbers in (((1, 3, 32, 32), 3), ((1, 32, 32, 3), 32), ((1, 64), 64), ((1, 0, 8, 8), 3), ((5,), 3)):
        check(shape, mean_values=[[1.0] * numbers], std_values=[[2.0] * numbers])
    with pytest.raises(BuildError, match=r"^--mean 1,2,3 .* x of m\.onnx, which is 1x32x32x3: .*32.*channels second"):
        check((1, 32, 32, 3), mean_values=[[1, 2, 3]])
    with pytest.raises(BuildError, match=r"^--std 0\.5 does not fit x .*each of the 3 along its second axis$"):
        check((1, 3, 32, 32), std_values=[[0.5]])
    check((1, 3, 32, 32), mean_values=[["a"], "b"], std_values=5)
    check((1, 3, 32, 32), mean_values=[[1, 2, 3], []], std_values=[1, 2, 3])
    with pytest.raises(BuildError, match=r"^--mean 1 does not fit x "):
        check((1, 3, 32, 32), mean_values=[1])
    with pytest.raises(BuildError, match=r"z of m\.onnx, which is 1x4: "):
        check((1, 3, 32, 32), std_values=[[1, 2, 3], [1, 2, 3]])


def test_inputs_of_a_torchscript_have_sizes_alone() -> None:
    assert (
        sized({})
        == sized({"input_size_list": [[1, 3], 5]})
        == sized({"input_size_list": [["a"]]})
        == sized({"input_size_list": 5})
        == []
    )
    found = sized({"input_size_list": [[1, 32, 32, 3], [1, 4]]})
    assert [tensor.shape for tensor in found] == [(1, 32, 32, 3), (1, 4)]
    with pytest.raises(BuildError, match=r"^--mean 1,2,3 does not fit input 1 of n\.pt, which is 1x32x32x3: "):
        check_normal(Path("n.pt"), found, {"mean_values": [[1, 2, 3]]})


def test_the_float_model_is_given_what_the_toolkit_takes_them_for() -> None:
    """Numbers in no list are the first input's; an input that has none is as it is."""
    assert normal_of({}, INPUTS).values == {} == normal_of({"mean_values": [[], []]}, INPUTS).values
    for mean in ([1, 2, 3], [[1, 2, 3]], [[1, 2, 3], []]):
        found = normal_of({"mean_values": mean, "std_values": [[2, 2, 2], [4, 4, 4, 4]]}, INPUTS)
        assert found.values == {"x": ([1, 2, 3], [2, 2, 2]), "z": ([0], [4, 4, 4, 4])}
    given: dict[str, Any] = {"x": np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2), "z": np.ones((1, 4), np.float32)}
    seen = normal_of({"std_values": [2, 4, 8]}, INPUTS).normalised(given)
    assert seen["x"][0, :, 1, 1].tolist() == [1.5, 1.75, 1.375] and seen["z"] is given["z"]
