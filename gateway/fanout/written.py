"""Captions that come as text: which segment each belongs to, and whether it says anything new.

Invariant: revisions of a segment only grow, and after its final nothing of it passes any more.
"""

from collections import OrderedDict

SEGMENTS_MAX = 1000
"""Remembered of one stream, finals and interims each; the oldest go first."""


class Written:
    """The segments of one stream; a caption without an id belongs to the next final."""

    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._count = 0
        self._revs: OrderedDict[str, int] = OrderedDict()
        self._finals: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._revs) + len(self._finals)

    def interim(self, segment_id: str | None) -> tuple[str, int] | None:
        """Return the segment and revision of an interim; None when its final is out."""
        segment_id = segment_id or self._next_id()
        if segment_id in self._finals:
            return None
        rev = self._revs.pop(segment_id, 0) + 1
        self._revs[segment_id] = rev
        if len(self._revs) > SEGMENTS_MAX:
            self._revs.popitem(last=False)
        return segment_id, rev

    def final(self, segment_id: str | None) -> tuple[str, int] | None:
        """Return the segment and revision of a final; None when it is a repetition."""
        segment_id = segment_id or self._next_id()
        if segment_id in self._finals:
            return None
        self._count += 1
        self._finals[segment_id] = None
        if len(self._finals) > SEGMENTS_MAX:
            self._finals.popitem(last=False)
        return segment_id, self._revs.pop(segment_id, 0) + 1

    def _next_id(self) -> str:
        return f"{self._stream_id}.t{self._count}"
