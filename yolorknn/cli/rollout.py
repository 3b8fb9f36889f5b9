"""The options of `deploy` for several boards, and what it does with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yolorknn.cli.options import AtOnce, SshOption, SshPort
from yolorknn.cli.show import put, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from yolorknn.deploy.ssh import Remote
    from yolorknn.fleet.rollout import Tried


def say_lines(text: str) -> None:
    """Tell what happens on a board; line ends are ours."""
    say(text, lines=True)


@dataclass(frozen=True)
class Connecting:
    """How boards are reached."""

    port: SshPort = None
    ssh_option: SshOption = None

    def to(self, host: str, *, tell: Callable[[str], None]) -> Remote:
        """Return a connection to a board."""
        from yolorknn.deploy.ssh import Remote

        return Remote(host, port=self.port, options=self.ssh_option or [], tell=tell)

    def to_one_of_many(self, host: str) -> Remote:
        """Return a connection to a board that asks nobody for a password: several would at once."""
        from yolorknn.deploy.ssh import Remote

        return Remote(host, port=self.port, options=[*(self.ssh_option or []), "BatchMode=yes"])


@dataclass(frozen=True)
class Rolling:
    """How several boards are gone through."""

    hosts: Annotated[Path | None, typer.Option(help="File with the boards, one a line.", metavar="FILE")] = None
    canary: Annotated[
        int | None, typer.Option(min=0, help="So many boards must have it before the others begin [default: 1].")
    ] = None
    at_once: AtOnce = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the boards that have it not yet, of the last time.")
    ] = False
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Have the model before MODEL again on boards that have MODEL.")
    ] = False

    def boards(self, named: Sequence[str] | None) -> list[str]:
        """Return the boards, of the file or as they are named.

        Raises:
            DeployError: the file cannot be read, or names none.
        """
        from yolorknn.fleet.hosts import check_hosts, read_hosts

        if named and self.hosts:
            raise typer.BadParameter("names the boards: leave out those after MODEL", param_hint="--hosts")
        if self.resume and self.rollback:
            raise typer.BadParameter("is for boards that are to have MODEL", param_hint="--resume")
        if not named and not self.hosts and not self.resume:
            raise typer.BadParameter("name a board, or give --hosts FILE", param_hint="USER@BOARD")
        check_hosts(named or [])
        return read_hosts(self.hosts) if self.hosts else list(named or [])

    def is_one(self, boards: Sequence[str]) -> bool:
        """Tell whether it is about one board, of which every step is told."""
        return len(boards) == 1 and self == Rolling()

    def roll_out(
        self,
        model: Path,
        boards: Sequence[str],
        connecting: Connecting,
        trial: Callable[[Remote, Callable[[str], None]], Tried],
        *,
        folder: str,
        service: str | None,
    ) -> None:
        """Put the model onto boards, and show what became of each.

        Raises:
            DeployError: one has it not.
        """
        from yolorknn.fleet.record import Record
        from yolorknn.fleet.rollout import Rollout

        record = (Record.resume if self.resume else Record.begin)(model, folder, boards)
        canary, most = 1 if self.canary is None else self.canary, self.at_once or 8
        rollout = Rollout(
            record, model, connecting.to_one_of_many, trial, service=service, canary=canary, most=most, tell=say_lines
        )
        with record.alone():
            try:
                rollout.run()
            finally:
                put(record.table(), lines=True)
        record.check()

    def roll_back(self, model: Path, boards: Sequence[str], connecting: Connecting, *, folder: str) -> None:
        """Take the model back from boards, and show what became of each.

        Raises:
            DeployError: it cannot be, on one.
        """
        from yolorknn.fleet.record import Record
        from yolorknn.fleet.rollout import roll_back

        record = Record.begin(model, folder, boards)
        with record.alone():
            try:
                roll_back(record, model, connecting.to_one_of_many, most=self.at_once or 8, tell=say_lines)
            finally:
                put(record.table(), lines=True)
        record.check_back()
