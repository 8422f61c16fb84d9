"""Ogg (RFC 3533) with Opus in it (RFC 7845), page by page as the bytes arrive.

Any division of the same bytes gives the same packets; at most one page and one packet are kept.
"""

from media.containers import Item, NotAudio, OpusStart, opus_start

CAPTURE = b"OggS"
HEADER_BYTES = 27
PACKET_BYTES_MAX = 61_440  # the longest Opus packet that RFC 7845 section 6 asks decoders to take
CONTINUED, BEGINS = 0x01, 0x02
POLYNOMIAL = 0x04C11DB7
SENTENCE = "Ogg pages cannot be followed any more: {}; send the file's bytes unchanged and in order."


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        remainder = byte << 24
        for _ in range(8):
            remainder = (remainder << 1) ^ (POLYNOMIAL if remainder & 0x80000000 else 0)
        table.append(remainder & 0xFFFFFFFF)
    return tuple(table)


TABLE = _table()


def checksum(page: bytes) -> int:
    """Return the CRC of a page whose own checksum field is zero (RFC 3533 section 6)."""
    crc = 0
    for byte in page:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ TABLE[(crc >> 24) ^ byte]
    return crc


class OggDemuxer:
    """Gives the first Opus stream's packets, and those of streams chained to it; others are passed over."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._serial: int | None = None
        self._sequence = 0
        self._partial = bytearray()
        self._is_partial = False
        self._expected = "head"

    @property
    def kept_bytes(self) -> int:
        """How much is kept until more arrives."""
        return len(self._bytes) + len(self._partial)

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes; return what is complete. Raises NotAudio."""
        self._bytes += data
        items: list[Item] = []
        while (page := self._page()) is not None:
            self._read(page, items)
        return items

    def _page(self) -> bytes | None:
        have = self._bytes
        if have[:4] != CAPTURE[: len(have)]:
            raise NotAudio(SENTENCE.format(f"{bytes(have[:4]).hex(' ')} stands where OggS has to"))
        if len(have) < HEADER_BYTES or len(have) < (lacing_end := HEADER_BYTES + have[26]):
            return None
        size = lacing_end + sum(have[HEADER_BYTES:lacing_end])
        if len(have) < size:
            return None
        page = bytes(have[:size])
        del have[:size]
        if page[4] != 0:
            raise NotAudio(f"Ogg version {page[4]} is not known; send Ogg Opus (RFC 7845).")
        if checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            raise NotAudio(SENTENCE.format("a page's checksum is wrong"))
        return page

    def _read(self, page: bytes, items: list[Item]) -> None:
        flags = page[5]
        serial = int.from_bytes(page[14:18], "little")
        sequence = int.from_bytes(page[18:22], "little")
        begin = HEADER_BYTES + page[26]
        if flags & BEGINS:
            if self._expected == "audio" or self._serial is None:
                if page[begin : begin + 8] != b"OpusHead":
                    return  # another kind of stream, multiplexed with the one that is wanted
                self._serial, self._expected, self._is_partial = serial, "head", False
                self._partial.clear()
        elif self._serial is None:
            raise NotAudio("This Ogg has no Opus in it; record with a type such as audio/ogg;codecs=opus.")
        elif serial == self._serial and sequence != self._sequence:
            self._partial.clear()  # a page is missing: what it continued cannot be completed
            self._is_partial = False
        if serial != self._serial:
            return
        self._sequence = (sequence + 1) & 0xFFFFFFFF
        self._packets(page, begin, continued=bool(flags & CONTINUED), items=items)

    def _packets(self, page: bytes, begin: int, *, continued: bool, items: list[Item]) -> None:
        if not continued:
            self._partial.clear()
        skipping = continued and not self._is_partial  # the rest of a packet whose beginning is missing
        at = begin
        for length in page[HEADER_BYTES:begin]:
            if not skipping:
                self._collect(page[at : at + length])
            at += length
            self._is_partial = length == 255
            if length < 255:
                if not skipping:
                    self._packet(bytes(self._partial), items)
                skipping = False
                self._partial.clear()
        if skipping:
            self._is_partial = False

    def _collect(self, part: bytes) -> None:
        if self._expected == "tags":  # may hold pictures, and nothing of it is wanted
            return
        if len(self._partial) + len(part) > PACKET_BYTES_MAX:
            raise NotAudio(f"An Opus packet of more than {PACKET_BYTES_MAX} bytes is not taken.")
        self._partial += part

    def _packet(self, packet: bytes, items: list[Item]) -> None:
        match self._expected:
            case "head":
                start: OpusStart = opus_start(packet)
                items.append(start)
                self._expected = "tags"
            case "tags":
                self._expected = "audio"
            case _:
                if packet:
                    items.append(packet)
