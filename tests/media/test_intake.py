"""What a client sends, made into canonical PCM."""

import contextlib
import functools
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.containers.ogg import CAPTURE, OggDemuxer, checksum
from media.containers.webm import WebmDemuxer
from media.intake import Intake, NotAudio
from tests.media.audio import recorded

CONTAINERS = ("webm", "ogg")


def tone(seconds: float, rate: int = 16_000, hertz: float = 440) -> bytes:
    count = int(seconds * rate)
    step = 2 * math.pi * hertz / rate
    return struct.pack(f"<{count}h", *(int(9000 * math.sin(step * n)) for n in range(count)))


@functools.cache
def recording(container: str, layout: str = "mono") -> bytes:
    return recorded(tone(1.5), container, layout)


def decoded(encoding: str, chunks: list[bytes], rate: int = 16_000) -> bytes:
    intake = Intake(encoding, rate)
    return b"".join(intake.feed(chunk) for chunk in chunks) + intake.flush()


def likeness(a: bytes, b: bytes) -> float:
    """Correlation of the middle of two recordings: 1 for the same sound at the same time."""
    x, y = (struct.unpack(f"<{12_000}h", pcm[8000:32_000]) for pcm in (a, b))
    product: int = sum(p * q for p, q in zip(x, y, strict=True))
    return product / math.hypot(*x) / math.hypot(*y)


# --- PCM ---------------------------------------------------------------------------------------------


def test_canonical_pcm_passes_through_as_the_same_object() -> None:
    payload = tone(0.1)
    intake = Intake("pcm_s16le", 16_000)
    intake.feed(payload)
    assert intake.feed(payload) is payload
    assert intake.taken_bytes == intake.given_bytes == 2 * len(payload)


def test_half_a_sample_is_refused_with_what_to_do() -> None:
    intake = Intake("pcm_s16le")
    intake.feed(bytes(640))

    with pytest.raises(NotAudio, match="641 bytes is not whole 16-bit samples"):
        intake.feed(bytes(641))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 24_000, 44_100, 48_000])
def test_other_rates_become_16_khz(rate: int) -> None:
    pcm = tone(1.5, rate)
    chunks = [pcm[at : at + 334] for at in range(0, len(pcm), 334)]
    made = decoded("pcm_s16le", chunks, rate)
    assert abs(len(made) - 48_000) < 200
    assert likeness(made, tone(1.5)) > 0.99


@given(st.lists(st.integers(1, 1000).map(lambda samples: 2 * samples), min_size=1, max_size=20))
@settings(max_examples=20, deadline=None)
def test_the_division_of_resampled_pcm_changes_nothing_but_its_rounding(sizes: list[int]) -> None:
    chunks: list[bytes] = []
    pcm, at = tone(0.5, 24_000), 0
    while at < len(pcm):
        chunks.append(pcm[at : at + sizes[len(chunks) % len(sizes)]])
        at += len(chunks[-1])
    assert decoded("pcm_s16le", chunks, 24_000) == decoded(
        "pcm_s16le", [pcm[i : i + 4800] for i in range(0, len(pcm), 4800)], 24_000
    )


def test_a_frame_longer_than_250_ms_is_refused_with_the_bound() -> None:
    intake = Intake("pcm_s16le", 16_000)
    intake.feed(bytes(8000))
    with pytest.raises(NotAudio, match=r"0\.25 s of audio is too long.*at most 8000 bytes"):
        intake.feed(bytes(8002))
    with pytest.raises(NotAudio, match="too long"):
        intake.feed_all([bytes(640), bytes(8002)])
    assert intake.taken_bytes == 8000


def test_many_messages_of_one_read_are_taken_at_once() -> None:
    intake = Intake("pcm_s16le")
    payloads = [tone(0.02) for _ in range(40)]
    assert intake.feed_all(payloads) == b"".join(payloads)
    assert intake.feed_all([payloads[0]]) is payloads[0]


@pytest.mark.parametrize(
    ("payload", "advice"),
    [
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81", "encoding=webm_opus"),
        (b"OggS\x00\x02", "encoding=ogg_opus"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "leave out its header"),
        (b"ID3\x04\x00\x00", "This is MP3"),
        (b"\xff\xfb\x90\x64" + bytes(400), "This is MP3"),
        (b"fLaC\x00\x00", "This is FLAC"),
        (b"\x00\x00\x00\x18ftypM4A ", "This is MP4"),
    ],
)
def test_a_container_in_place_of_pcm_is_named_with_what_to_do(payload: bytes, advice: str) -> None:
    with pytest.raises(NotAudio, match=advice):
        Intake("pcm_s16le").feed(payload)


def test_a_container_in_place_of_another_is_named() -> None:
    with pytest.raises(NotAudio, match="encoding=ogg_opus"):
        Intake("webm_opus").feed(recording("ogg"))
    with pytest.raises(NotAudio, match="encoding=webm_opus"):
        Intake("ogg_opus").feed(recording("webm"))


@pytest.mark.parametrize(("encoding", "rate"), [("mp3", 16_000), ("pcm_s16le", 7999), ("pcm_s16le", 96_000)])
def test_what_is_not_taken_is_refused_before_any_audio(encoding: str, rate: int) -> None:
    with pytest.raises(NotAudio, match="is not taken: use"):
        Intake(encoding, rate)


# --- Opus in containers --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_recording_is_heard_as_it_was_and_when_it_was(container: str, layout: str) -> None:
    made = decoded(f"{container}_opus", [recording(container, layout)])
    assert abs(len(made) - 48_000) < 1400
    assert likeness(made, tone(1.5)) > 0.97  # also proves that the encoder's 6.5 ms were left out


@pytest.mark.parametrize("container", CONTAINERS)
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=30))
@settings(max_examples=15, deadline=None)
def test_any_division_of_the_bytes_gives_the_same_samples(container: str, sizes: list[int]) -> None:
    chunks: list[bytes] = []
    raw, at = recording(container), 0
    while at < len(raw):
        chunks.append(raw[at : at + sizes[len(chunks) % len(sizes)]])
        at += len(chunks[-1])
    assert decoded(f"{container}_opus", chunks) == decoded(f"{container}_opus", [raw])


@pytest.mark.parametrize("container", CONTAINERS)
def test_samples_come_while_the_recording_goes_on(container: str) -> None:
    intake, raw = Intake(f"{container}_opus"), recording(container)
    assert len(intake.feed(raw[: len(raw) // 2])) > 16_000 - 4000
    assert intake.taken_bytes == len(raw) // 2


@pytest.mark.parametrize("container", CONTAINERS)
@given(junk=st.binary(max_size=400), at=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_junk_anywhere_is_refused_or_passed_over_and_never_crashes(
    container: str, junk: bytes, at: float
) -> None:
    raw = recording(container)
    place = int(at * len(raw))
    with contextlib.suppress(NotAudio):
        decoded(f"{container}_opus", [raw[:place] + junk + raw[place + len(junk) :]])


@pytest.mark.parametrize("encoding", ["webm_opus", "ogg_opus"])
@given(junk=st.binary(min_size=4, max_size=200))
@settings(max_examples=60, deadline=None)
def test_junk_alone_is_refused_or_incomplete(encoding: str, junk: bytes) -> None:
    with contextlib.suppress(NotAudio):
        assert decoded(encoding, [junk]) == b""


def test_an_endless_ogg_page_or_webm_element_is_not_kept() -> None:
    webm = WebmDemuxer()
    webm.feed(bytes.fromhex("1a45dfa3 80") + bytes.fromhex("ec 0100000040000000"))  # a void of a gigabyte
    for _ in range(100):
        webm.feed(bytes(10_000))
    assert webm.kept_bytes == 0
    with pytest.raises(NotAudio):
        OggDemuxer().feed(b"OggX" + bytes(100))


def test_a_damaged_ogg_page_is_noticed_by_its_checksum() -> None:
    raw = bytearray(recording("ogg"))
    raw[-20] ^= 1
    with pytest.raises(NotAudio, match="checksum"):
        decoded("ogg_opus", [bytes(raw)])


def page(serial: int, sequence: int, flags: int, segments: list[int], body: bytes, granule: int = 0) -> bytes:
    head = b"OggS\x00" + bytes([flags]) + granule.to_bytes(8, "little") + serial.to_bytes(4, "little")
    head += sequence.to_bytes(4, "little")
    rest = bytes([len(segments), *segments]) + body
    return head + checksum(head + bytes(4) + rest).to_bytes(4, "little") + rest


HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
BEGINNING = page(7, 0, 2, [len(HEAD)], HEAD) + page(7, 1, 0, [8], b"OpusTags")


def test_a_packet_goes_on_over_pages() -> None:
    ogg = OggDemuxer()
    ogg.feed(BEGINNING)
    packet = bytes(range(256)) * 3
    assert ogg.feed(page(7, 2, 0, [255, 255], packet[:510])) == []
    assert ogg.kept_bytes == 510
    assert ogg.feed(page(7, 3, 1, [255, 3], packet[510:])) == [packet]


def test_a_packet_whose_beginning_or_end_is_missing_is_left_out() -> None:
    ogg = OggDemuxer()
    ogg.feed(BEGINNING)
    ogg.feed(page(7, 2, 0, [255], bytes(255)))
    assert ogg.feed(page(7, 4, 1, [9, 2], bytes(9) + b"ok")) == [b"ok"]
    assert ogg.feed(page(7, 5, 0, [3], b"yes")) == [b"yes"]


def test_other_streams_in_the_ogg_are_passed_over_and_a_chained_one_begins_anew() -> None:
    ogg = OggDemuxer()
    items = ogg.feed(page(3, 0, 2, [7], b"\x80theora") + BEGINNING + page(3, 1, 0, [1], b"x"))
    assert len(items) == 1
    again = page(9, 0, 2, [len(HEAD)], HEAD) + page(9, 1, 0, [8], b"OpusTags") + page(9, 2, 0, [1], b"z")
    assert ogg.feed(again)[1:] == [b"z"]


def test_tags_with_pictures_are_not_kept() -> None:
    ogg = OggDemuxer()
    ogg.feed(page(7, 0, 2, [len(HEAD)], HEAD))
    for sequence in range(1, 200):
        ogg.feed(page(7, sequence, int(sequence > 1), [255] * 255, bytes(255 * 255)))
    assert ogg.kept_bytes == 0


def test_an_ogg_or_webm_without_opus_says_how_to_record() -> None:
    with pytest.raises(NotAudio, match="codecs=opus"):
        OggDemuxer().feed(page(3, 0, 2, [7], b"\x80theora") + page(3, 1, 0, [1], b"x"))
    vorbis = recording("webm").replace(b"A_OPUS", b"A_VORB")
    with pytest.raises(NotAudio, match="codecs=opus"):
        WebmDemuxer().feed(vorbis)


def test_surround_opus_is_refused() -> None:
    head = HEAD[:9] + b"\x06" + HEAD[10:18] + b"\x01" + bytes(8)
    with pytest.raises(NotAudio, match="6 channels"):
        OggDemuxer().feed(page(7, 0, 2, [len(head)], head))


def test_the_capture_pattern_is_what_ffmpeg_writes_and_its_checksum_is_ours() -> None:
    raw = recording("ogg")
    assert raw.startswith(CAPTURE)
    assert len(OggDemuxer().feed(raw)) > 50


# --- after a flush, and against the clock -------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_audio_goes_on_after_a_flush_at_every_rate(rate: int) -> None:
    intake = Intake("pcm_s16le", rate)
    first = intake.feed(tone(0.2, rate)) + intake.flush()
    second = intake.feed(tone(0.2, rate)) + intake.flush()
    assert len(first) == pytest.approx(6_400, abs=64)
    assert len(second) == pytest.approx(6_400, abs=64)


@pytest.mark.parametrize("container", CONTAINERS)
def test_audio_goes_on_after_a_flush_in_every_container(container: str) -> None:
    whole, half = recording(container), len(recording(container)) // 2
    intake = Intake(f"{container}_opus")
    pcm = intake.feed(whole[:half]) + intake.flush() + intake.feed(whole[half:]) + intake.flush()
    assert len(pcm) == pytest.approx(len(decoded(f"{container}_opus", [whole])), abs=640)


def test_few_bytes_that_claim_hours_of_sound_are_refused_before_they_are_decoded() -> None:
    intake = Intake("webm_opus")
    recorder = recording("webm")
    intake.feed(recorder)
    # A SimpleBlock with one Opus packet of six empty frames of 20 ms (RFC 6716, section 3.2.5).
    silence = b"\xa3\x86\x81\x00\x00\x80" + bytes([31 << 3 | 3, 6])
    with pytest.raises(NotAudio, match="few bytes"):
        intake.feed(silence * 8_000)
    assert intake.given_bytes < 200 * 32_000
