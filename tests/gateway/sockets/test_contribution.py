"""What a connection brings: in order, not before there are minutes for it, and read no further meanwhile."""

import pytest

from gateway.stores.interface import StoreDown
from gateway.stores.schema import quota_slices
from media import link
from tests.gateway.rehearsal import Guest, Rehearsal, caption
from tests.gateway.sockets.minutes import charged_ms, finishes, heard_ms, hears, held_ms, joins, metered


def frame(number: int, milliseconds: int = 20) -> bytes:
    """Return audio that one can tell from others."""
    return bytes([number]) * (32 * milliseconds)


def answers(rehearsal: Rehearsal) -> None:
    """Let the store answer all that it was asked."""
    while rehearsal.store.waiting:
        rehearsal.store.write_all()
        rehearsal.settle()


def types(guest: Guest) -> list[str]:
    return [m["type"] for m in guest.hears()]


@pytest.fixture
def stage() -> Rehearsal:
    """A stage whose store takes its time."""
    made = metered(live_quota_free_subtitle_minutes_per_hour=30)
    made.store.held = True
    return made


class TestBeforeTheSlice:
    def test_audio_waits_and_nothing_more_is_read(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        mine.sends(frame(1), frame(2))
        assert stage.pool.opened == []
        assert not mine.wire.reading
        mine.sends(frame(3))  # it was in the socket already
        answers(stage)
        assert mine.wire.reading
        (stream,) = stage.pool.opened
        audio = b"".join(one.pcm for one in stream.sent() if isinstance(one, link.Audio))
        assert audio == frame(1) + frame(2) + frame(3)

    def test_finalize_and_end_wait_behind_it_in_order(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        mine.sends(frame(1))
        mine.says(type="finalize")
        mine.sends(frame(2))
        mine.says(type="end")
        assert "finalized" not in types(mine)
        assert stage.pool.opened == []
        answers(stage)
        sent = [
            one
            for one in stage.pool.opened[0].sent()
            if isinstance(one, link.Audio | link.Finalize | link.Close)
        ]
        assert [type(one) for one in sent] == [link.Audio, link.Finalize, link.Audio, link.Close]
        assert isinstance(sent[0], link.Audio)
        assert isinstance(sent[2], link.Audio)
        assert (sent[0].pcm, sent[2].pcm) == (frame(1), frame(2))
        finishes(stage)
        assert types(mine)[-1] == "ended"
        answers(stage)
        assert (mine.wire.close_code, charged_ms(stage), held_ms(stage)) == (1000, 40, 0)

    def test_only_what_has_passed_is_acknowledged(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        mine.sends(frame(1, 250))
        stage.clock.advance(1.5)
        assert mine.hears("audio_ack") == []
        answers(stage)
        assert mine.hears("audio_ack") == [{"type": "audio_ack", "bytes": 8_000, "seconds": 0.25}]

    def test_a_reconnect_is_told_how_much_that_is(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        mine.sends(frame(1, 250))
        answers(stage)
        mine.leaves()
        answers(stage)
        back = joins(stage, resume=mine.position)
        back.sends(frame(2, 250))  # no slice for it yet
        back.leaves()
        answers(stage)
        again = joins(stage, resume=mine.position)
        assert again.connected["audio"] == {"bytes": 8_000, "seconds": 0.25}

    def test_an_answer_that_comes_after_the_store_gave_up_ends_the_wait(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        mine.sends(frame(1))
        mine.says(type="finalize")
        stage.store.broken = StoreDown("away")
        stage.store.write_all()
        stage.settle()
        assert [m["code"] for m in mine.hears("error")] == ["STORE_UNAVAILABLE"]
        assert (mine.wire.close_code, stage.pool.opened) == (1013, [])

    def test_no_room_in_the_stream_and_no_minutes_both_stop_the_reading(self, stage: Rehearsal) -> None:
        mine = joins(stage)
        mine.sends(frame(1))
        mine.socket.stream_writable()
        assert not mine.wire.reading
        answers(stage)
        assert mine.wire.reading


class TestOneSliceAfterTheOther:
    def test_between_two_slices_nothing_is_lost_or_turned_round(self) -> None:
        stage = metered(live_quota_free_subtitle_minutes_per_hour=30, live_quota_slice_seconds=10)
        mine, brought = joins(stage), b""
        for number in range(1, 121):
            stage.store.held = number % 7 != 0
            if not stage.store.held:
                answers(stage)
            if mine.wire.reading:
                mine.sends(frame(number, 250))
                brought += frame(number, 250)
        stage.store.held = False
        answers(stage)
        heard = b"".join(one.pcm for one in hears(stage, 1) if isinstance(one, link.Audio))
        assert heard == brought
        assert len(brought) > 60 * 8_000
        mine.leaves()
        answers(stage)
        assert charged_ms(stage) == len(brought) // 32

    def test_what_fits_of_a_frame_passes_and_the_rest_waits(self) -> None:
        stage = metered(live_quota_free_subtitle_minutes_per_hour=30, live_quota_slice_seconds=10)
        mine = joins(stage)
        mine.sends(frame(1, 110))
        stage.store.held = True
        for number in range(2, 42):
            mine.sends(frame(number, 250))
        assert heard_ms(stage.pool.opened[0]) == 10_000
        assert not mine.wire.reading
        stage.store.held = False
        answers(stage)
        assert heard_ms(stage.pool.opened[0]) == 10_110
        assert mine.wire.reading

    def test_of_a_frame_that_passed_in_part_that_part_is_taken(self) -> None:
        stage = metered(live_quota_free_subtitle_minutes_per_hour=30, live_quota_slice_seconds=10)
        mine = joins(stage, sample_rate="16000")
        mine.sends(frame(1, 110))
        stage.store.held = True
        for number in range(2, 42):
            mine.sends(frame(number, 250))
        mine.leaves()
        answers(stage)
        back = joins(stage, resume=mine.position)
        assert back.connected["audio"] == {"bytes": 320_000, "seconds": 10.0}


class TestEndOfAViewer:
    def ends(self, stage: Rehearsal) -> Guest:
        """Return a viewer that was sent something, and has ended, before it has a slice."""
        viewer = joins(stage)
        stage.joins("publish", user="noa").sends(frame(1, 250))
        viewer.hears()
        viewer.says(type="end")
        assert viewer.hears() == []
        return viewer

    def test_waits_until_what_it_was_sent_is_charged(self, stage: Rehearsal) -> None:
        viewer = self.ends(stage)
        answers(stage)
        assert viewer.hears() == [{"type": "ended", "audio_seconds": 0.25, "billed_seconds": 0.25}]
        assert (viewer.wire.close_code, charged_ms(stage), held_ms(stage)) == (1000, 250, 0)

    def test_does_not_wait_for_a_store_that_is_away(self, stage: Rehearsal) -> None:
        viewer = self.ends(stage)
        stage.store.broken = StoreDown("away")
        stage.store.write_all()
        stage.settle()
        assert [m["code"] for m in viewer.hears("error")] == ["STORE_UNAVAILABLE"]
        assert viewer.wire.close_code == 1013

    def test_does_not_charge_what_passes_afterwards(self, stage: Rehearsal) -> None:
        self.ends(stage)
        stage.guests[-1].sends(frame(2, 250))
        answers(stage)
        assert charged_ms(stage) == 250


class TestWhoDoesNotPay:
    def test_needs_no_slice(self, stage: Rehearsal) -> None:
        publisher = stage.joins("publish", user="noa")
        publisher.sends(frame(1))
        assert heard_ms(stage.pool.opened[0]) == 20
        publisher.says(type="end")
        finishes(stage)
        (ended,) = publisher.hears("ended")
        assert (ended["audio_seconds"], ended["billed_seconds"]) == (0.02, 0.0)
        assert (stage.store.waiting, stage.store.rows(quota_slices)) == (0, [])

    def test_a_viewers_captions_do_not_wait_for_its_slice(self, stage: Rehearsal) -> None:
        viewer = joins(stage)
        publisher = stage.joins("publish", user="noa")
        publisher.sends(frame(1))
        (stream,) = stage.pool.opened
        stream.sent()
        stream.says(link.Final(1, 0, "en", (caption("at once"),)))
        assert viewer.finals() == [(1, "at once")]
