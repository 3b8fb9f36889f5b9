"""What became of each board in a rollout, in a small file, so that one that was not finished can be gone on with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from yolorknn.errors import DeployError
from yolorknn.files import hold, sha256, state_folder, write_bytes, writing
from yolorknn.text import aligned, dumps, reason_of, shown

State = Literal["done", "back", "left", "away", "failed"]
SHOWN = 12
"""Digits of a sha256 that people are shown."""


@dataclass(frozen=True)
class BoardState:
    """What became of a board.

    done: the model was tried, and runs there. back: the one before runs there again. left: nothing was changed.
    away: it could not be reached, or was lost. failed: it did not pass, and runs what it ran; or it has the model, as
    `now` says, and the service could not be begun.
    """

    state: State = "left"
    before: str | None = None
    """sha256 of the model that was there, where that is known."""
    now: str | None = None
    """sha256 of the model that is there."""
    told: str = ""
    """How the model did there, or why not."""


@dataclass
class Record:
    """A rollout of one model; kept in a file after every change."""

    model: str
    """Its file's name."""
    sha256: str
    folder: str
    """On the boards."""
    boards: dict[str, BoardState]

    @classmethod
    def begin(cls, model: Path, folder: str, hosts: Sequence[str]) -> Record:
        """Begin anew; note() replaces the file of an earlier rollout of this model."""
        return cls(model.name, sha256(model), folder, {host: BoardState() for host in hosts})

    @classmethod
    def resume(cls, model: Path, folder: str, hosts: Sequence[str]) -> Record:
        """Go on with the last rollout of this very model.

        Args:
            model: the .rknn.
            folder: on the boards; the one of then.
            hosts: the boards; those of then where it is empty.

        Raises:
            DeployError: there is no such rollout, or it went to another folder.
        """
        digest = sha256(model)
        path = _path(digest)
        try:
            found = json.loads(path.read_bytes())
            boards = {host: BoardState(**values) for host, values in found.pop("boards").items()}
            made = cls(**found, boards=boards)
            if not all(board.state in get_args(State) for board in boards.values()):
                raise ValueError("a state is none")
        except FileNotFoundError:
            what = f"there is no rollout of {model} (sha256 {digest[:SHOWN]}) to go on with from this PC"
            raise DeployError(f"{what}: leave out --resume") from None
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as exc:
            raise DeployError(
                f"cannot go on with the rollout in {path}: {reason_of(exc)}; remove it, and leave out --resume"
            ) from exc
        if made.folder != folder:
            raise DeployError(f"the rollout of {model} went to another folder: add --folder {made.folder}")
        if hosts:
            made.boards = {host: boards.get(host, BoardState()) for host in hosts}
        return made

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have this model for one rollout at a time: of two each would write its own record over the other's.

        Raises:
            DeployError: another one is under way.
            OutputError: nothing can be written where the record is kept.
        """
        path = _path(self.sha256).with_suffix(".lock")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("ab")
        with lock:
            if not hold(lock):
                raise DeployError(
                    f"{self.model} is being rolled out by another yolorknn on this PC: wait until it is done"
                )
            yield

    def note(self, host: str, state: BoardState) -> None:
        """Keep what became of a board.

        Raises:
            OutputError: it cannot be written.
        """
        self.boards[host] = state
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        boards = {host: asdict(board) for host, board in self.boards.items()}
        write_bytes(_path(self.sha256), dumps({**values, "boards": boards}, indent=1).encode())

    def forget(self) -> None:
        """Remove the file: there is nothing to go on with.

        Raises:
            OutputError: it cannot be removed.
        """
        path = _path(self.sha256)
        with writing(path):
            path.unlink(missing_ok=True)

    def count(self, state: State) -> int:
        """Return how many boards are so."""
        return Counter(board.state for board in self.boards.values())[state]

    def table(self) -> str:
        """Return a line for each board."""
        lines = [("board", "", "before", "now", "")]
        for host, board in self.boards.items():
            digests = [digest[:SHOWN] if digest else "-" for digest in (board.before, board.now)]
            lines.append((shown(host), board.state, digests[0], digests[1], shown(board.told)))
        return aligned(lines)

    def check(self) -> None:
        """Refuse a rollout that is not finished.

        Raises:
            DeployError: a board has not the model.
        """
        done, every = self.count("done"), len(self.boards)
        if done == every:
            return
        counts = ", ".join(f"{count} {state}" for state in get_args(State) if (count := self.count(state)))
        what = f"{done} of {every} boards have {self.model} ({counts})"
        if self.count("failed"):
            there = any(board.state == "failed" and board.now == self.sha256 for board in self.boards.values())
            but = ", but for those that have it and no service" if there else ""
            raise DeployError(f"{what}: those that are not done run what they ran{but}; mend it, then add --resume")
        raise DeployError(f"{what}: the same with --resume goes on with the others")

    def check_back(self) -> None:
        """Refuse a way back that is not finished.

        Raises:
            DeployError: of a board it is not known that it has not the model.
        """
        lacking = self.count("failed") + self.count("away")
        if lacking:
            what = f"{lacking} of {len(self.boards)} boards did not go back from {self.model}"
            raise DeployError(f"{what}: mend what is told of each, and repeat the command")


def _path(digest: str) -> Path:
    return state_folder() / f"rollout-{digest[:SHOWN]}.json"
