"""Who is where, over processes that come and are killed: the same in memory and in Redis."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.condition import Condition
from gateway.stores import presence as rules
from gateway.stores.memory.presence import MemoryPresence
from gateway.stores.presence import FACTS_BYTES_MAX, TTL_SECONDS, Member, Place, Presence, Roster
from gateway.stores.redis.link import RedisLink
from gateway.stores.redis.presence import RedisPresence, keys_of
from tests.databases import Redis
from tests.databases import redis_server as run_redis
from tests.gateway.stores.twins import Stand, linked

Processes = Callable[[], Presence]


@pytest.fixture
def process(stand: Stand) -> Processes:
    """Make the presence of one more process on the same store."""
    if stand.link is not None:
        link = stand.link
        return lambda: RedisPresence(link)
    roster = Roster()
    return lambda: MemoryPresence(stand.clock, roster)


@pytest.fixture
def place(stand: Stand) -> Place:
    return ("viewers", stand.tenant, "main")


async def test_members_are_seen_by_every_process(process: Processes, place: Place) -> None:
    one, other = process(), process()
    assert await one.enter(place, "dana", "c1", b"studio")
    assert await other.enter(place, "noa", "c2")
    for seen in (one, other):
        assert await seen.count(place) == 2
        assert await seen.members(place) == [Member("dana", 1, b"studio"), Member("noa", 1)]


async def test_a_member_counts_once_and_leaves_with_its_last_connection(
    process: Processes, place: Place
) -> None:
    one, other = process(), process()
    await one.enter(place, "dana", "c1", b"first")
    await other.enter(place, "dana", "c2", b"second")
    assert await one.count(place) == 1
    assert [(member.name, member.connections) for member in await one.members(place)] == [("dana", 2)]
    await other.leave(place, "c2")
    assert await one.members(place) == [Member("dana", 1, b"first")]
    await one.leave(place, "c1")
    assert await one.count(place) == 0
    assert await one.members(place) == []


async def test_entering_again_changes_facts_and_counts_nothing_twice(
    process: Processes, place: Place
) -> None:
    one = process()
    for facts in (b"muted", b"loud", b""):
        assert await one.enter(place, "dana", "c1", facts)
        assert await one.members(place) == [Member("dana", 1, facts)]
    await one.enter(place, "noa", "c1")
    assert await one.members(place) == [Member("noa", 1)]
    await one.leave(place, "c1")
    assert await one.count(place) == 0


async def test_leaving_without_being_there_changes_nothing(process: Processes, place: Place) -> None:
    one = process()
    await one.enter(place, "dana", "c1")
    for _ in range(2):
        await one.leave(place, "c2")
        await one.leave((*place, "elsewhere"), "c1")
    assert await one.count(place) == 1


async def test_a_killed_process_leaves_nobody_behind(stand: Stand, process: Processes, place: Place) -> None:
    alive, killed = process(), process()
    await alive.enter(place, "dana", "c1")
    await killed.enter(place, "dana", "c2")
    await killed.enter(place, "noa", "c3")
    for _ in range(4):
        await stand.passes(TTL_SECONDS * 0.4)
        await alive.refresh()
    assert await alive.members(place) == [Member("dana", 1)]
    assert await alive.count(place) == 1


async def test_who_is_refreshed_stays(stand: Stand, process: Processes, place: Place) -> None:
    one, other = process(), process()
    for number in range(450):  # more than one run of the script
        await one.enter(place, f"m{number}", f"c{number}")
    for _ in range(5):
        await stand.passes(TTL_SECONDS * 0.7)
        await one.refresh()
    assert await other.count(place) == 450


async def test_who_ran_out_is_back_with_the_next_heartbeat(
    stand: Stand, process: Processes, place: Place
) -> None:
    stalled, other = process(), process()
    await stalled.enter(place, "dana", "c1", b"facts")
    await stand.passes(TTL_SECONDS * 1.1)
    assert await other.count(place) == 0
    await stalled.refresh()
    assert await other.members(place) == [Member("dana", 1, b"facts")]
    await stalled.leave(place, "c1")
    await stalled.refresh()
    assert await other.count(place) == 0


async def test_many_places_are_counted_at_once(process: Processes, stand: Stand) -> None:
    one = process()
    places = [("viewers", stand.tenant, f"ch{number}") for number in range(250)]
    for number, place in enumerate(places[:20]):
        for member in range(number % 4):
            await one.enter(place, f"m{member}", f"{number}/{member}")
    assert await one.counts(places) == [number % 4 for number in range(20)] + [0] * 230
    assert await one.counts([]) == []


class TestBounded:
    async def test_of_many_at_once_over_two_processes_exactly_so_many_get_in(
        self, process: Processes, place: Place
    ) -> None:
        one, other = process(), process()
        answers = await asyncio.gather(
            *((one, other)[n % 2].enter_bounded(place, f"s{n}", f"c{n}", 10) for n in range(60))
        )
        assert sum(answers) == 10
        assert await one.count(place) == 10
        assert len(await other.members(place)) == 10

    async def test_a_member_that_is_there_may_come_with_more_connections(
        self, process: Processes, place: Place
    ) -> None:
        one, other = process(), process()
        assert await one.enter_bounded(place, "s1", "c1", 1)
        assert await other.enter_bounded(place, "s1", "c2", 1)
        assert not await other.enter_bounded(place, "s2", "c3", 1)
        await one.leave(place, "c1")
        assert not await other.enter_bounded(place, "s2", "c3", 1)
        await other.leave(place, "c2")
        assert await other.enter_bounded(place, "s2", "c3", 1)

    async def test_what_a_killed_process_held_is_free_again(
        self, stand: Stand, process: Processes, place: Place
    ) -> None:
        killed, alive = process(), process()
        assert await killed.enter_bounded(place, "s1", "c1", 1)
        assert not await alive.enter_bounded(place, "s2", "c2", 1)
        await stand.passes(TTL_SECONDS * 1.1)
        assert await alive.enter_bounded(place, "s2", "c2", 1)

    async def test_a_bound_of_none_lets_nobody_in(self, process: Processes, place: Place) -> None:
        assert not await process().enter_bounded(place, "s1", "c1", 0)

    async def test_who_was_refused_is_not_there_after_a_heartbeat_either(
        self, process: Processes, place: Place
    ) -> None:
        one = process()
        await one.enter_bounded(place, "s1", "c1", 1)
        await one.enter_bounded(place, "s2", "c2", 1)
        await one.refresh()
        assert await one.members(place) == [Member("s1", 1)]


class TestHostile:
    async def test_names_of_any_kind_do_not_meet(self, process: Processes, stand: Stand) -> None:
        one = process()
        names = ["a", "a:b", "{a}", "a}b", "%3A", "\ud800", "", "דנה", "a\x00b", "*", "a\r\nDEL"]
        places = [("viewers", stand.tenant + tenant, channel) for tenant in names for channel in names]
        for place in places:
            await one.enter(place, names[0], "c")
        assert await one.counts(places) == [1] * len(places)
        for name in names:
            await one.enter(places[0], name, f"connection of {name}")
        assert {member.name for member in await one.members(places[0])} == set(names)

    async def test_a_full_place_takes_nobody_more_and_nobody_is_put_out(
        self, process: Processes, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "CONNECTIONS_MAX", 2)
        monkeypatch.setattr("gateway.stores.redis.presence.CONNECTIONS_MAX", 2)
        one = process()
        assert [await one.enter(place, f"m{n}", f"c{n}") for n in range(4)] == [True, True, False, False]
        assert await one.enter(place, "m1", "c1", b"still welcome")
        assert await one.count(place) == 2

    async def test_facts_are_bounded(self, process: Processes, place: Place) -> None:
        with pytest.raises(ValueError, match="1024 bytes"):
            await process().enter(place, "dana", "c1", bytes(FACTS_BYTES_MAX + 1))
        assert await process().count(place) == 0

    async def test_members_are_listed_up_to_a_bound(
        self, process: Processes, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "LISTED_MAX", 3)
        monkeypatch.setattr("gateway.stores.redis.presence.LISTED_MAX", 3)
        one = process()
        for number in range(6):
            await one.enter(place, f"m{number}", f"c{number}")
        assert len(await one.members(place)) == 3
        assert await one.count(place) == 6


class TestRedis:
    async def test_nothing_stays_for_ever(self, redis_server: Redis) -> None:
        async with linked(redis_server.url) as link:
            place = ("viewers", "stays", "main")
            await RedisPresence(link).enter(place, "dana", "c1", b"facts")
            for key in keys_of(place):
                assert 0 < await link.call("PTTL", key) <= TTL_SECONDS * 1000

    @pytest.mark.parametrize("place_of", range(4))
    @pytest.mark.parametrize(
        "garbage",
        [("SET", "x"), ("RPUSH", "x"), ("HSET", "dana", "x"), ("HSET", "c1", "\x80"), ("ZADD", "+inf", "c9")],
    )
    async def test_garbage_is_nobody_and_does_no_lasting_harm(
        self, redis_server: Redis, garbage: tuple[str, ...], place_of: int
    ) -> None:
        async with linked(redis_server.url) as link:
            place = ("viewers", "garbage", f"{place_of} {garbage}")
            one = RedisPresence(link)
            await one.enter(place, "dana", "c1")
            await link.call("DEL", keys_of(place)[place_of])
            await link.call(garbage[0], keys_of(place)[place_of], *garbage[1:])
            await one.members(place)
            await one.enter(place, "noa", "c2")
            await one.leave(place, "c1")
            await one.leave(place, "c2")
            await link.call("DEL", *keys_of(place))
            await one.enter(place, "noa", "c2")
            assert await one.members(place) == [Member("noa", 1)]

    async def test_without_redis_each_process_counts_its_own_and_then_all_are_there_again(self) -> None:
        place = ("sessions", "default", "dana")
        with run_redis() as server:
            link, other_link = RedisLink(server.url, Condition()), RedisLink(server.url, Condition())
            await link.probe()
            await other_link.probe()
            one, other = RedisPresence(link), RedisPresence(other_link)
            assert await one.enter_bounded(place, "s1", "c1", 2)
            assert await other.enter_bounded(place, "s2", "c2", 2)
            assert not await one.enter_bounded(place, "s3", "c3", 2)
            server.kill()
            assert await one.count(place) == 1
            assert await one.enter_bounded(place, "s3", "c3", 2)
            assert not await one.enter_bounded(place, "s4", "c4", 2)
            assert await one.members(place) == [Member("s1", 1), Member("s3", 1)]
            await one.leave(place, "c1")
            await one.refresh()
            server.start()
            assert await link.probe()
            while not await other_link.probe():  # it has not noticed yet
                await asyncio.sleep(0)
            await one.refresh()
            await other.refresh()
            assert await other.members(place) == [Member("s2", 1), Member("s3", 1)]
            await link.aclose()
            await other_link.aclose()

    async def test_a_heartbeat_of_many_is_few_round_trips(self, redis_server: Redis) -> None:
        async with linked(redis_server.url) as link:
            one = RedisPresence(link)
            for number in range(300):
                await one.enter(("viewers", "beat", f"ch{number}"), "dana", f"c{number}")
            before = (await link.client.info("commandstats"))["cmdstat_evalsha"]["calls"]
            trips = 0
            run = link.run

            async def counted(work: object) -> object:
                nonlocal trips
                trips += 1
                return await run(work)  # type: ignore[arg-type]

            link.run = counted  # type: ignore[method-assign, assignment]
            await one.refresh()
            after = (await link.client.info("commandstats"))["cmdstat_evalsha"]["calls"]
            assert after - before == 300
            assert trips == 3
