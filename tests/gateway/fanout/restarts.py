"""A gateway's channel and archive, for tests in which one process is killed and another goes on."""

from gateway.fanout import frames
from gateway.fanout.archive import Archive
from gateway.fanout.channel import Channel, Key, Track
from gateway.stores.captions import Captions
from sessions.history import CannotResume, HistoryLimits
from tests.gateway.rehearsal import Clockwork, caption, read

TTL = 600.0
LIMITS = HistoryLimits(entries_max=20, bytes_max=100_000)
Position = tuple[str, int]


class Process:
    """A gateway with one channel. `served` are the languages that its engines make."""

    def __init__(
        self, captions: Captions, tenant: str, *, limits: HistoryLimits = LIMITS, served: str = "en es fr",
        personal: bool = False,
    ) -> None:  # fmt: skip
        self.clock = Clockwork()
        self.archive = Archive(captions, lambda lang, _track: lang in served.split())
        self.channel = Channel(
            Key(tenant, "main"), "en", limits, self.clock.loop, personal, archive=self.archive
        )

    async def joined(self, lang: str = "en", track: Track = None) -> Position:
        """Let a viewer in; return its position."""
        await self.archive.prepare(self.channel)
        topic = self.channel.topic(lang, track)
        await self.archive.flush()
        return topic.epoch, topic.offset

    def says(self, *texts: str, lang: str = "en", track: Track = None, spoken: bytes = b"") -> Position:
        """Publish finals; return the position of who has them."""
        topic = self.channel.topic(lang, track)
        for text in texts:
            topic.publish_final(
                lambda offset, text=text: (  # type: ignore[misc]
                    frames.subtitle(text, 1, offset, caption(text), lang, "en", is_final=True) + spoken
                )
            )
        return topic.epoch, topic.offset

    def replays(self, position: Position, lang: str = "en", track: Track = None) -> list[str] | str:
        """Return the texts that who comes back has missed, or why they cannot be had."""
        try:
            missed = self.channel.topic(lang, track).missed(*position)
        except CannotResume as refusal:
            return refusal.reason
        messages = [message for message in read(missed) if isinstance(message, dict) and message]
        first = position[1] + 1
        assert [message["offset"] for message in messages] == list(range(first, first + len(messages)))
        return [message["text"] for message in messages]
