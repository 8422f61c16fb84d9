"""One channel of the stage and who is connected to it: says what a test tells it to say."""

import base64
import json
import math
import struct
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket

FAR_FUTURE = 4102444800
Message = dict[str, Any]


def token(
    user: str, role: str = "fan", exp: int = FAR_FUTURE, tenant: str = "default", plan: str = "pro"
) -> str:
    """A token that looks like ours; this stage knows a person by it and checks no signature."""
    claims = {"sub": user, "roles": [role], "plan": plan, "tenant": tenant, "exp": exp}
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{part}.c2lnbmF0dXJl"


def claims_of(text: str) -> Message | None:
    try:
        part = text.split(".")[1]
        claims: Message = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return None
    return claims


def tone(seconds: float, hertz: float, rate: int = 24_000) -> bytes:
    """A sine wave as s16le PCM."""
    samples = (round(6000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(int(seconds * rate)))
    return b"".join(struct.pack("<h", sample) for sample in samples)


@dataclass(eq=False)
class Peer:
    """One accepted connection."""

    socket: WebSocket
    kind: str
    query: dict[str, str]
    lang: str = ""
    claims: Message = field(default_factory=dict)
    resume: Message | None = None
    messages: list[Message] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)

    async def say(self, message: Message) -> None:
        await self.socket.send_text(json.dumps(message))


@dataclass
class Channel:
    """One channel; what it says is what a test tells it to say."""

    name: str
    state: str = "waiting"
    source: str = "en"
    epoch: str = "e1"
    peers: list[Peer] = field(default_factory=list)
    finals: dict[str, list[Message]] = field(default_factory=dict)
    audio: bytearray = field(default_factory=bytearray)
    taken_bytes: int = 0
    closings: list[tuple[int, Message | None]] = field(default_factory=list)
    acknowledging: bool = True
    muted: bool = False
    keep_replay: bool = True
    came: list[Peer] = field(default_factory=list)

    def viewers(self, kind: str = "subtitles") -> list[Peer]:
        return [peer for peer in self.peers if peer.kind == kind]

    async def to(self, peers: list[Peer], message: Message) -> None:
        for peer in list(peers):
            await peer.say(message)

    async def start(self, source: str = "en") -> None:
        self.state, self.source = "live", source
        await self._state()

    async def finish(self) -> None:
        self.state = "ended"
        await self._state()

    async def _state(self) -> None:
        message = {"type": "channel", "state": self.state, "source_lang": self.source, "stream_id": "s1"}
        await self.to(self.viewers() + self.viewers("dubbing"), message)

    async def subtitle(self, text: str, *, segment: str, final: bool, **more: Any) -> Message:
        """Say a subtitle to everyone who reads `lang` (default: the source language); a final one is kept."""
        lang = more.pop("lang", self.source)
        kept = self.finals.setdefault(lang, [])
        message = {
            "type": "subtitle", "segment_id": segment, "rev": 0, "is_final": final,
            "text": text, "lang": lang, "source_text": text, "source_lang": self.source,
            "start": 0.0, "end": 1.0, "words": [],
        } | more  # fmt: skip
        message["offset"] = len(kept) + 1 if final else len(kept)
        if final:
            kept.append(message)
        readers = [peer for peer in self.peers if peer.lang == lang and peer.kind != "dubbing"]
        await self.to(readers, message)
        return message

    async def final(self, text: str, segment: str, **more: Any) -> Message:
        return await self.subtitle(text, segment=segment, final=True, **more)

    async def interim(self, text: str, segment: str, rev: int, **more: Any) -> Message:
        return await self.subtitle(text, segment=segment, final=False, rev=rev, **more)

    async def dub(self, segment: str, seconds: float = 0.3, hertz: float = 440.0, lang: str = "en") -> None:
        header = {
            "type": "dub_audio", "segment_id": segment, "lang": lang, "start": 0.0, "duration": seconds,
            "sample_rate": 24_000, "encoding": "pcm_s16le", "last": True,
        }  # fmt: skip
        for peer in self.viewers("dubbing"):
            if peer.lang == lang:
                await peer.say(header)
                await peer.socket.send_bytes(tone(seconds, hertz))

    async def drop(self, code: int = 1012, error: Message | None = None) -> None:
        """Close everybody with `code`, after `error` if given."""
        for peer in list(self.peers):
            if error:
                await peer.say({"type": "error", **error})
            await peer.socket.close(code)
