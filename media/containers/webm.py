"""WebM (Matroska, RFC 9559) with Opus in it, element by element as the bytes arrive.

Made for a live recording: segment and clusters of unknown size, no index. Any division of the same bytes
gives the same packets; at most one element of the audio track is kept, everything else is passed over.
"""

from media.containers import Item, NotAudio, OpusStart, opus_start

EBML, SEGMENT, CLUSTER, TRACKS, BLOCK_GROUP = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B, 0xA0
TRACK_ENTRY, SIMPLE_BLOCK, BLOCK = 0xAE, 0xA3, 0xA1
OPENED = frozenset((SEGMENT, CLUSTER, TRACKS, BLOCK_GROUP))
"""Elements whose content is read as elements; the size of no other may be unknown."""
TRACK_NUMBER, CODEC_ID, CODEC_PRIVATE = 0xD7, 0x86, 0x63A2
ELEMENT_BYTES_MAX = 65_536
LACING = 0x06


class WebmDemuxer:
    """Gives the packets of the first Opus track."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._skip_bytes = 0
        self._begun = False
        self._track: int | None = None

    @property
    def kept_bytes(self) -> int:
        """How much is kept until more arrives."""
        return len(self._bytes)

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes; return what is complete. Raises NotAudio."""
        self._bytes += data
        items: list[Item] = []
        while self._element(items):
            pass
        return items

    def _element(self, items: list[Item]) -> bool:
        """Read one element; say whether there may be another."""
        have = self._bytes
        if self._skip_bytes:
            passed = min(self._skip_bytes, len(have))
            del have[:passed]
            self._skip_bytes -= passed
        if (header := element_header(have, 0)) is None:
            return False
        identifier, size, begin = header
        if not self._begun:
            if identifier != EBML:
                raise NotAudio("This is not WebM: it has to begin with the recording's first bytes.")
            self._begun = True
        if identifier in OPENED:
            del have[:begin]
            return True
        if size is None:
            raise NotAudio(
                f"WebM element {identifier:X} has no size; send what MediaRecorder gives, unchanged."
            )
        if identifier not in (TRACK_ENTRY, SIMPLE_BLOCK, BLOCK) or size > ELEMENT_BYTES_MAX:
            del have[:begin]
            self._skip_bytes = size
            return True
        if len(have) < begin + size:
            return False
        content = bytes(have[begin : begin + size])
        del have[: begin + size]
        if identifier == TRACK_ENTRY:
            self._entry(content, items)
        else:
            self._block(content, items)
        return True

    def _entry(self, content: bytes, items: list[Item]) -> None:
        fields = dict(children(content))
        if self._track is not None or fields.get(CODEC_ID) != b"A_OPUS":
            return
        start: OpusStart = opus_start(fields.get(CODEC_PRIVATE, b""))
        self._track = int.from_bytes(fields.get(TRACK_NUMBER, b"\x01"), "big")
        items.append(start)

    def _block(self, content: bytes, items: list[Item]) -> None:
        if self._track is None:
            raise NotAudio("This WebM has no Opus track; record with a type such as audio/webm;codecs=opus.")
        number = vint(content, 0, marker=False)
        if number is None or len(content) < number[1] + 3:
            raise NotAudio("A WebM block is too short; send what MediaRecorder gives, unchanged.")
        track, at = number
        if track != self._track:
            return
        if content[at + 2] & LACING:
            raise NotAudio("WebM blocks with lacing are not taken; send one packet in each block.")
        if packet := content[at + 3 :]:
            items.append(packet)


def children(content: bytes) -> list[tuple[int, bytes]]:
    """List the elements of a complete element. Raises NotAudio when they do not fill it."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(content):
        identifier, size, begin = element_header(content, at) or (0, None, 0)
        if size is None or begin + size > len(content):
            raise NotAudio("A WebM element is damaged; send what MediaRecorder gives, unchanged.")
        found.append((identifier, content[begin : begin + size]))
        at = begin + size
    return found


def element_header(have: bytes | bytearray, at: int) -> tuple[int, int | None, int] | None:
    """Return (identifier, size or None if unknown, where the content begins); None if incomplete."""
    if (identifier := vint(have, at, marker=True)) is None:
        return None
    if (size := vint(have, identifier[1], marker=False)) is None:
        return None
    length = size[1] - identifier[1]
    unknown = size[0] == (1 << (7 * length)) - 1
    return identifier[0], None if unknown else size[0], size[1]


def vint(have: bytes | bytearray, at: int, *, marker: bool) -> tuple[int, int] | None:
    """Return (variable-size integer, with its length marker or without; its end) (RFC 8794 section 4)."""
    if at >= len(have):
        return None
    first = have[at]
    length = 9 - first.bit_length()
    if length > (4 if marker else 8):
        raise NotAudio("This is not WebM any more; send what MediaRecorder gives, unchanged and in order.")
    if at + length > len(have):
        return None
    value = int.from_bytes(have[at : at + length], "big")
    return (value if marker else value & ((1 << (7 * length)) - 1)), at + length
