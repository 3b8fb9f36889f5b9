"""The recipes that the gates try: in what order, and which a model or a chip leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.tables.layers import LayerError
from yolorknn.measure.recipes import recipes, recipes_of_any


def test_recipes_from_cheap_to_dear() -> None:
    asked = []

    def compare() -> Sequence[LayerError]:
        asked.append(1)
        rows = [("Input", "images", 0.1, ""), ("Conv", "a", 0.9, ""), ("Conv", "b", None, "q_zero")]
        return [LayerError(op, name, cosine, 1.0, cosine, 1.0, note) for op, name, cosine, note in rows] + [
            LayerError("Conv", "c", None, None, None, None, "fused")
        ]

    tried = chain.from_iterable(recipes(compare, attention=(("a", "b"),), more=True, float16=True, mmse=False))
    first = [next(tried) for _ in range(4)]
    assert [recipe.options.algorithm for recipe in first] == ["mean", "mean", "normal", "kl_divergence"] and not asked
    assert [recipe.few for recipe in first] == [True, False, True, True]
    assert next(tried).options.custom_hybrid == (("a", "b"),) and not asked
    name, options, _ = next(tried)
    assert options.float16 == ("b", "a"), "the worst first; no input, and nothing that was fused away"
    assert name == "mean, 2 layers float16"
    assert [recipe.name for recipe in tried] == ["auto_hybrid"], "two layers are built in float16 once"
    assert len(asked) == 1
    tried = chain.from_iterable(recipes_of_any(compare, BuildOptions(optimization_level=2), float16=True, mmse=True))
    assert [(name, options.optimization_level) for name, options, _ in tried] == [
        (name, 2) for name in ("normal", "kl_divergence", "normal, 2 layers float16", "auto_hybrid", "mmse")
    ]
    without = chain.from_iterable(recipes(list, attention=(), more=False, float16=True, mmse=False))
    assert [recipe.name for recipe in without][2:] == ["kl_divergence", "auto_hybrid"], "where no layer is named"
    asked.clear()
    cheap, dear = (list(each) for each in recipes(compare, attention=(), more=False, float16=False, mmse=True))
    assert cheap[-1].name == "kl_divergence" and [recipe.name for recipe in dear] == ["mmse"]
    assert not asked, "a chip without float16 needs no comparison"
    for recipe in chain.from_iterable(recipes(compare, attention=(("a", "b"),), more=True, float16=True, mmse=True)):
        recipe.options.check("i8")
