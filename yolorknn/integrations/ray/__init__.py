"""Ray: a model on the NPU cores of many machines.

from yolorknn.integrations.ray import RayDetector, detect

images.map_batches(RayDetector, fn_constructor_args=("v8n-rk3588-i8.rknn",), resources={"rknpu": 1}, concurrency=6)
detect("s3://bucket/images/", "v8n-rk3588-i8.rknn", "out/", address="auto")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolorknn.lazy import lazily

if TYPE_CHECKING:
    from yolorknn.integrations.ray.detector import RayDetector
    from yolorknn.integrations.ray.job import Job, detect
    from yolorknn.integrations.ray.model_file import shipped
    from yolorknn.integrations.ray.spread import spread_over

__all__ = ["Job", "RayDetector", "detect", "shipped", "spread_over"]
__getattr__ = lazily(
    __name__,
    {
        "Job": "job",
        "RayDetector": "detector",
        "detect": "job",
        "shipped": "model_file",
        "spread_over": "spread",
    },
)
