"""The pages' own files: read once at start, named by their content, so that a copy is never stale."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER = Path(__file__).parent / "static"
MODULES = Path(__file__).parent / "modules"
"""What deploy/modules.py brings from npm; a copy of the sources may lack it."""
TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_EVER = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent."""

    body: bytes
    media_type: str
    etag: str


class StaticFiles:
    """The files of the folders under `/static/{digest}/{name}`; a folder that does not exist has none.

    One digest stands for all of them: modules import each other by relative paths, so a change in
    any of them must change the address of all. `/static/{name}` works too, and is asked for each time.
    """

    def __init__(self, *folders: Path) -> None:
        self._files = {
            path.name: _read(path, TYPES[path.suffix])
            for folder in folders or (FOLDER, MODULES)
            if folder.is_dir()
            for path in sorted(folder.iterdir())
            if path.suffix in TYPES
        }
        whole = hashlib.sha256()
        for name, file in self._files.items():
            whole.update(f"{name}:{file.etag};".encode())
        self.digest = whole.hexdigest()[:12]

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def address(self, name: str) -> str:
        """The path of `name`; KeyError where there is no such file."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"

    async def __call__(self, request: Request) -> Response:
        """Answer a GET or HEAD: the file, 304 where the client has it, 404 otherwise."""
        file = self._files.get(request.path_params["name"])
        if file is None:
            return PlainTextResponse("No such file.\n", status_code=404, headers=_headers(ASK_FIRST))
        current = request.path_params.get("digest") == self.digest
        headers = {**_headers(FOR_EVER if current else ASK_FIRST), "ETag": file.etag}
        if _has(request.headers, file.etag):
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)


def _read(path: Path, media_type: str) -> StaticFile:
    body = path.read_bytes()
    return StaticFile(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def _headers(cache_control: str) -> dict[str, str]:
    return {"Cache-Control": cache_control, "X-Content-Type-Options": "nosniff"}


def _has(headers: Headers, etag: str) -> bool:
    known = (tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(","))
    return etag in known
