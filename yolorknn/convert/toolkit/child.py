"""The process that makes a vendor toolkit's calls: any Python from 3.6 runs this file, by itself: `python child.py FD`.

It imports nothing of yolorknn, and numpy only for calls with arrays. What is called when is decided by the one that
asks (toolkit.py); the vendor's code may end this process at any point. stdout and stderr are the log file. Over the
socket FD go lines of JSON, a question and its answer at a time:

    {"call": "RKNN", "on": "1", "arguments": {"verbose": false}}        make an object, and keep it under this name
    {"call": "load_onnx", "on": "1", "arguments": {"model": "m.onnx"}}  call a method of it
    {"call": "del", "on": "1", "arguments": {}}                         forget it
    {"call": "keep", "on": "2", "arguments": {"instance": {"$class": ...}}}  make another object, of a class in a file
    {"returned": 0}   or   {"raised": "the last lines of the exception"}

In place of values that JSON has not: {"$npy": FILE} for an array, the file being in the working directory;
{"$class": NAME, "$file": FILE, "$with": {...}} for an instance of a class in a Python file;
{"$repr": TEXT} for any other result.
"""

import importlib.util
import json
import os
import re
import socket
import sys
import threading
import traceback
from typing import Any, Dict, List


def restored(value: Any) -> Any:
    """Return the argument that a JSON value stands for."""
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$npy" in value:
        import numpy as np

        return np.load(value["$npy"], allow_pickle=False)
    if "$class" in value:
        return getattr(loaded(value["$file"]), value["$class"])(**value["$with"])
    return {name: restored(item) for name, item in value.items()}


def loaded(file: str) -> Any:
    """Import a Python file."""
    name = os.path.splitext(os.path.basename(file))[0]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def plain(value: Any, files: List[str]) -> Any:
    """Return a result as JSON values; arrays go to files, whose names are added to `files`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item, files) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item, files) for name, item in value.items()}
    np = sys.modules.get("numpy")
    if np is not None and isinstance(value, np.generic):
        return plain(value.item(), files)
    if np is not None and isinstance(value, np.ndarray):
        files.append(f"out{len(files)}.npy")
        np.save(files[-1], value, allow_pickle=False)
        return {"$npy": files[-1]}
    return {"$repr": repr(value)}


def made(question: Dict[str, Any], objects: Dict[str, Any]) -> Any:
    """Make one call, and return its result."""
    call, name = question["call"], question["on"]
    if call == "del":
        del objects[name]
        return None
    arguments = restored(question["arguments"])
    if call == "keep":
        objects[name] = arguments["instance"]
        return None
    if call == "RKNN":
        from rknn.api import RKNN

        objects[name] = RKNN(**arguments)
        return None
    return getattr(objects[name], call)(**arguments)


def answer(question: Dict[str, Any], objects: Dict[str, Any]) -> Dict[str, Any]:
    """Make one call, and say what came of it."""
    try:
        return {"returned": plain(made(question, objects), [])}
    except Exception as exc:  # the vendor raises ValueError, IndexError, TypeError, ...
        traceback.print_exc()
        return {"raised": last_error(str(exc)) or type(exc).__name__}
    finally:
        sys.stdout.flush()


def last_error(text: str) -> str:
    """Return what an exception says at its end, in a line: the vendor's quotes others, with their tracebacks."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [number for number, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception): ", line)]
    return " ".join(lines[named[-1] :][:3] if named else lines[-1:])


def exit_with_parent() -> None:
    """End when the parent is gone: it holds the other end of stdin. A parent that was killed leaves the tidying to us.

    Another program in this process' place removes the folder: it ends the vendor's threads first, which would write
    there yet, and make the folder again.
    """
    scratch = os.getcwd()
    while os.read(0, 1):
        pass
    remove = "import shutil, sys; shutil.rmtree(sys.argv[1], ignore_errors=True); sys.exit(1)"
    try:
        os.execv(sys.executable, [sys.executable, "-ISc", remove, scratch])
    finally:
        os._exit(1)


def main() -> None:
    """Answer on the socket whose number is the argument, until it is closed."""
    watch = threading.Thread(target=exit_with_parent, daemon=True)
    watch.start()
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [
        path for path in sys.path if os.path.realpath(path) != here
    ]  # its files are no modules of the vendor
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, int(sys.argv[1]))
    link.set_inheritable(False)
    objects: Dict[str, Any] = {}
    with link, link.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            lines.write(json.dumps(answer(json.loads(line), objects)) + "\n")
            lines.flush()
    watch.join()  # which alone ends the process, and tidies up


if __name__ == "__main__":
    main()
