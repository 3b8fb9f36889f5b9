"""ultralytics' own export, whatever another test of the process did to its warnings."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any


def exported_by_ultralytics(model: Any, **options: Any) -> Path:
    """Return the .onnx that ultralytics' YOLO writes, not simplified.

    torch's tracer warns from C, where an error cannot be raised. ultralytics silences it when it is imported, which
    pytest undoes after the test that was the first to import it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Path(model.export(format="onnx", simplify=False, **options))
