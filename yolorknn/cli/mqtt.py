"""`yolorknn mqtt`: what this machine published, and its removal."""

from __future__ import annotations

from typing import Annotated

import typer

from yolorknn.cli.parse import mqtt_password, read_broker
from yolorknn.cli.show import put, say


def mqtt_command(
    broker: Annotated[
        str | None,
        typer.Argument(
            help="mqtt://user@host, or @FILE that holds it [default: all that this machine published to].",
            metavar="BROKER",
        ),
    ] = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove it from the broker, and the device from Home Assistant.")
    ] = False,
    board: Annotated[
        str | None,
        typer.Option(help="The board's name in topics [default: all known, or with BROKER of its machine-id]."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="With --clean: also while the board is connected.")] = False,
) -> None:
    """Show what this machine published over MQTT, or with --clean remove it."""
    from yolorknn.stream.sinks.mqtt import published
    from yolorknn.stream.sinks.mqtt.address import machine_number
    from yolorknn.stream.sinks.mqtt.clean import clean as remove

    if force and not clean:
        raise typer.BadParameter("needs --clean", param_hint="--force")
    address = read_broker(broker, "BROKER") if broker else None
    known = [
        found
        for _, found in published.every()
        if board in (None, found.board) and (address is None or str(address) == found.broker)
    ]
    going = [(address or found.address.with_password(mqtt_password()), found.board, found.discovery) for found in known]
    if clean and address is not None and not going:
        going = [(address, board or machine_number(), "homeassistant")]
    if not going:
        say("this user published nothing over MQTT from this machine")
    if not clean:
        for found in known:
            put(f"{found.board} at {found.broker}: {len(found.components)} entities, and the topics")
            for topic in found.topics:
                put(f"  {topic}")
        return
    for where, word, discovery in going:
        count = remove(where, word, discovery=discovery, force=force)
        say(f"{count} topics of {word} removed from {where}")
