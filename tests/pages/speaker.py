"""A speaker who never tires, to look at the pages by hand: `python -m tests.pages.speaker`."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.pages.channel import Channel
from tests.pages.stage import Stage, open_stage

SPEECH = [
    (
        "Good evening, and welcome to the hall.",
        "Buenas tardes y bienvenidos a la sala.",
        "ערב טוב וברוכים הבאים לאולם.",
    ),
    (
        "Tonight we hear two short plays,\nboth written in this town.",
        "Esta noche vemos dos obras cortas,\nambas escritas aquí.",
        "הערב נשמע שני מחזות קצרים,\nשניהם נכתבו בעיר הזאת.",  # noqa: RUF001 - these are Hebrew letters
    ),
    (
        "The first one begins in a railway station.",
        "La primera empieza en una estación.",
        "הראשון מתחיל בתחנת רכבת.",
    ),
    ("Please turn off your telephones.", "Por favor, apaguen sus teléfonos.", "אנא כבו את הטלפונים."),
]


async def perform(channel: Channel, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """A speaker who says the same four sentences for ever, word by word."""
    await channel.start("en")
    at, number = 0.0, 0
    while True:
        for english, spanish, hebrew in SPEECH:
            number += 1
            words = english.split()
            for count in range(1, len(words) + 1):
                await channel.interim(
                    " ".join(words[:count]), f"u{number}", count, start=at, end=at + count * 0.35
                )
                await pause(0.35)
            end = at + len(words) * 0.35
            for lang, text in (("en", english), ("es", spanish), ("he", hebrew)):
                await channel.final(text, f"u{number}", lang=lang, start=at, end=end)
            lag = {"type": "lag", "received_seconds": end + 0.6, "processed_seconds": end}
            await channel.to(channel.peers, lag)
            await channel.dub(f"u{number}", lang="en")
            await channel.dub(f"u{number}", lang="es", hertz=330.0)
            at = end + 0.8
            await pause(0.8)


async def _by_hand() -> None:
    async with open_stage(Stage(), port=8765) as stage, asyncio.TaskGroup() as group:
        group.create_task(perform(stage.channel("hall")))


if __name__ == "__main__":
    asyncio.run(_by_hand())
