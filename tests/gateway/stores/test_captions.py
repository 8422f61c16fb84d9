"""Finals that outlive their process, whole or not at all: the same in memory and in Redis."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.condition import Condition
from gateway.stores.captions import (
    PIECE_BYTES_MAX,
    TOPICS_MAX,
    Captions,
    CaptionsLost,
    ChannelName,
    Outcome,
    Piece,
    TopicName,
)
from gateway.stores.memory.captions import MemoryCaptions
from gateway.stores.redis.captions import RedisCaptions, keys_of
from gateway.stores.redis.link import RedisLink
from sessions.history import HistoryLimits, Past
from tests.databases import Redis
from tests.databases import redis_server as run_redis
from tests.gateway.stores.twins import Stand, linked

TTL = 600.0
LIMITS = HistoryLimits(entries_max=5, bytes_max=1000)
_NUMBERS = itertools.count()


class Shelf:
    """One topic of a store."""

    def __init__(self, captions: Captions, tenant: str, channel_id: str = "main", lang: str = "en") -> None:
        self.captions = captions
        self.channel = ChannelName(tenant, channel_id)
        self.topic = TopicName(lang, "")

    async def writes(self, epoch: str, after: int, *finals: bytes, **more: object) -> Outcome:
        piece = Piece(self.channel, self.topic, epoch, after, finals, **more)  # type: ignore[arg-type]
        (outcome,) = await self.captions.write([piece])
        return outcome

    async def has(self) -> Past | None:
        return await self.captions.load(self.channel, self.topic)


def store(stand: Stand, limits: HistoryLimits = LIMITS) -> Captions:
    if stand.link is None:
        return MemoryCaptions(limits, TTL, stand.clock)
    return RedisCaptions(stand.link, limits, TTL)


@pytest.fixture
def shelf(stand: Stand) -> Shelf:
    return Shelf(store(stand), stand.tenant)


async def test_what_was_written_is_there_in_order(shelf: Shelf) -> None:
    assert await shelf.writes("e", 0, anew=True) == "kept"
    assert await shelf.has() == Past("e", 0)
    assert await shelf.writes("e", 0, b"one", b"two") == "kept"
    assert await shelf.writes("e", 2, b"three") == "kept"
    assert await shelf.has() == Past("e", 3, (), (b"one", b"two", b"three"))


async def test_nothing_is_there_before(shelf: Shelf) -> None:
    assert await shelf.has() is None
    assert await shelf.captions.topics(shelf.channel) == []
    assert await shelf.writes("e", 0, b"one") == "missing"
    assert await shelf.has() is None


async def test_a_piece_may_be_written_again(shelf: Shelf) -> None:
    await shelf.writes("e", 0, b"one", anew=True)
    for _ in range(2):
        assert await shelf.writes("e", 1, b"two", b"three") == "kept"
    assert await shelf.writes("e", 1, b"two", b"three", b"four") == "kept"
    assert await shelf.has() == Past("e", 4, (), (b"one", b"two", b"three", b"four"))


@pytest.mark.parametrize(("after", "finals"), [(4, [b"five"]), (9, []), (0, [b"one"]), (1, [])])
async def test_a_hole_or_a_step_back_is_refused(shelf: Shelf, after: int, finals: list[bytes]) -> None:
    await shelf.writes("e", 0, b"one", b"two", b"three", anew=True)
    assert await shelf.writes("e", after, *finals) == "missing"
    assert await shelf.has() == Past("e", 3, (), (b"one", b"two", b"three"))


async def test_the_newest_are_kept_by_count(shelf: Shelf) -> None:
    await shelf.writes("e", 0, *(b"%d" % n for n in range(1, 9)), anew=True)
    assert await shelf.has() == Past("e", 8, (), (b"4", b"5", b"6", b"7", b"8"))


async def test_the_newest_are_kept_by_bytes(shelf: Shelf) -> None:
    await shelf.writes("e", 0, bytes(400), bytes(400), anew=True)
    await shelf.writes("e", 2, bytes(300))
    assert await shelf.has() == Past("e", 3, (), (bytes(400), bytes(300)))
    await shelf.writes("e", 3, bytes(1001))
    assert await shelf.has() == Past("e", 4)
    await shelf.writes("e", 4, b"small")
    assert await shelf.has() == Past("e", 5, (), (b"small",))


async def test_a_history_may_begin_in_its_midst(shelf: Shelf) -> None:
    assert await shelf.writes("e", 41, b"42", anew=True) == "kept"
    assert await shelf.has() == Past("e", 42, (), (b"42",))


async def test_it_runs_out_unless_it_is_written_or_touched(stand: Stand, shelf: Shelf) -> None:
    await shelf.writes("e", 0, b"one", anew=True)
    await stand.passes(TTL * 0.7)
    assert await shelf.writes("e", 1) == "kept"
    await stand.passes(TTL * 0.7)
    assert await shelf.has() == Past("e", 1, (), (b"one",))
    await stand.passes(TTL * 0.4)
    assert await shelf.has() is None
    assert await shelf.captions.topics(shelf.channel) == []
    assert await shelf.writes("e", 1, b"two") == "missing"


class TestAnotherProcess:
    async def test_it_goes_on_under_its_own_epoch_and_the_one_before_may_not(self, shelf: Shelf) -> None:
        await shelf.writes("a", 0, b"one", b"two", anew=True)
        went_on = (("a", 2),)
        assert await shelf.writes("b", 2, ancestors=went_on) == "kept"
        assert await shelf.writes("a", 2, b"late") == "taken"
        assert await shelf.writes("b", 2, b"three", ancestors=went_on) == "kept"
        assert await shelf.has() == Past("b", 3, (("a", 2),), (b"one", b"two", b"three"))

    async def test_of_two_that_go_on_the_first_does(self, shelf: Shelf) -> None:
        await shelf.writes("a", 0, b"one", anew=True)
        assert await shelf.writes("b", 1, b"b two", ancestors=(("a", 1),)) == "kept"
        assert await shelf.writes("c", 1, b"c two", ancestors=(("a", 1),)) == "taken"
        assert await shelf.has() == Past("b", 2, (("a", 1),), (b"one", b"b two"))

    @pytest.mark.parametrize("ancestors", [(), (("z", 2),), (("a", 1),), (("a", 2), ("z", 2))])
    async def test_who_does_not_come_from_what_is_there_may_not(
        self, shelf: Shelf, ancestors: Sequence[tuple[str, int]]
    ) -> None:
        await shelf.writes("a", 0, b"one", b"two", anew=True)
        assert await shelf.writes("b", 2, b"three", ancestors=ancestors) == "taken"
        assert await shelf.has() == Past("a", 2, (), (b"one", b"two"))

    async def test_anew_replaces_whatever_is_there(self, shelf: Shelf) -> None:
        await shelf.writes("a", 0, b"one", b"two", anew=True)
        assert await shelf.writes("b", 6, b"seven", ancestors=(("x", 3),), anew=True) == "kept"
        assert await shelf.has() == Past("b", 7, (("x", 3),), (b"seven",))
        assert await shelf.writes("a", 2, b"three") == "taken"


async def test_topics_of_a_channel_are_listed_and_are_its_own(stand: Stand) -> None:
    captions = store(stand)
    mine = Shelf(captions, stand.tenant, lang="en")
    for lang in ("en", "es", "zh-hant"):
        await Shelf(captions, stand.tenant, lang=lang).writes("e", 0, anew=True)
    await captions.write([Piece(mine.channel, TopicName("en", "ogg_opus"), "e", 0, [b"spoken"], anew=True)])
    await Shelf(captions, stand.tenant, channel_id="other", lang="fr").writes("e", 0, anew=True)
    assert set(await captions.topics(mine.channel)) == {
        TopicName("en", ""), TopicName("es", ""), TopicName("zh-hant", ""), TopicName("en", "ogg_opus"),
    }  # fmt: skip
    assert await captions.load(mine.channel, TopicName("en", "ogg_opus")) == Past("e", 1, (), (b"spoken",))


async def test_tenants_with_any_name_do_not_meet(stand: Stand) -> None:
    captions = store(stand)
    names = ["a", "a:main", "{a}", "a}", "%3A", "\ud800", "", "דנה", "a\x00", "*"]
    shelves = [
        Shelf(captions, stand.tenant + tenant, channel) for tenant in names for channel in ("main", "x")
    ]
    for number, shelf in enumerate(shelves):
        assert await shelf.writes(f"e{number}", 0, b"%d" % number, anew=True) == "kept"
    for number, shelf in enumerate(shelves):
        assert await shelf.has() == Past(f"e{number}", 1, (), (b"%d" % number,))


async def test_a_channel_has_no_end_of_topics(stand: Stand) -> None:
    captions = store(stand)
    channel = ChannelName(stand.tenant, "main")
    for number in range(TOPICS_MAX + 20):
        await captions.write([Piece(channel, TopicName(f"l{number}", ""), "e", 0, [], anew=True)])
    assert len(await captions.topics(channel)) == TOPICS_MAX


async def test_finals_larger_than_a_piece_are_read_whole(stand: Stand) -> None:
    finals = [bytes([n]) * (PIECE_BYTES_MAX // 2 + n) for n in range(7)] + [bytes(PIECE_BYTES_MAX * 2)]
    shelf = Shelf(store(stand, HistoryLimits()), stand.tenant)
    await shelf.writes("e", 0, anew=True)
    for after, final in enumerate(finals):
        assert await shelf.writes("e", after, final) == "kept"
    small = [b"%d" % n for n in range(600)]
    assert await shelf.writes("e", len(finals), *small) == "kept"
    past = await shelf.has()
    assert past == Past("e", 608, (), (*finals, *small))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(0, 8), st.integers(0, 4), st.booleans(), st.booleans(),
            st.integers(0, 300),
        ),
        max_size=25,
    )
)  # fmt: skip
async def test_the_twins_agree(
    redis_server: Redis, steps: list[tuple[str, int, int, bool, bool, int]]
) -> None:
    async with linked(redis_server.url) as link:
        tenant = f"twins {next(_NUMBERS)}"
        memory = Shelf(MemoryCaptions(LIMITS, TTL, lambda: 0.0), tenant)
        other = Shelf(RedisCaptions(link, LIMITS, TTL), tenant)
        for number, (epoch, after, count, anew, goes_on, size) in enumerate(steps):
            past = await memory.has()
            ancestors = ((past.epoch, min(past.offset, after)),) if goes_on and past is not None else ()
            finals = [b"%d.%d" % (number, n) + bytes(size) for n in range(count)]
            outcomes = [
                await shelf.writes(epoch, after, *finals, ancestors=ancestors, anew=anew)
                for shelf in (memory, other)
            ]
            assert outcomes[0] == outcomes[1]
            assert await memory.has() == await other.has()


class TestRedis:
    async def test_nothing_stays_for_ever(self, redis_server: Redis) -> None:
        async with linked(redis_server.url) as link:
            shelf = Shelf(RedisCaptions(link, LIMITS, TTL), "stays")
            await shelf.writes("e", 0, b"one", anew=True)
            await shelf.writes("e", 1, b"two")
            for key in keys_of(shelf.channel, shelf.topic):
                assert 0 < await link.call("PTTL", key) <= TTL * 1000

    @pytest.mark.parametrize(
        ("place", "garbage"),
        [
            *(
                (place, words)
                for place in (0, 1, 2)
                for words in (["SET", "x"], ["SADD", "x"], ["RPUSH", "x"])
            ),
            *(
                (1, ["HSET", field, value])
                for field in ("offset", "bytes", "epoch", "ancestors")
                for value in ("", "x", "nan", "inf", "-1", "1e400", "1.5", "9" * 30, "\xff", "[[1]]", "null")
            ),
            (1, ["HSET", "epoch", "e" * 65]),
            (1, ["HSET", "ancestors", '[["a",99]]']),
            (1, ["DEL"]),
            (2, ["DEL"]),
            *((0, ["HSET", field, ""]) for field in ("en", "%", "\xff:", ":::", "en:%2")),
        ],
    )
    async def test_garbage_is_nothing_and_is_written_over(
        self, redis_server: Redis, place: int, garbage: list[str]
    ) -> None:
        async with linked(redis_server.url) as link:
            shelf = Shelf(RedisCaptions(link, LIMITS, TTL), f"garbage {place} {garbage}")
            await shelf.writes("e", 0, b"one", b"two", anew=True)
            key = keys_of(shelf.channel, shelf.topic)[place]
            if garbage[0] != "HSET":
                await link.call("DEL", key)
            if garbage[0] != "DEL":
                await link.call(garbage[0], key, *garbage[1:])
            whole = Past("e", 2, (), (b"one", b"two"))
            past = await shelf.has()
            # Whether a final makes sense is for the archive to say.
            assert past is None or past.entries in ((), (b"x",), whole.entries)
            assert all(isinstance(topic, TopicName) for topic in await shelf.captions.topics(shelf.channel))
            await shelf.writes("e", 2, b"three")
            assert await shelf.writes("e", 0, b"one", b"two", anew=True) == "kept"
            assert await shelf.has() == whole
            assert shelf.topic in await shelf.captions.topics(shelf.channel)

    async def test_more_finals_than_the_offset_says_are_no_history(self, redis_server: Redis) -> None:
        async with linked(redis_server.url) as link:
            shelf = Shelf(RedisCaptions(link, LIMITS, TTL), "too many")
            await shelf.writes("e", 0, b"one", anew=True)
            await link.call("LPUSH", keys_of(shelf.channel, shelf.topic)[2], "zero", "minus one")
            assert await shelf.has() is None

    async def test_many_topics_are_one_round_trip(self, redis_server: Redis) -> None:
        async with linked(redis_server.url) as link:
            captions = RedisCaptions(link, LIMITS, TTL)
            pieces = [
                Piece(ChannelName("trip", f"ch{n}"), TopicName("en", ""), "e", 0, [b"x"], anew=True)
                for n in range(100)
            ]
            await captions.write(pieces[:1])
            trips = 0
            run = link.run

            async def counted(work: object) -> object:
                nonlocal trips
                trips += 1
                return await run(work)  # type: ignore[arg-type]

            link.run = counted  # type: ignore[method-assign, assignment]
            assert await captions.write(pieces) == ["kept"] * 100
            assert trips == 1

    async def test_a_redis_that_forgot_the_script_is_given_it_again(self, redis_server: Redis) -> None:
        async with linked(redis_server.url) as link:
            shelf = Shelf(RedisCaptions(link, LIMITS, TTL), "forgot")
            await shelf.writes("e", 0, b"one", anew=True)
            await link.call("SCRIPT", "FLUSH")
            assert await shelf.writes("e", 1, b"two") == "kept"
            assert await shelf.has() == Past("e", 2, (), (b"one", b"two"))

    async def test_a_lost_redis_is_told(self) -> None:
        with run_redis() as server:
            link = RedisLink(server.url, Condition())
            await link.probe()
            shelf = Shelf(RedisCaptions(link, LIMITS, TTL), "lost")
            await shelf.writes("e", 0, b"one", anew=True)
            server.kill()
            with pytest.raises(CaptionsLost):
                await shelf.writes("e", 1, b"two")
            with pytest.raises(CaptionsLost):
                await shelf.has()
            with pytest.raises(CaptionsLost):
                await shelf.captions.topics(shelf.channel)
            await link.aclose()
