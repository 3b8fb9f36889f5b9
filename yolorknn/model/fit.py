"""Whether a detector can run what was built: it gives one RGB image of one size at a time."""

from __future__ import annotations

from typing import Any

from yolorknn.model.metadata import Build


def check_fit(build: Build | None) -> str | None:
    """Return why a detector, which gives one RGB image of imgsz at a time, cannot run a build; None if it can."""
    options: dict[str, Any] = dict(build.options) if build else {}
    if (batch := options.get("batch", 1)) > 1:
        return f"it takes batches of {batch} images: programs that call rknn_inputs_set run it"
    config = options.get("config", {})
    reasons = {
        "dynamic_input": "its input has several sizes: programs that call rknn_set_input_shapes run it",
        "remove_weight": "its weights are in another model: programs that call rknn_init with both run it",
    }
    return next((why for name, why in reasons.items() if config.get(name)), None)
