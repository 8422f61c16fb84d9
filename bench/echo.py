"""A media worker that does nothing but say when: it answers audio with captions that are two timestamps.

With it a viewer can tell the gateway's own share of the way: from the audio's sending to the worker's link,
and from the worker's answer to the viewer's socket (one clock, CLOCK_MONOTONIC, serves the whole machine).
`python -m bench.echo DATA_DIR` joins the server that uses this data directory, until that ends.
"""

import socket
import sys
import time
from dataclasses import dataclass

from media import link
from media.captions import Caption
from media.link_format import Decoder, encode

STREAMS_MAX = 1000
READ_BYTES = 256 * 1024
ANSWER_BYTES = link.BYTES_PER_SECOND // 10
"""An answer for each 100 ms of audio."""
FINAL_ANSWERS = 10
"""Every so many answers one is final, and everything up to it is committed."""


@dataclass(slots=True)
class Stream:
    """How far one stream has come."""

    lang: str
    utterance: int
    start: float
    answered_bytes: int
    answers: int = 0


class Echo:
    """The streams of this worker: messages in, answers out."""

    def __init__(self) -> None:
        self._streams: dict[int, Stream] = {}

    def answers(self, message: link.ToWorker, heard_ns: int) -> list[link.FromWorker]:
        """Return what a message calls for; `heard_ns` is when it arrived."""
        match message:
            case link.Open():
                start = message.offset_bytes / link.BYTES_PER_SECOND
                self._streams[message.stream] = Stream(
                    message.source_lang, message.utterance, start, message.offset_bytes
                )
            case link.Audio() if message.stream in self._streams:
                return self._heard(message, self._streams[message.stream], heard_ns)
            case link.Finalize():
                return [link.Finalized(message.stream, message.mark)]
            case link.Text():
                return [link.TextDone(message.stream, message.number)]
            case link.Drop():
                self._streams.pop(message.stream, None)
            case link.Close():
                self._streams.pop(message.stream, None)
                return [link.Ended(message.stream)]
            case _:
                pass
        return []

    def _heard(self, audio: link.Audio, stream: Stream, heard_ns: int) -> list[link.FromWorker]:
        end = audio.offset_bytes + len(audio.pcm)
        answers: list[link.FromWorker] = [link.Progress(audio.stream, end)]
        while end - stream.answered_bytes >= ANSWER_BYTES:
            stream.answered_bytes += ANSWER_BYTES
            answers += self._answer(audio.stream, stream, heard_ns)
        return answers

    def _answer(self, number: int, stream: Stream, heard_ns: int) -> list[link.FromWorker]:
        """Say where the audio ends that this answers, when it came, and when this goes."""
        end = stream.answered_bytes
        stream.answers += 1
        seconds = end / link.BYTES_PER_SECOND
        text = f"{end} {heard_ns} {time.monotonic_ns()}"
        caption = Caption(text, stream.start, seconds, (), text)
        if stream.answers % FINAL_ANSWERS:
            return [link.Interim(number, stream.utterance, stream.answers, stream.lang, caption)]
        final = link.Final(number, stream.utterance, stream.lang, (caption,))
        stream.utterance, stream.start = stream.utterance + 1, seconds
        return [final, link.Committed(number, end, stream.utterance, b"")]


def main(data_dir: str) -> None:
    """Join the server and answer until it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(f"{data_dir}/{link.SOCKET_NAME}")
        sock.sendall(encode(link.Hello(1, STREAMS_MAX)))
        print(f"{STREAMS_MAX} streams", flush=True)
        decoder: Decoder[link.ToWorker] = Decoder(link.ToWorker)
        echo = Echo()
        while data := sock.recv(READ_BYTES):
            now = time.monotonic_ns()
            answers = [answer for message in decoder.feed(data) for answer in echo.answers(message, now)]
            sock.sendall(b"".join(map(encode, answers)))


if __name__ == "__main__":
    main(sys.argv[1])
