"""What waits for a slow peer: in order, bounded, the newest of what only matters now."""

from gateway.wire.backlog import Backlog


def everything(backlog: Backlog) -> list[bytes]:
    pieces = []
    while piece := backlog.take(10):
        pieces.append(piece)
    return pieces


def test_frames_are_handed_over_in_order_and_whole() -> None:
    backlog = Backlog(100)
    for frame in (b"aaaa", b"bbbb", b"cccc", b"dddd"):
        assert backlog.add(frame)
    assert everything(backlog) == [b"aaaabbbbcccc", b"dddd"]
    assert len(backlog) == 0


def test_more_than_the_bound_is_refused_and_changes_nothing() -> None:
    backlog = Backlog(10)
    assert backlog.add(b"x" * 10)
    assert not backlog.add(b"y")
    assert everything(backlog) == [b"x" * 10]


def test_the_latest_goes_last_and_only_once() -> None:
    backlog = Backlog(100)
    backlog.add(b"final")
    backlog.put_latest(b"interim 1")
    backlog.put_latest(b"interim 2")
    assert b"".join(everything(backlog)) == b"finalinterim 2"


def test_what_must_be_delivered_makes_the_latest_stale() -> None:
    backlog = Backlog(100)
    backlog.put_latest(b"interim")
    backlog.add(b"final")
    assert everything(backlog) == [b"final"]


def test_one_pong_and_one_ping_whatever_the_flood() -> None:
    backlog = Backlog(100)
    backlog.add(b"frame")
    for number in range(1000):
        backlog.pong = b"pong %d" % number
        backlog.ping = b"ping"
    assert len(backlog) == len(b"framepong 999ping")
    assert everything(backlog) == [b"pong 999pingframe"]


def test_dropping_leaves_nothing() -> None:
    backlog = Backlog(100)
    backlog.add(b"frame")
    backlog.put_latest(b"interim")
    backlog.pong = b"pong"
    backlog.drop()
    assert (len(backlog), everything(backlog)) == (0, [])
