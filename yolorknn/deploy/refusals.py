"""What ssh says when it does not connect, in words that tell what to do."""

from __future__ import annotations

import shlex

REFUSALS = (
    ("Could not resolve hostname", "{host}: no such host; give its address, or what 'hostname -I' says on the board"),
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "{host} has another host key than before; if it was flashed anew: {forget}",
    ),
    ("Host key verification failed", "{host}: its host key is not known here; connect once with: ssh {host}"),
    ("Permission denied", "{host} refused the login; check the user, and copy your key there: ssh-copy-id {host}"),
    ("Too many authentication failures", "{host} refused the login; name one key: --ssh-option IdentityFile=KEY"),
    ("Connection refused", "{host} refuses ssh: on it run 'sudo systemctl enable --now ssh'; is it another --port?"),
    ("timed out", "{host} does not answer: is it switched on, and in this network?"),
    ("No route to host", "{host} does not answer: is it switched on, and in this network?"),
    ("Network is unreachable", "{host} does not answer: is it switched on, and in this network?"),
)


def no_connection(host: str, said: str) -> str:
    """Put in words why ssh did not connect."""
    name = host.rpartition("@")[2]
    for sign, sentence in REFUSALS:
        if sign in said:
            return sentence.format(host=shlex.quote(host), forget=f"ssh-keygen -R {shlex.quote(name)}")
    lines = [line for line in said.splitlines() if line.strip()]
    return f"cannot connect to {host}: {lines[-1].strip() if lines else 'ssh gave no reason'}"
