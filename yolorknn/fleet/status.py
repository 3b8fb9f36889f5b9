"""How all boards of a fleet do, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from yolorknn.deploy.ssh import Remote
from yolorknn.errors import DeployError, YolorknnError
from yolorknn.fleet.asked import BoardFacts, ask
from yolorknn.fleet.crew import Crew, Hold
from yolorknn.fleet.record import SHOWN
from yolorknn.text import aligned, shown


@dataclass(frozen=True)
class FleetStatus:
    """What every board said, or why it said nothing."""

    boards: dict[str, BoardFacts | str]
    """By board, in their order; a text is the reason."""

    def table(self) -> str:
        """Return a line for each model of each board."""
        lines: list[tuple[str, ...]] = [
            ("board", "yolorknn", "model", "sha256", "driver", "°C", "cameras", "fps", "age s", "")
        ]
        for host, facts in self.boards.items():
            if isinstance(facts, str):
                lines.append((shown(host), *["-"] * 8, shown(facts)))
            else:
                lines += _rows(shown(host), facts)
        return aligned(lines, right=(5, 6, 7, 8))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "boards": [
                {"host": host, "error": facts} if isinstance(facts, str) else {"host": host, **asdict(facts)}
                for host, facts in self.boards.items()
            ]
        }

    def check(self) -> None:
        """Refuse a fleet of which not all answered.

        Raises:
            DeployError: one did not.
        """
        silent = [host for host, facts in self.boards.items() if isinstance(facts, str)]
        if silent:
            what = f"{len(silent)} of {len(self.boards)} boards did not say how they are"
            raise DeployError(f"{what}: {', '.join(silent[:5])}{' and others' if len(silent) > 5 else ''}")


def _rows(host: str, facts: BoardFacts) -> list[tuple[str, ...]]:
    cameras = facts.cameras or ()
    ages = [camera.age for camera in cameras]
    known = [age for age in ages if age is not None]
    found = "; ".join((*facts.problems, *([facts.page] if facts.page else [])))
    beginning = (
        facts.driver or "-",
        "-" if facts.temperature is None else f"{facts.temperature:.0f}",
        "-" if facts.cameras is None else f"{sum(camera.up for camera in cameras)}/{len(cameras)}",
        "-" if facts.cameras is None else f"{sum(camera.fps for camera in cameras):.1f}",
        f"{max(known):.1f}" if known and len(known) == len(ages) else "-",
        shown(found),
    )
    models = list(facts.models.items()) or [("-", "-")]
    first, *others = [(shown(name), digest[:SHOWN]) for name, digest in models]
    return [(host, facts.yolorknn, *first, *beginning), *[("", "", *other, *[""] * 6) for other in others]]


def status_of(
    hosts: Sequence[str],
    connect: Callable[[str], Remote],
    *,
    folder: str = "yolorknn",
    port: int = 8080,
    token: str | None = None,
    most: int = 8,
) -> FleetStatus:
    """Ask every board, side by side.

    Args:
        hosts: the boards.
        connect: makes a connection to one.
        folder: on the boards, below the home folder.
        port: of the page on each board's own loopback, which is reached through ssh.
        token: of the page, where it has one.
        most: so many side by side.
    """
    found: dict[str, BoardFacts | str] = dict.fromkeys(hosts, "")

    def asked(remote: Remote, _: Hold) -> BoardFacts:
        return ask(remote, folder=folder, port=port, token=token)

    def note(host: str, answer: BoardFacts | YolorknnError) -> bool:
        found[host] = answer if isinstance(answer, BoardFacts) else str(answer)
        return True

    Crew(connect, asked, note, most=most).run(hosts)
    return FleetStatus(found)
