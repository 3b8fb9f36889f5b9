"""A systemd unit that detects from boot on."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

from yolorknn.deploy.install import OWN, Installed
from yolorknn.deploy.probe import Board
from yolorknn.deploy.ssh import Remote
from yolorknn.errors import DeployError
from yolorknn.text import printable, shown, shown_url, url_channel

UNITS = "/etc/systemd/system"
FINAL = (69, 78)
"""Exit statuses of `yolorknn watch` on which it is not begun again; see cli/watch.py."""


def unit_name(source: str) -> str:
    """Return the unit's name for a source: yolorknn-camera0.service. A URL's user and password stay out of it."""
    place = re.sub(r"^([^/]*?):\d+", r"\1", re.split(r"[?#]", shown_url(source).partition("://")[2])[0])
    words = [place, *url_channel(source)] if place else [source]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(words))[:100].strip("-")
    return f"yolorknn-{plain or 'source'}.service"


def source_file(source: str) -> str | None:
    """Return the name of the file that is to hold a source, for "@FILE" in its place; None where it may be seen."""
    return f"{unit_name(source).removesuffix('.service')}.source" if "://" in source else None


def site_file(source: str) -> str:
    """Return the name of the file that says what the service watches: for a person to add to."""
    return f"{unit_name(source).removesuffix('.service')}.toml"


def site_text(source: str, model: str) -> str:
    """Return what is watched: one camera with one model; JSON lines go to the journal, which keeps its size.

    Args:
        source: see Detector.stream; a path is the board's.
        model: name of the .rknn in the folder.
    """
    name = unit_name(source).removesuffix(".service").removeprefix("yolorknn-")[:64]
    kept = source_file(source)
    return f"""# See docs/watch.md. 'yolorknn watch FILE --check' tells mistakes, 'systemctl reload' has it read anew.
[models.model]
file = {_toml(model)}

[cameras.{_toml(name)}]
source = {_toml(f"@{kept}" if kept else source)}

[sinks]
json = "-"
"""


def unit(source: str, model: str, *, folder: str, user: str, groups: Sequence[str]) -> str:
    """Return the unit's text: it starts again after a failure, and when nothing gets on any more.

    Not where that is of no use: on the exit statuses of a file with mistakes, and of a part that was given up.

    Args:
        source: see site_text.
        model: for its description.
        folder: absolute; holds the model and .venv.
        user: who runs it.
        groups: that the board has, and that may use cameras and the NPU.

    Raises:
        DeployError: one of them would end its line in the unit.
    """
    for text in (source, model, folder, user, *groups):
        if printable(text) != text:
            raise DeployError(f"a service cannot be made of '{shown(text)}': it has characters that are not printable")
    # env, as systemd takes no program with a quote or backslash in its path; this one is below the WorkingDirectory
    # -I, as no file of the folder that it works in is to be taken for a module
    words = ["/usr/bin/env", OWN, "-I", "-m", "yolorknn", "watch", site_file(source)]
    return f"""[Unit]
Description=yolorknn: {_percent(model)} on {_percent(unit_name(source).removesuffix(".service"))}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
WatchdogSec=30
User={user}
SupplementaryGroups={" ".join(groups)}
WorkingDirectory={_percent(folder)}
ExecStart={" ".join(map(_quote, words))}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
RestartPreventExitStatus={" ".join(map(str, FINAL))}
SuccessExitStatus=130

[Install]
WantedBy=multi-user.target
"""


def install_service(remote: Remote, board: Board, installed: Installed, source: str) -> str:
    """Write the unit, enable and start it, with sudo where that asks for no password.

    Returns:
        What to tell the user: how to see its log and how to remove it; or the commands to type on the board.

    Raises:
        DeployError: a command failed there.
    """
    name = unit_name(source)
    folder = installed.folder
    text = unit(source, installed.model, folder=folder, user=board.user, groups=board.groups)
    kept = source_file(source)
    watched = {site_file(source): site_text(source, installed.model).encode()}
    remote.send({name: text.encode()} | watched | ({kept: f"{source}\n".encode()} if kept else {}), folder)
    steps = [
        ["install", "-m", "644", f"{folder}/{name}", f"{UNITS}/{name}"],
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", name],
        ["systemctl", "restart", name],
    ]
    sudo = [] if board.root else ["sudo"]
    if sudo and remote.run("sudo", "-n", "true").status != 0:
        lines = "\n".join(f"  {shlex.join([*sudo, *step])}" for step in steps)
        return f"sudo asks for a password there, or is not installed; to start {name}, type on the board:\n{lines}"
    for step in steps:
        words = [*sudo, *(["-n"] if sudo else []), *step]
        remote.check(remote.run(*words), shlex.join(step))
    host = shlex.quote(remote.host)
    away = shlex.quote(
        f"{shlex.join([*sudo, 'systemctl', 'disable', '--now', name])} && "
        f"{shlex.join([*sudo, 'rm', f'{UNITS}/{name}'])}"
    )
    return (
        f"{name} runs now and after each boot\n"
        f"  its boxes:  ssh {host} journalctl -fu {name} -o cat\n"
        f"  its file:   {folder}/{site_file(source)}: more cameras, recordings, MQTT, a page\n"
        f"  its end:    ssh -t {host} {away}"
    )


def _toml(text: str) -> str:
    """Return a text as TOML has it, which is as JSON has it where all is printable."""
    return json.dumps(text, ensure_ascii=False)


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _quote(word: str) -> str:
    """Quote a word of a command as systemd reads it."""
    escaped = _percent(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return escaped if re.fullmatch(r"[\w./:@%+=,-]+", escaped) else f'"{escaped}"'
