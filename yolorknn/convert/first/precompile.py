"""`yolorknn precompile`: the NPU's own code of a .rknn, compiled by a board of the first generation over adb."""

from __future__ import annotations

from pathlib import Path

from yolorknn.convert.first.build import MINI, NAME
from yolorknn.convert.toolkit.log import temporary_log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BackendError, BuildError
from yolorknn.files import check_folder, write_bytes
from yolorknn.model.first_file import read_first
from yolorknn.progress import Progress
from yolorknn.toolkits.first import choose_first

STEP_SECONDS = 120.0
"""For each call; see convert.device."""


def precompile(
    path: Path,
    *,
    device_id: str | None = None,
    python: Path | None = None,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Have an attached board pre-compile a .rknn, and write NAME-precompiled.rknn with its .json.

    Args:
        path: a .rknn of build_first(), not pre-compiled yet.
        device_id: the board, as `adb devices` prints it; None for the only one.
        python: see choose_first().
        output: folder; default is the model's.
        progress: told the steps.

    Raises:
        ModelError: no such .rknn.
        BackendError: no board, or one that has no debugging; the log is named.
        BuildError: the toolkit wrote nothing.
        MissingDependencyError: there is no rknn-toolkit 1.7.
        OutputError: the folder cannot be written.
    """
    metadata = read_first(path)
    assert metadata.build is not None, "read_first() has seen to it"
    platform, toolkit = metadata.build.platform, choose_first(python)
    folder = output or path.parent
    check_folder(folder)
    target = folder / f"{path.stem}-precompiled.rknn"
    with (
        temporary_log("precompile") as log,
        Toolkit(log, python=toolkit.python, progress=progress, limit=STEP_SECONDS, name=NAME) as child,
    ):
        made = child.scratch / "precompiled.rknn"
        try:
            rknn = child.rknn()
            rknn.do("load_rknn", path=path.resolve())
            rknn.do("init_runtime", target=platform, device_id=device_id, rknn2precompile=True)
            rknn.do("export_rknn_precompile_model", export_path=made)
        except BuildError as exc:
            mini = " with the full driver, as the mini driver of RV1109 and RV1126 has no debugging over adb,"
            raise BackendError(
                f"{exc}: attach one {platform} board{mini if platform in MINI else ''} on which rknn_server runs"
            ) from exc
        child.check_written(made)
        write_bytes(target.with_suffix(".json"), metadata.to_json().encode())
        write_bytes(target, made.read_bytes())
    return target
