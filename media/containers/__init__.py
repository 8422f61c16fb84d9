"""Incremental demuxers for what browsers send: bytes in, Opus packets out, however the bytes are divided."""

from dataclasses import dataclass


class NotAudio(Exception):
    """These bytes are not the audio that was announced; the message says what to do."""


@dataclass(frozen=True, slots=True)
class OpusStart:
    """A new Opus stream begins: its OpusHead (RFC 7845 section 5.1), checked.

    The decoder is given the head and leaves out the pre-skip that it names.
    """

    head: bytes
    channels: int


Item = OpusStart | bytes
"""What a demuxer gives: the start of a stream, or one Opus packet of it."""


def opus_start(head: bytes) -> OpusStart:
    """Read an OpusHead. Raises NotAudio for one that cannot be decoded as one or two channels."""
    if len(head) < 19 or head[:8] != b"OpusHead" or head[8] & 0xF0:
        raise NotAudio("The Opus stream does not begin with an OpusHead of version 1 (RFC 7845).")
    channels, family = head[9], head[18]
    if family != 0 or channels not in (1, 2):
        raise NotAudio(f"Opus with {channels} channels (mapping {family}) is not taken: send mono or stereo.")
    return OpusStart(bytes(head), channels)
