"""The whole way on the real server: someone speaks into the studio's microphone, others read it live."""

import asyncio
import os
import socket
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, Playwright, expect

from tests.pages.conftest import launch
from tests.speech import SENTENCES, needs_apertium, needs_flite, speech, word_errors

pytestmark = [
    pytest.mark.browser,
    pytest.mark.speech,
    pytest.mark.asyncio(loop_scope="session"),
    needs_flite,
    needs_apertium,
]

SAID = SENTENCES[:2]
READY_SECONDS = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server of its own, as `stagedoor serve` starts it; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gateway.cli",
        "serve",
        "--port",
        str(port),
        "--data-dir",
        str(tmp_path / "data"),
    ]
    environment = {**os.environ, "ENVIRONMENT": "development"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_ready(address, process, tmp_path / "server.log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_ready(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Ask until a worker is warm; fail with what the server said."""
    transport = httpx.HTTPTransport(retries=5)
    with httpx.Client(transport=transport, timeout=5) as client:
        for _ in range(READY_SECONDS * 10):
            if process.poll() is not None:
                break
            try:
                if client.get(f"{address}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    raise AssertionError(f"the server was not ready in {READY_SECONDS} s:\n{log.read_text()}")


def microphone(folder: Path) -> Path:
    """A WAV file for the browser's fake microphone: the sentences, with quiet after them."""
    path = folder / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(speech(SAID) + bytes(32_000 * 20))
    return path


async def sign_in(page: Page, address: str, user: str, role: str) -> None:
    await page.goto(address)
    await page.get_by_label("User").fill(user)
    await page.get_by_label("Role").select_option(role)
    await page.locator("form[data-sign-in] button").click()
    await expect(page.locator("#identity")).to_contain_text(user)


async def read(page: Page) -> str:
    return " ".join(await page.locator("#transcript .said span").all_inner_texts())


def words(text: str) -> str:
    return " ".join("".join(c for c in text.lower() if c.isalnum() or c in " '").split())


async def test_speech_in_the_studio_is_read_in_english_and_spanish(
    server: str, playwright: Playwright, tmp_path: Path
) -> None:
    wav = await asyncio.to_thread(microphone, tmp_path)
    browser = await launch(playwright, f"--use-file-for-fake-audio-capture={wav}%noloop")
    try:
        viewers: dict[str, Page] = {}
        for lang in ("en", "es"):
            page = await (await browser.new_context()).new_page()
            await sign_in(page, server, f"viewer-{lang}", "fan")
            await page.goto(f"{server}/watch/hall?lang={lang}")
            await expect(page.locator("#state")).to_contain_text("Waiting")
            viewers[lang] = page
        await viewers["es"].get_by_role("button", name="Listen").click()
        studio = await (await browser.new_context(permissions=["microphone"])).new_page()
        await sign_in(studio, server, "speaker", "creator")
        await studio.goto(f"{server}/studio/hall")
        await studio.get_by_role("button", name="Go on air").click()
        await expect(studio.locator("#state")).to_contain_text("On air")
        await expect(viewers["en"].locator("#state")).to_contain_text("Live, speaking English")
        for page in (studio, viewers["en"]):
            await expect(page.locator("#transcript")).to_contain_text("tomorrow morning", timeout=40_000)
        await expect(viewers["es"].locator("#transcript")).to_contain_text("mañana", timeout=20_000)
        assert word_errors(" ".join(SAID), words(await read(viewers["en"]))) == 0
        assert await read(studio) == await read(viewers["en"])
        assert "ventana" in await read(viewers["es"])
        await expect(viewers["es"].locator("#dub-note")).not_to_contain_text("interrupted")
        await studio.get_by_role("button", name="End…").click()
        await studio.get_by_role("button", name="End the stream").click()
        await expect(studio.locator("#state")).to_contain_text("Ended")
        await expect(viewers["es"].locator("#state")).to_contain_text("The stream has ended")
        async with viewers["es"].expect_download() as waiting:
            await viewers["es"].get_by_role("button", name="VTT").click()
        kept = tmp_path / "kept.vtt"
        await (await waiting.value).save_as(kept)
        assert kept.read_text(encoding="utf-8").startswith("WEBVTT")
    finally:
        await browser.close()
