"""A process that has imported what takes seconds to import, and forks: `python server.py FD MODULE...`.

Each message on the socket FD is a process to start, as tests/warm/forked.py writes it. It is like any that was started:
a session, environment, working directory and descriptors of its own, its script or module as __main__, and an end that
the interpreter makes. Only the imports are made already.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
from typing import Any

HIGH = 1000
"""Descriptors from here on are nobody's: those that were received, until they have their numbers."""


def serve(link: socket.socket) -> dict[str, Any]:
    """Fork for each message until the socket is closed; returns in the forked process, with its message."""
    running: dict[int, tuple[int, int]] = {}
    poll = select.poll()
    poll.register(link, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready != link.fileno():
                pid, status = running.pop(ready)
                poll.unregister(ready)
                _, code = os.waitpid(pid, 0)
                os.write(status, f"{os.waitstatus_to_exitcode(code)}\n".encode())
                os.close(ready)
                os.close(status)
                continue
            text, received, *_ = socket.recv_fds(link, 1 << 20, 32)
            if not text:
                os._exit(0)
            status = received.pop()
            if pid := os.fork():
                running[pidfd := os.pidfd_open(pid)] = pid, status
                poll.register(pidfd, select.POLLIN)
                for descriptor in received:
                    os.close(descriptor)
                continue
            link.close()
            for pidfd, (_, other) in running.items():
                os.close(pidfd)
                os.close(other)
            message: dict[str, Any] = json.loads(text)
            become(message, received, status)
            return message


def become(message: dict[str, Any], received: list[int], status: int) -> None:
    """Make this process the one that was asked for, and say its number."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, HIGH) for descriptor in received]
    for descriptor in received:
        os.close(descriptor)
    os.write(status, f"{os.getpid()}\n".encode())
    os.close(status)
    for descriptor, number in zip(moved, [0, 1, 2, *message["pass_fds"]], strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(message["cwd"])
    os.environ.clear()
    os.environ.update(message["env"])
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def main() -> dict[str, Any]:
    """Import, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's, of which who asks decides what becomes
    del sys.path[0]  # this file's folder
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    return serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    asked = main()
    sys.argv = list(asked["argv"])
    if asked["module"]:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.realpath(sys.argv[0])))
        runpy.run_path(sys.argv[0], run_name="__main__")
