"""A model onto many boards: on a few first, then side by side, until one fails; and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from yolorknn.deploy.install import Installed
from yolorknn.deploy.probe import Board
from yolorknn.deploy.service import install_service
from yolorknn.deploy.ssh import EndedError, Remote
from yolorknn.deploy.switch import take_back, take_over
from yolorknn.errors import BoardAwayError, DeployError, YolorknnError
from yolorknn.fleet.crew import Crew, Hold
from yolorknn.fleet.record import SHOWN, BoardState, Record


class Tried(Protocol):
    """A model that was tried on a board."""

    @property
    def board(self) -> Board:
        """What the board is."""

    @property
    def installed(self) -> Installed:
        """Where it was tried."""

    @property
    def told(self) -> str:
        """How it did, in a few words."""

    def table(self) -> str:
        """Return how it did as lines for people."""

    def check(self) -> None:
        """Raise a DeployError where it did not do well."""


class Rollout:
    """Puts a model onto boards.

    Args:
        record: which, and what became of each.
        model: the .rknn.
        connect: makes a connection to one of them.
        trial: tries the model on one, beside what runs there; is given whom to tell what the doctor finds wrong.
        service: a source that each is to detect on from boot on.
        canary: so many boards must have the model before the others begin, side by side.
        most: so many side by side.
        tell: is told what becomes of each.
    """

    def __init__(
        self,
        record: Record,
        model: Path,
        connect: Callable[[str], Remote],
        trial: Callable[[Remote, Callable[[str], None]], Tried],
        *,
        service: str | None = None,
        canary: int = 1,
        most: int = 8,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.record, self._model, self._connect, self._trial = record, model, connect, trial
        self._service, self._canary, self._most, self._tell = service, canary, most, tell

    def run(self) -> None:
        """Go on until all boards are done, or one fails: then the others are left as they were.

        A board that is away is passed over. Ctrl-C ends all at once, but for a model that is just being put in its
        place.

        Raises:
            OutputError: the record cannot be written.
        """
        waiting = [host for host, board in self.record.boards.items() if board.state != "done"]
        while waiting:
            together = len(waiting) if self.record.count("done") >= self._canary else 1
            if not Crew(self._connect, self._put, self._note, most=self._most).run(waiting[:together]):
                return
            waiting = waiting[together:]

    def _put(self, remote: Remote, hold: Hold) -> BoardState:
        def tell(text: str) -> None:
            self._tell(f"{remote.host}: {text}")

        tried = self._trial(remote, tell)
        tried.check()
        with hold():
            switch = take_over(remote, tried.installed, self._model)
            if self._service is not None:
                try:
                    tell(install_service(remote, tried.board, switch.installed, self._service))
                except BoardAwayError:
                    raise
                except DeployError as exc:
                    return BoardState("failed", switch.before, switch.now, f"it has the model, and no service: {exc}")
        return BoardState("done", switch.before, switch.now, tried.told)

    def _note(self, host: str, answer: BoardState | YolorknnError) -> bool:
        state = _state_of(answer)
        self.record.note(host, state)
        _tell(host, state, self._tell)
        return state.state != "failed"


def roll_back(
    record: Record,
    model: Path,
    connect: Callable[[str], Remote],
    *,
    most: int = 8,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Have the model before this one run again on all boards that have this one.

    Args:
        record: which boards; it is told what became of each, and forgotten: there is no rollout to go on with.
        model: the .rknn that is taken back.
        connect: makes a connection to one.
        most: so many side by side.
        tell: is told what becomes of each.

    Raises:
        OutputError: the record cannot be removed.
    """
    record.forget()

    def back(remote: Remote, hold: Hold) -> BoardState:
        with hold():
            switch = take_back(remote, record.folder, model)
        if switch.before == switch.now:
            return BoardState("left", now=switch.now, told=f"it has another model than {record.sha256[:SHOWN]}")
        return BoardState("back", switch.before, switch.now)

    def note(host: str, answer: BoardState | YolorknnError) -> bool:
        record.boards[host] = _state_of(answer)
        _tell(host, record.boards[host], tell)
        return True

    Crew(connect, back, note, most=most).run(list(record.boards))


def _state_of(answer: BoardState | YolorknnError) -> BoardState:
    if isinstance(answer, BoardState):
        return answer
    if isinstance(answer, EndedError):
        return BoardState()
    return BoardState("away" if isinstance(answer, BoardAwayError) else "failed", told=str(answer))


def _tell(host: str, board: BoardState, tell: Callable[[str], None]) -> None:
    if board != BoardState():
        tell(f"{host}: {board.state}{board.told and f', {board.told}'}")
