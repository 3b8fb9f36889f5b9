"""yolorknn.toml: what is read, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import needs_toolkit
from yolorknn.convert.recipe import config
from yolorknn.convert.recipe.config import from_dict
from yolorknn.errors import BuildError


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("algoritm = 'mmse'", "no 'algoritm' among the build options: did you mean 'algorithm'"),
        ("[config]\nmodel_prunning = true", "no 'model_prunning' in .config.: did you mean 'model_pruning'"),
        ("config = 3", "config = 3 is not a table"),
        ("batch = '4'", "batch = '4' is not a number"),
        ("batch = true", "batch = True is not a number"),
        ("float16 = [1]", "not a list of names"),
        ("custom_hybrid = [['a']]", "not a list of"),
        ("method = 'x'\n[config]\nquantized_method = 'layer'", "are the same: leave one out"),
        ("algorithm = ", "cannot read the options"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "y.toml"
    file.write_text(text)
    with pytest.raises(BuildError, match=words) as error:
        config.read(file)
    assert "y.toml" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(BuildError, match=r"cannot read the options in .*absent.toml"):
        config.read(tmp_path / "absent.toml")


@needs_toolkit
@pytest.mark.toolkit
def test_the_vendors_names_stand_for_ours() -> None:
    options = from_dict({"config": {"quantized_algorithm": "mmse", "optimization_level": 1, "disable_rules": ["x"]}})
    assert (options.algorithm, options.optimization_level, options.config) == ("mmse", 1, {"disable_rules": ["x"]})
