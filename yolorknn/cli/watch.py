"""`yolorknn watch`: what a site file says, for as long as it is let."""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from yolorknn.cli.log import Log
from yolorknn.cli.show import put_json, say
from yolorknn.errors import RestartsError, SiteError, YolorknnError

if TYPE_CHECKING:
    from yolorknn.site.tables import Site

MISTAKES, GAVE_UP = 78, 69
"""Exit statuses, as sysexits.h has them: EX_CONFIG, EX_UNAVAILABLE. A service is not begun again on either."""
BOOTED = 120.0
"""Seconds since the machine began, before which a device that is missing may yet come."""


def watch_command(
    file: Annotated[
        Path | None, typer.Argument(help="The site file (TOML); paths in it are relative to it.", metavar="SITE")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Tell what is wrong with the file, and end.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of such files, and end.")] = False,
    log: Annotated[
        Literal["text", "json"] | None, typer.Option(help="What is told on stderr [default: as the file says].")
    ] = None,
) -> None:
    """Watch the cameras of a site file, until it is stopped. SIGHUP has it read the file anew."""
    if schema:
        from yolorknn.site.schema import schema as made

        put_json(made())
        return
    if file is None:
        raise typer.BadParameter("is missing", param_hint="SITE")
    site = _read(file)
    if check:
        cameras, models = len(site.cameras), len(site.models)
        say(
            f"{file}: {cameras} camera{'s' if cameras != 1 else ''}, {models} model{'s' if models != 1 else ''}: "
            "nothing is wrong with it"
        )
        return
    watch(site, file, log or site.log.format)


def watch(site: Site, file: Path, form: Literal["text", "json"]) -> None:
    """Watch a site until it ends or is stopped, telling in a form of its own; SIGHUP has its file read anew."""
    from yolorknn.site.events import Event
    from yolorknn.site.keeper import Keeper
    from yolorknn.site.notify import Notifier

    shown = Log(form, site.log.level)
    logging.getLogger().addHandler(shown)
    asked: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: asked.append(number))

    def changed() -> bool:
        was = bool(asked)
        asked.clear()
        return was

    try:
        with Keeper(site, file=file, tell=shown.tell, notifier=Notifier()) as keeper:
            keeper.run(changed)
        shown.tell(Event("ended", "every source is at its end"))
    except RestartsError as exc:
        shown.tell(Event("ended", f"given up: {exc}", "error"))
        raise typer.Exit(GAVE_UP) from None
    except YolorknnError as exc:
        if shown.form == "json":
            shown.tell(Event("ended", str(exc), "error"))
        elif exc.diagnosis:
            say(f"error: {exc}")
        else:
            raise
        final = exc.diagnosis and time.clock_gettime(time.CLOCK_BOOTTIME) > BOOTED
        raise typer.Exit(GAVE_UP if final else 1) from None
    except KeyboardInterrupt:
        shown.tell(Event("ended", "stopped"))
        raise
    finally:
        signal.signal(signal.SIGHUP, before)
        logging.getLogger().removeHandler(shown)


def _read(file: Path) -> Site:
    from yolorknn.site.read import read_site

    try:
        return read_site(file)
    except SiteError as exc:
        _refuse(exc)


def _refuse(exc: SiteError) -> NoReturn:
    for mistake in exc.mistakes:
        say(f"error: {mistake}")
    raise typer.Exit(MISTAKES) from None
