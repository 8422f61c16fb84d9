"""The page of calls whose other end is the test."""

import json
import re
from typing import Any

from playwright.async_api import expect

from tests.pages.company import CLIENT, Company
from tests.pages.conftest import Open
from tests.pages.stage import Stage


async def phone(
    stage: Stage, open_page: Open, user: str = "bob", role: str = "fan", *views: Any, **options: Any
) -> Company:
    """The page of `user`, who is told of the calls `views` as it connects."""
    here = json.dumps({"ok": True, "calls": list(views)})
    setting = (
        f"far.answers['call:device'] = {here}; far.answers['call:media'] = undefined;"
        "far.answers['call:signal'] = { ok: true };"
    )
    allowed = {"permissions": ["microphone", "camera"]}
    stage.serve_client(CLIENT + setting)
    page = await open_page(stage, "/calls", user, role, **(allowed | options))
    if user:
        await expect(page.locator("#state")).to_contain_text(re.compile("Ready|Can be called|In a call"))
        if role != "admin":
            await expect(page.locator("#work")).to_be_visible()
    return Company(page)
