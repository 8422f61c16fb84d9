"""Ready-made frames of captions and voices: encoded once, whatever the audience."""

import orjson

from gateway.wire.frames import binary_frame, text_frame
from media.captions import Caption
from media.link import Voice


def subtitle(
    segment_id: str, rev: int, offset: int, caption: Caption, lang: str, source_lang: str, *, is_final: bool
) -> bytes:
    """Return a `subtitle` message (see `sessions.messages.Subtitle`) as one frame."""
    return text_frame(
        orjson.dumps(
            {
                "type": "subtitle",
                "segment_id": segment_id,
                "rev": rev,
                "offset": offset,
                "is_final": is_final,
                "text": caption.text,
                "lang": lang,
                "source_text": caption.source_text,
                "source_lang": source_lang,
                "start": round(caption.start, 3),
                "end": round(caption.end, 3),
                "words": caption.words,
            }
        )
    )


def dub_audio(segment_id: str, voice: Voice) -> bytes:
    """Return a `dub_audio` message and the binary message with its audio, as two frames."""
    head = {
        "type": "dub_audio",
        "segment_id": segment_id,
        "lang": voice.lang,
        "start": round(voice.start, 3),
        "duration": round(voice.duration, 3),
        "sample_rate": voice.sample_rate,
        "encoding": voice.encoding,
        "last": voice.last,
    }
    return text_frame(orjson.dumps(head)) + binary_frame(voice.audio)
