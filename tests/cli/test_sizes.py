"""`build --size`: the open sides of a model's inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from tests.fakes.commands import misused
from yolorknn.cli.sizes import parse_sizes


@pytest.mark.parametrize(
    ("texts", "load"),
    [
        (None, {}),
        (["1x784"], {"input_size_list": [[1, 784]]}),
        (["x=1x784"], {"inputs": ["x"], "input_size_list": [[1, 784]]}),
        (["a=b=7", "c=1x2x3"], {"inputs": ["a=b", "c"], "input_size_list": [[7], [1, 2, 3]]}),
        (["1x3x8x8", "1x5"], {"input_size_list": [[1, 3, 8, 8], [1, 5]]}),
    ],
)
def test_sizes_are_the_toolkits_arguments(texts: list[str] | None, load: dict[str, object]) -> None:
    assert parse_sizes(texts, Path("m.onnx")) == load


@pytest.mark.parametrize("text", ["", "x=", "=1x2", "1x0", "1x-2", "1,2", "axb", "1x2x", "x=1x٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a size: give 1x784"):
        parse_sizes([text], Path("m.onnx"))


def test_names_are_all_there_or_none() -> None:
    for texts in (["x=1x2", "1x3"], ["x=1", "x=2"]):
        with pytest.raises(typer.BadParameter, match="NAME= of its own"):
            parse_sizes(texts, Path("m.onnx"))
    with pytest.raises(typer.BadParameter, match="has no names"):
        parse_sizes(["x=1"], Path("m.torchscript"))
    assert "add --generic" in misused("build", "m.onnx", "--size", "1x2")
