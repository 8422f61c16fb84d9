"""The adapter for OpenAI-compatible endpoints, against a local one."""

import contextlib
import email
import email.policy
import io
import socket
import threading
import wave
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from media.captions import Word
from media.engines import EngineError, EngineSettings, RecognizerEngine
from media.engines.openai import RECOGNIZER, SYNTHESIZER, TRANSLATOR, words_in

KEY = "sk-a-secret-that-is-in-no-message"


class StandIn:
    """An endpoint that answers as the API says, or with the failures that it is given."""

    def __init__(self) -> None:
        self.failures: list[int] = []
        self.asked: list[dict[str, object]] = []
        self.transcription: dict[str, object] = {"text": "hello world"}
        self.speech: tuple[bytes, str] = (b"\x01\x00" * 2400, "audio/pcm")
        routes = [
            Route("/v1/audio/transcriptions", self.transcribe, methods=["POST"]),
            Route("/v1/chat/completions", self.complete, methods=["POST"]),
            Route("/v1/audio/speech", self.speak, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def refusal(self, request: Request) -> Response | None:
        if self.failures:
            return Response(status_code=self.failures.pop(0))
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return Response(status_code=401)
        return None

    async def transcribe(self, request: Request) -> Response:
        head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
        form = email.message_from_bytes(head + await request.body(), policy=email.policy.HTTP)
        fields: dict[str, object] = {}
        for part in form.iter_parts():
            name = part.get_param("name", header="content-disposition")
            fields[str(name)] = part.get_content()
        upload = fields.pop("file")
        assert isinstance(upload, bytes)
        with wave.open(io.BytesIO(upload)) as file:
            fields["shape"] = (file.getframerate(), file.getnchannels(), file.getnframes())
        self.asked.append(fields)
        return self.refusal(request) or JSONResponse(self.transcription)

    async def complete(self, request: Request) -> Response:
        asked = await request.json()
        self.asked.append(asked)
        text = asked["messages"][1]["content"]
        answer = {"choices": [{"message": {"role": "assistant", "content": f" {text.upper()} "}}]}
        return self.refusal(request) or JSONResponse(answer)

    async def speak(self, request: Request) -> Response:
        self.asked.append(await request.json())
        return self.refusal(request) or Response(self.speech[0], media_type=self.speech[1])


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[StandIn, str]]:
    stand_in = StandIn()
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(stand_in.app, log_level="error", lifespan="off", loop="asyncio"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    with contextlib.closing(listening):
        yield stand_in, f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def endpoint(served: tuple[StandIn, str]) -> tuple[StandIn, EngineSettings]:
    stand_in, address = served
    stand_in.failures, stand_in.asked = [], []
    stand_in.transcription = {"text": "hello world"}
    stand_in.speech = (b"\x01\x00" * 2400, "audio/pcm")
    settings = EngineSettings(openai_base_url=address, openai_api_key=KEY, timeout_seconds=5)
    return stand_in, settings


Served = tuple[StandIn, EngineSettings]


async def test_an_utterance_is_sent_as_a_wave_with_what_was_said_before(endpoint: Served) -> None:
    stand_in, settings = endpoint
    stand_in.transcription = {
        "text": "Hello, world.",
        "words": [{"word": "Hello", "start": 0.1, "end": 0.4}, {"word": "world", "start": 0.5, "end": 0.9}],
    }
    recognizer = RECOGNIZER.create(settings, "en-US")
    recognizer.start(b"good morning")
    recognizer.feed(bytes(16_000))
    recognizer.feed(bytes(16_000))
    assert recognizer.partial() == ()
    assert await recognizer.finish() == (Word("Hello,", 0.1, 0.4, 1.0), Word("world.", 0.5, 0.9, 1.0))
    (asked,) = stand_in.asked
    assert asked["shape"] == (16_000, 1, 16_000)
    assert (asked["language"], asked["prompt"]) == ("en", "good morning")
    assert asked["response_format"] == "verbose_json"
    assert recognizer.state() == b"good morning Hello, world."
    await recognizer.aclose()


async def test_without_word_times_the_words_share_the_utterance(endpoint: Served) -> None:
    recognizer = RECOGNIZER.create(endpoint[1], "en")
    recognizer.start(b"")
    recognizer.feed(bytes(64_000))
    words = await recognizer.finish()
    assert [word.word for word in words] == ["hello", "world"]
    assert (words[0].start, words[-1].end) == (0.0, 2.0)
    await recognizer.aclose()


async def test_a_chat_model_translates_and_is_told_from_what_to_what(endpoint: Served) -> None:
    stand_in, settings = endpoint
    translator = TRANSLATOR.create(settings)
    assert await translator.translate("buenos días", "es", "en") == "BUENOS DÍAS"
    (asked,) = stand_in.asked
    assert "from es to en" in str(asked["messages"])
    assert not translator.interims
    await translator.aclose()


async def test_speech_is_24_khz_pcm(endpoint: Served) -> None:
    synthesizer = SYNTHESIZER.create(endpoint[1])
    speech = await synthesizer.speak("hello", "en")
    assert (len(speech.pcm), speech.sample_rate) == (4800, 24_000)
    assert endpoint[0].asked[0]["response_format"] == "pcm"
    endpoint[0].speech = (b"RIFF" + bytes(100), "audio/wav")
    with pytest.raises(EngineError, match="something else than 24 kHz PCM"):
        await synthesizer.speak("hello", "en")
    await synthesizer.aclose()


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_failure_that_may_pass_is_tried_once_more(endpoint: Served, status: int) -> None:
    stand_in, settings = endpoint
    translator = TRANSLATOR.create(settings)
    stand_in.failures = [status]
    assert await translator.translate("hi", "en", "es") == "HI"
    stand_in.failures = [status, status]
    with pytest.raises(EngineError, match=str(status)):
        await translator.translate("hi", "en", "es")
    assert len(stand_in.asked) == 4
    await translator.aclose()


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "OPENAI_API_KEY"), (404, "OPENAI_BASE_URL"), (400, "400")]
)
async def test_a_failure_that_stays_is_explained_at_once_without_the_key(
    endpoint: Served, status: int, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in, settings = endpoint
    stand_in.failures = [status]
    translator = TRANSLATOR.create(settings)
    with caplog.at_level("DEBUG"), pytest.raises(EngineError, match=advice) as raised:
        await translator.translate("hi", "en", "es")
    assert len(stand_in.asked) == 1
    assert KEY not in str(raised.value) + caplog.text + repr(settings)
    await translator.aclose()


async def test_nobody_listening_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    translator = TRANSLATOR.create(EngineSettings(openai_base_url=f"http://127.0.0.1:{port}/v1"))
    with pytest.raises(EngineError, match="cannot be reached"):
        await translator.translate("hi", "en", "es")
    await translator.aclose()


@pytest.mark.parametrize("answer", [{}, {"text": 5}, {"text": None}, {"words": []}])
async def test_an_answer_that_is_not_the_apis_is_an_engine_error(
    endpoint: Served, answer: dict[str, object]
) -> None:
    endpoint[0].transcription = answer
    recognizer = RECOGNIZER.create(endpoint[1], "en")
    recognizer.start(b"")
    with pytest.raises(EngineError, match="something else than the API says"):
        await recognizer.finish()
    await recognizer.aclose()


@pytest.mark.parametrize("words", [[{"word": "x"}], [5], {"a": 1}, [{"word": "a", "start": "x", "end": 1}]])
def test_word_times_that_make_no_sense_are_left_out(words: object) -> None:
    request = httpx.Request("POST", "http://stand.in/")
    answer = httpx.Response(200, json={"text": "one two", "words": words}, request=request)
    assert [word.word for word in words_in(answer, 1.0)] == ["one", "two"]


def test_without_an_address_it_says_what_to_set() -> None:
    engines = (RECOGNIZER, TRANSLATOR, SYNTHESIZER)
    assert all("set OPENAI_BASE_URL" in str(e.unavailable(EngineSettings())) for e in engines)
    assert "https://" in str(RECOGNIZER.unavailable(EngineSettings(openai_base_url="example.org/v1")))
    assert RECOGNIZER.unavailable(EngineSettings(openai_base_url="http://x/v1")) is None
    assert isinstance(RECOGNIZER, RecognizerEngine)


def test_the_languages_it_is_trusted_with_are_a_setting() -> None:
    settings = EngineSettings(openai_languages=("en", "he"))
    assert TRANSLATOR.pairs(settings) == [("en", "he"), ("he", "en")]
    assert TRANSLATOR.serves(settings, "he-IL", "en")
    assert not TRANSLATOR.serves(settings, "fr", "en")
    assert RECOGNIZER.serves(settings, "he", "he")
    assert SYNTHESIZER.serves(EngineSettings(), "fr", "fr")
