"""Another program on librknnrt.so, ztu-somemodelruntime-ez-rknn-async: started by tests/runtime/test_second_user.py.

second_user.py MODEL.rknn PICTURES.npz ANSWERS.npz     pictures: NHWC uint8, one array; answers: KIND.PICTURE.OUTPUT
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from typing import Any

import numpy as np


def main(model: str, pictures: str, target: str) -> None:
    """Run every picture one by one, on three cores that share weights, and asynchronously."""
    package: Any = import_module("ztu_somemodelruntime_ez_rknn_async")
    images = np.load(pictures)["images"]
    answers: dict[str, Any] = {}

    def session(**options: Any) -> Any:
        return package.InferenceSession(model, provider_options=[package.make_provider_options(**options)])

    def keep(kind: str, number: int, outputs: list[Any]) -> None:
        answers.update({f"{kind}.{number}.{index}": array for index, array in enumerate(outputs)})

    one = session()
    for number, image in enumerate(images):
        keep("one", number, one.run(None, {"images": np.ascontiguousarray(image.transpose(2, 0, 1)[None])}))
    del one
    three = session(layout="nhwc", schedule=[0, 1, 2])
    for number, image in enumerate(images):
        keep("three", number, three.run(None, {"images": image[None]}))
    left, ended = threading.Semaphore(0), len(images)

    def answered(outputs: list[Any], number: int, error: str | None) -> None:
        if not error:
            keep("async", number, outputs)
        left.release()

    for number, image in enumerate(images):
        three.run_async(None, {"images": image[None]}, answered, number)
    for _ in range(ended):
        assert left.acquire(timeout=60)
    np.savez(target, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
