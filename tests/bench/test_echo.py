"""The worker that only says when: it keeps the link's contract and answers every 100 ms of audio."""

from bench.echo import Echo
from gateway.workers.relay import Relay, RelayLimits
from media import link


def test_its_answers_hold_before_the_relay_that_judges_workers() -> None:
    relay, echo = Relay(1, "en", RelayLimits()), Echo()
    relay.assigned()
    said: list[object] = []
    for _ in range(250):
        relay.receive_audio(bytes(640), now=0.0)
        for message in relay.outgoing():
            for answer in echo.answers(message, heard_ns=7):
                relay.receive(answer)
        said += relay.events()

    interims = [event for event in said if isinstance(event, link.Interim)]
    finals = [event for event in said if isinstance(event, link.Final)]
    assert (len(interims), len(finals)) == (45, 5)
    assert [final.utterance for final in finals] == [0, 1, 2, 3, 4]
    end, heard_ns, answered_ns = map(int, finals[-1].captions[0].text.split())
    assert (end, heard_ns) == (250 * 640, 7)
    assert answered_ns > 0
    assert relay.committed_bytes == relay.processed_bytes == 250 * 640


def test_it_ends_and_forgets() -> None:
    echo = Echo()
    echo.answers(link.Open(3, "en", {"en": ()}), 0)

    assert echo.answers(link.Finalize(3, 1), 0) == [link.Finalized(3, 1)]
    assert echo.answers(link.Text(3, 0, "x", 0.0, 1.0), 0) == [link.TextDone(3, 0)]
    assert echo.answers(link.Close(3), 0) == [link.Ended(3)]
    assert echo.answers(link.Audio(3, 0, bytes(6400)), 0) == []
