"""The bytes of the link's messages: strict both ways, bounded, and the same on every transport.

One frame is a 4-byte big-endian length, then a body: one byte that names the message, 4 bytes with the
length of the JSON head, the JSON head, and the rest as payload (audio or engine state). A head has exactly
the fields of its message; whatever else comes is a `LinkError`.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Generic, TypeVar, get_args

import orjson

from media.captions import Caption, Word
from media.link import (
    FRAME_BYTES_MAX,
    STATE_BYTES_MAX,
    Audio,
    Close,
    Committed,
    Drop,
    Ended,
    Failed,
    Final,
    Finalize,
    Finalized,
    FromWorker,
    Hello,
    Interim,
    LinkError,
    Open,
    Origin,
    Progress,
    Targets,
    Text,
    TextDone,
    ToWorker,
    Voice,
    VoiceEncoding,
    Wanted,
    Warned,
)

INTEGER_MAX = 2**53 - 1
"""What JSON carries exactly everywhere (RFC 8259, section 6)."""
TEXT_CHARS_MAX = 65_536
LANGS_MAX = 64
ITEMS_MAX = 1024
LANG_CHARS_MAX = 35
"""RFC 5646, section 4.4.1: what an implementation must at least take."""
_HEADER_BYTES = 9  # length of the body, name of the message, length of the head

Message = TypeVar("Message", ToWorker, FromWorker)
_Check = Callable[[Any], Any]


def _integer(value: Any) -> int:
    if type(value) is int and 0 <= value <= INTEGER_MAX:
        return value
    raise LinkError("expected an integer from 0 to 2**53 - 1")


def _number(value: Any) -> float:
    if type(value) in (int, float) and isfinite(value) and value >= 0:
        return float(value)
    raise LinkError("expected a finite number from 0")


def _flag(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise LinkError("expected true or false")


def _text(value: Any) -> str:
    if type(value) is str and len(value) <= TEXT_CHARS_MAX:
        return value
    raise LinkError(f"expected a text of at most {TEXT_CHARS_MAX} characters")


def _lang(value: Any) -> str:
    if type(value) is str and 0 < len(value) <= LANG_CHARS_MAX and value.isascii():
        return value
    raise LinkError("expected a language tag")


def _one_of(*choices: str) -> _Check:
    def check(value: Any) -> str:
        if type(value) is str and value in choices:
            return value
        raise LinkError(f"expected one of {', '.join(choices)}")

    return check


def _list_of(check: _Check, count_max: int) -> _Check:
    def checks(value: Any) -> tuple[Any, ...]:
        if type(value) is list and len(value) <= count_max:
            return tuple([check(item) for item in value])
        raise LinkError(f"expected a list of at most {count_max}")

    return checks


def _fields(value: Any, checks: Mapping[str, _Check]) -> dict[str, Any]:
    if type(value) is not dict or value.keys() != checks.keys():
        raise LinkError(f"expected an object with exactly {', '.join(checks)}")
    return {name: check(value[name]) for name, check in checks.items()}


def _object_of(cls: type, checks: Mapping[str, _Check]) -> _Check:
    return lambda value: cls(**_fields(value, checks))


def _wanted(value: Any) -> Wanted:
    if type(value) is dict and len(value) <= LANGS_MAX:
        return {_lang(lang): _encodings(encodings) for lang, encodings in value.items()}
    raise LinkError(f"expected at most {LANGS_MAX} languages")


_encoding = _one_of(*get_args(VoiceEncoding))
_encodings = _list_of(_encoding, len(get_args(VoiceEncoding)))
_origin = _one_of(*get_args(Origin))
_word = _object_of(Word, {"word": _text, "start": _number, "end": _number, "confidence": _number})
_words = _list_of(_word, ITEMS_MAX)
_caption = _object_of(
    Caption, {"text": _text, "start": _number, "end": _number, "words": _words, "source_text": _text}
)
_captions = _list_of(_caption, ITEMS_MAX)
_stream: dict[str, _Check] = {"stream": _integer}
_of_utterance = _stream | {"utterance": _integer, "lang": _lang}
_position = _stream | {"offset_bytes": _integer}

_CHECKS: dict[type, dict[str, _Check]] = {
    Open: _position | {"source_lang": _lang, "targets": _wanted, "utterance": _integer},
    Audio: _position,
    Targets: _stream | {"targets": _wanted},
    Text: _stream | {"number": _integer, "text": _text, "start": _number, "end": _number},
    Finalize: _stream | {"mark": _integer},
    Close: _stream,
    Drop: _stream,
    Hello: {"pid": _integer, "streams_max": _integer},
    Interim: _of_utterance | {"rev": _integer, "caption": _caption},
    Final: _of_utterance | {"captions": _captions, "origin": _origin},
    Voice: _of_utterance
    | {"block": _integer, "start": _number, "duration": _number, "sample_rate": _integer}
    | {"last": _flag, "encoding": _encoding, "origin": _origin},
    Progress: _position,
    Committed: _position | {"utterance": _integer},
    TextDone: _stream | {"number": _integer},
    Finalized: _stream | {"mark": _integer},
    Ended: _stream,
    Warned: _stream | {"code": _text, "detail": _text},
    Failed: _stream | {"reason": _text},
}
_NAMES = {cls: name for name, cls in enumerate(_CHECKS, 1)}
"""The byte that names a message. The order above is part of the format: new messages go to the end."""
_CLASSES = {name: cls for cls, name in _NAMES.items()}
_PAYLOADS = {
    Open: ("state", STATE_BYTES_MAX),
    Audio: ("pcm", FRAME_BYTES_MAX),
    Voice: ("audio", FRAME_BYTES_MAX),
    Committed: ("state", STATE_BYTES_MAX),
}
_NO_PAYLOAD = ("", 0)


def encode(message: ToWorker | FromWorker) -> bytes:
    """Return the frame of a message. Raises LinkError for one that is too large or not text in UTF-8."""
    cls = type(message)
    payload_name, payload_max = _PAYLOADS.get(cls, _NO_PAYLOAD)
    payload: bytes = getattr(message, payload_name) if payload_name else b""
    try:
        head = orjson.dumps({name: getattr(message, name) for name in _CHECKS[cls]})
    except orjson.JSONEncodeError as error:
        raise LinkError(f"{cls.__name__} cannot be written: {error}") from error
    body_bytes = 5 + len(head) + len(payload)
    if len(payload) > payload_max or body_bytes > FRAME_BYTES_MAX:
        raise LinkError(f"{cls.__name__} is too large: {len(head)} + {len(payload)} bytes")
    lengths = body_bytes.to_bytes(4, "big"), _NAMES[cls], len(head).to_bytes(4, "big")
    return b"%b%c%b%b%b" % (*lengths, head, payload)


def check(message: ToWorker | FromWorker) -> None:
    """Raise LinkError for a message that the other end would refuse: for what was made from outside words."""
    Decoder(ToWorker | FromWorker)._decode(frame := encode(message), 0, len(frame))


class Decoder(Generic[Message]):
    """Turns bytes as they arrive into messages; keeps at most one unfinished frame.

    `of` is what this peer may send: `Decoder(ToWorker)` in a worker, `Decoder(FromWorker)` in a gateway.
    """

    def __init__(self, of: Any) -> None:
        self._of = frozenset(get_args(of))
        self._kept = bytearray()
        self._wanted_bytes = 4  # of _kept, before anything can be read

    def feed(self, data: bytes) -> list[Message]:
        """Take more bytes, give the messages that are complete.

        Raises LinkError at the first frame that breaks the contract; a decoder that raised is spent.
        """
        if self._kept:
            self._kept += data
            if len(self._kept) < self._wanted_bytes:
                return []
            data = bytes(self._kept)
            self._kept.clear()
        messages: list[Message] = []
        position = 0
        self._wanted_bytes = 4
        while len(data) - position >= 4:
            body_bytes = int.from_bytes(data[position : position + 4], "big")
            if not 5 <= body_bytes <= FRAME_BYTES_MAX:
                raise LinkError(f"a frame of {body_bytes} bytes: expected 5 to {FRAME_BYTES_MAX}")
            end = position + 4 + body_bytes
            if end > len(data):
                self._wanted_bytes = end - position
                break
            messages.append(self._decode(data, position, end))
            position = end
        self._kept += memoryview(data)[position:]
        return messages

    def _decode(self, data: bytes, start: int, end: int) -> Message:
        cls = _CLASSES.get(data[start + 4])
        if cls is None or cls not in self._of:
            raise LinkError(f"message {data[start + 4]} does not come from this side")
        payload_start = start + _HEADER_BYTES + int.from_bytes(data[start + 5 : start + 9], "big")
        payload_name, payload_max = _PAYLOADS.get(cls, _NO_PAYLOAD)
        if not 0 <= end - payload_start <= payload_max:
            raise LinkError(f"{cls.__name__} cannot be read: {end - payload_start} bytes after its head")
        try:
            fields = _fields(orjson.loads(data[start + _HEADER_BYTES : payload_start]), _CHECKS[cls])
        except (orjson.JSONDecodeError, LinkError) as error:
            raise LinkError(f"{cls.__name__} cannot be read: {error}") from error
        if payload_name:
            fields[payload_name] = data[payload_start:end]
        message: Message = cls(**fields)
        return message
