"""What one connection follows: a topic of its session's channel, paid for where viewers pay."""

from gateway.fanout.channel import Track
from gateway.fanout.topic import Topic
from gateway.sockets.admission import source_lang_of
from gateway.sockets.hub import Session
from gateway.sockets.stage import Stage
from gateway.sockets.telling import tell
from gateway.wire.interface import Wire
from media.engines.base import primary
from sessions import messages
from sessions.live import Kind, LiveSession


class Following:
    """The listening half of a live socket; `lang` is what it follows in."""

    __slots__ = ("_rules", "_session", "_stage", "_topic", "_voiceless", "_wire", "lang")

    def __init__(self, stage: Stage, rules: LiveSession, session: Session, wire: Wire, lang: str) -> None:
        self.lang = lang
        self._stage = stage
        self._rules = rules
        self._session = session
        self._wire = wire
        self._topic: Topic | None = None
        purse = session.purse
        self._voiceless = purse is not None and purse.kind.value != rules.request.kind.value

    @property
    def track(self) -> Track:
        """What the topic carries besides captions."""
        request = self._rules.request
        if request.kind is not Kind.DUBBING or self._voiceless:
            return None
        return "ogg_opus" if request.dub_encoding == "ogg_opus" else "pcm_s16le"

    @property
    def topic(self) -> Topic:
        """The topic that is followed, or would be."""
        return self._session.channel.topic(self.lang, self.track)

    def follow(self, topic: Topic) -> None:
        """Follow a topic from now on."""
        session = self._session
        self._topic = topic
        topic.join(self._wire, interim=self._rules.request.interim)
        if session.channel.personal:
            assert session.own is not None
            session.own.retarget(self._stage.now())
        elif len(topic) == 1:
            self._stage.hub.retarget(session.channel)

    def pay(self, *, known: bool = False, replayed_after: int | None = None) -> None:
        """Pay for what is followed from now on, and for what was replayed after an offset (None: nothing).

        A session that is `known` pays for its absence by the stream's clock, and for what came before it
        joined by what the finals stand for; one that is not, for every final.
        """
        session = self._session
        if session.channel.personal or not self._stage.pays_for_channel(session):
            return
        topic, joined = self.topic, session.joined
        same = known and joined is not None and joined[0] == topic.epoch
        if not same:
            session.joined = topic.epoch, topic.offset
        if replayed_after is not None:
            until = joined[1] if same and joined is not None else None
            self._stage.purse(session).charge(topic.replayed_ms(replayed_after, until))
        broadcast = self._stage.hub.broadcasts.get(session.channel.key)
        if broadcast is None:
            return
        purse = self._stage.purse(session)
        if known:
            purse.go_on(broadcast.clock, replayed=same and replayed_after is not None)
        else:
            purse.attach(broadcast.clock)

    def flush_topic(self) -> None:
        """Write what waits for the end of this turn."""
        if self._topic is not None:
            self._topic.flush()

    def leave(self) -> None:
        """Follow nothing."""
        if self._topic is not None:
            self._topic.leave(self._wire)
            self._topic = None

    def retarget(self, lang: str) -> None:
        """Follow in another language, or say why not."""
        lang = primary(lang)
        default = self._stage.hub.default_source_lang
        source_lang = source_lang_of(self._rules.request, self._session.channel, default)
        if not self._stage.catalogue.serves(source_lang, lang):
            self._rules.object_to("LANGUAGE_NOT_SERVED", self._stage.unserved(source_lang, lang),
                                  param="target_lang", served=self._stage.served())  # fmt: skip
        elif self.track is not None and not self._stage.catalogue.speaks(lang):
            self._rules.object_to("VOICE_NOT_SERVED", f"No voice here speaks {lang}", param="target_lang")
        else:
            self._move_to(lang)

    def move_home(self) -> None:
        """Follow the session's own channel from now on."""
        self._move_to(self.lang)

    def turn_to_subtitles(self) -> None:
        """Go on without the voice."""
        self._voiceless = True
        self._move_to(self.lang)

    def _move_to(self, lang: str) -> None:
        self.leave()
        self.lang = lang
        topic = self.topic
        self._session.joined = topic.epoch, topic.offset
        self.follow(topic)
        tell(self._wire, messages.Target(target_lang=lang, epoch=topic.epoch, offset=topic.offset))
