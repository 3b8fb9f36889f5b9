"""The sinks that the options of `detect` open."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolorknn.cli.parse import check_lines, parse_bytes, parse_rotation, read_broker
from yolorknn.cli.show import say
from yolorknn.errors import OutputError
from yolorknn.files import read_secret

if TYPE_CHECKING:
    from yolorknn.cli.outputs import Outputs
    from yolorknn.stream.sinks.sink import Sink
    from yolorknn.stream.sources.source import Source
    from yolorknn.tasks.task import Wording


def open_sinks(
    outputs: Outputs,
    source: Source,
    folder: Path | None,
    read: list[Path],
    wording: Wording,
    *,
    fps: float | None = None,
) -> Iterator[Sink]:
    """Open one sink after another, so that each can be closed if the next cannot be opened.

    Those of a live source have a queue: none can slow or end it. `fps` are the most frames a second that are wanted.

    Raises:
        OutputError: one cannot be written, or would write over what is read: `read`, or the source's files.
    """
    from yolorknn.files import check_apart
    from yolorknn.stream.run_folder import LINES
    from yolorknn.stream.sinks.opening import open_csv, open_json, open_video, open_webhook
    from yolorknn.stream.sinks.pictures import Pictures
    from yolorknn.stream.sources.open_source import files_of

    files = files_of(source)
    lines = Path(outputs.json_file) if outputs.json_file else folder / LINES if folder else None
    shown = folder if outputs.save and not outputs.record else None
    video = shown / f"{source.name}.mp4" if shown and source.fps else None
    pictures = Pictures(shown, wording.names, files) if shown and not video else None
    check_lines(outputs.json_file)
    check_lines(str(outputs.csv_file) if outputs.csv_file else None)
    written = [lines] if lines and outputs.json_file != "-" else []
    written += [video, video.with_suffix(".mkv")] if video else []
    written += [pictures.target(str(file)) for file in files] if pictures else []
    written += [outputs.csv_file] if outputs.csv_file else []
    check_apart(written, [*read, *files])
    rotation = parse_rotation(outputs.rotate, outputs.keep)
    if lines:
        yield open_json(outputs.json_file or lines, wording, rotation, live=source.live, told=say)
    if outputs.csv_file:
        yield open_csv(outputs.csv_file, wording, rotation, live=source.live, told=say)
    if video:
        yield open_video(video, fps=source.fps, names=wording.names, live=source.live, told=say)
    if pictures:
        yield pictures
    yield from _kept(outputs, source, wording)
    if outputs.webhook:
        url, secret = read_secret(outputs.webhook, "--webhook"), os.environ.get("YOLORKNN_WEBHOOK_SECRET", "")
        yield open_webhook(url, wording, secret=secret, every=outputs.every, live=source.live, told=say)
    if outputs.mqtt:
        yield _mqtt(outputs.mqtt, outputs.board, source, wording, period=1 / fps if fps else 0.0)


def say_losses(sinks: Iterable[Any]) -> None:
    """Tell what sinks with a queue did not write, once they are closed."""
    for sink in sinks:
        state = getattr(sink, "state", None)
        if state is not None and state.losses:
            say(state.losses)


def _kept(outputs: Outputs, source: Source, wording: Wording) -> Iterator[Sink]:
    """Open what has a quota on the disk."""
    from yolorknn.stream.sinks.opening import open_segments, open_snapshots

    named: dict[str, Any] = {"name": source.name, "names": wording.names, "live": source.live, "told": say}
    quota = parse_bytes(outputs.quota, "--quota")
    if outputs.record:
        if not source.fps:
            raise OutputError("--record is for a video, camera or stream: separate images are written as images")
        yield open_segments(outputs.record, fps=source.fps, quota=quota, **named)
    if outputs.snapshots:
        yield open_snapshots(outputs.snapshots, "frames", quota=quota, every=outputs.every, **named)
    if outputs.crops:
        yield open_snapshots(outputs.crops, "crops", quota=quota, every=outputs.every, **named)


def _mqtt(url: str, board: str | None, source: Source, wording: Wording, *, period: float) -> Sink:
    from yolorknn.stream.sinks.mqtt.sink import MqttSink

    address = read_broker(url, "--mqtt")
    return MqttSink(address, source.name, names=wording.names, period=period, board=board, told=say)
