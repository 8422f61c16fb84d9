"""Recordings for tests: PCM in the containers that browsers send."""

import av
from av.audio.resampler import AudioResampler

from media.voices import frame_of


class Live:
    """A file that can only be written to its end, as a live recording is."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)


def recorded(pcm: bytes, container: str, layout: str = "mono") -> bytes:
    """Return canonical PCM as Opus in live "webm" (segment and clusters of unknown size) or "ogg"."""
    live = Live()
    options = (
        {"live": "1", "cluster_time_limit": "500"} if container == "webm" else {"page_duration": "200000"}
    )
    with av.open(live, "w", format=container, options=options) as output:
        stream = output.add_stream("libopus", rate=48_000)
        stream.layout = layout
        stream.bit_rate = 24_000
        resampler = AudioResampler(format="s16", layout=layout, rate=48_000)
        for at in range(0, len(pcm), 6400):
            frame = frame_of(pcm[at : at + 6400], 16_000)
            frame.pts = at // 2
            for made in resampler.resample(frame):
                output.mux(stream.encode(made))
        output.mux(stream.encode(None))
    return bytes(live.written)
