"""Pictures that come by a callback, as in ROS: the newest waits, older ones go, and results are published in turn."""

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from yolorknn import Detector
from yolorknn.stream.sources.source import Frame, Source

ROOT = Path(__file__).resolve().parent.parent


class Topic(Source):
    """A source that is given its frames: on_image() is what is subscribed, and returns at once."""

    name, live, count, fps = "topic", True, None, 30.0

    def __init__(self) -> None:
        self._newest, self._came = deque[Frame | None](maxlen=1), threading.Semaphore(0)

    def on_image(self, image: NDArray[Any], stamp: float) -> None:
        """Keep a picture in place of one that nobody took; its stamp comes back as result.timestamp."""
        self._newest.append(Frame(image, stamp, self.name))
        self._came.release()

    def read(self) -> Frame | None:
        """Wait for a picture that was not given yet; None is the end."""
        while not self._newest:
            self._came.acquire()
        return self._newest.popleft()

    def close(self) -> None:
        """End the stream; from any thread."""
        self._newest.append(None)
        self._came.release()


def publish(detector: Detector, topic: Topic) -> None:
    """Run on a thread of its own until the topic is closed."""
    for result in detector.stream(topic):
        print(f"{result.timestamp:.2f}: {len(result.detections)} objects")


if __name__ == "__main__":  # a camera of 30 pictures a second
    topic, picture = Topic(), cv2.imread(f"{ROOT}/dataset/images/0000.jpg")
    assert picture is not None
    with Detector(f"{ROOT}/models/demo.onnx") as detector, ThreadPoolExecutor(1) as thread, closing(topic):
        published = thread.submit(publish, detector, topic)
        for number in range(60):
            topic.on_image(picture, number / 30)
            time.sleep(1 / 30)
    published.result()  # raises what went wrong there
