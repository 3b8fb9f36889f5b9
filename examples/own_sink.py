"""Results into a database of your own, which may be slow or away: of a camera, detection goes on all the same.

python examples/own_sink.py [MODEL [SOURCE [DATABASE]]]
"""

import sqlite3
import sys
from pathlib import Path

from yolorknn import Detector, OutputError, Result
from yolorknn.stream.sinks.queued import Queued

ROOT = Path(__file__).resolve().parent.parent
TABLE = "CREATE TABLE IF NOT EXISTS seen (time REAL, frame INT, name TEXT, confidence REAL)"


class Database:
    """A sink: has write() and close(). An OutputError says that it has to be opened again."""

    def __init__(self, file: str, names: dict[int, str]) -> None:
        """Open the file."""
        self._names, self._file = names, file
        try:
            self._opened = sqlite3.connect(file, timeout=1, check_same_thread=False)  # Queued uses one at a time
            self._opened.execute(TABLE)
        except sqlite3.Error as exc:
            raise OutputError(f"cannot open {file}: {exc}") from exc

    def write(self, result: Result) -> None:
        """Add a row for each object."""
        when = (result.timestamp, result.index)
        rows = [(*when, self._names[class_id], confidence) for _, confidence, class_id in result.detections]
        try:
            with self._opened:
                self._opened.executemany("INSERT INTO seen VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as exc:
            raise OutputError(f"cannot write to {self._file}: {exc}") from exc

    def close(self) -> None:
        """Release it."""
        self._opened.close()


def main(
    model: str = f"{ROOT}/models/demo.onnx", source: str = f"{ROOT}/dataset/images", file: str = "seen.db"
) -> None:
    """Give the sink a thread and a queue: where that is full, a camera's oldest results go, and a file waits."""
    with Detector(model, conf=0.5) as detector, detector.stream(source) as stream:
        sink = Queued(lambda: Database(file, detector.names), name=file, drop="old" if stream.source.live else "none")
        try:
            for result in stream:
                sink.write(result)
        finally:
            sink.close()
    print(f"{sink.state.written} frames written, {sink.state.lost} lost")


if __name__ == "__main__":
    main(*sys.argv[1:])
