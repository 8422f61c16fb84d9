"""The modules that the pages have from npm: fetched with Python alone, and only as they were meant."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.pages.files import StaticFiles

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "deploy" / "modules.py"
FILES = {"dist/plot.min.js": "plot.js", "LICENSE": "plot.LICENSE"}


@pytest.fixture
def modules() -> ModuleType:
    spec = spec_from_file_location("modules", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_all: Any) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served as a registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    serving.join()
    server.server_close()


def archive(**changed: bytes) -> bytes:
    """An npm archive; `js` is what its script says."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as tar:
        for name, content in {"dist/plot.min.js": changed.get("js", b"1"), "LICENSE": b"MIT"}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(kept.getvalue(), mtime=0)


def wanting(tmp_path: Path, content: bytes) -> Path:
    """A package.json that wants this archive."""
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    described = {
        "dependencies": {"@some/plot": "1.2.3"},
        "stagedoor": {"modules": {"@some/plot": {"integrity": integrity, "files": FILES}}},
    }
    path = tmp_path / "package.json"
    path.write_text(json.dumps(described))
    return path


def publish(folder: Path, content: bytes) -> Path:
    place = folder / "@some" / "plot" / "-"
    place.mkdir(parents=True, exist_ok=True)
    (place / "plot-1.2.3.tgz").write_bytes(content)
    return place / "plot-1.2.3.tgz"


def test_what_was_meant_is_fetched_once(
    modules: ModuleType, registry: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = registry
    package, target = wanting(tmp_path, archive()), tmp_path / "modules"
    published = publish(folder, archive())
    modules.bring(package, target, address)
    assert (target / "plot.js").read_bytes() == b"1"
    assert (target / "plot.LICENSE").read_bytes() == b"MIT"
    published.unlink()
    modules.bring(package, target, address)


def test_another_version_replaces_it_and_a_missing_file_is_brought_again(
    modules: ModuleType, registry: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = registry
    target = tmp_path / "modules"
    publish(folder, archive())
    modules.bring(wanting(tmp_path, archive()), target, address)
    (target / "plot.js").unlink()
    modules.bring(wanting(tmp_path, archive()), target, address)
    assert (target / "plot.js").read_bytes() == b"1"
    newer = archive(js=b"2")
    publish(folder, newer)
    modules.bring(wanting(tmp_path, newer), target, address)
    assert (target / "plot.js").read_bytes() == b"2"


def test_what_was_not_meant_is_not_written(
    modules: ModuleType, registry: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = registry
    publish(folder, archive(js=b"steal()"))
    with pytest.raises(modules.NotFetched, match=r"not what package\.json says"):
        modules.bring(wanting(tmp_path, archive()), tmp_path / "modules", address)
    assert not (tmp_path / "modules").exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "file:///etc", "nonsense"])
def test_no_registry_is_said_in_a_sentence(modules: ModuleType, tmp_path: Path, address: str) -> None:
    with pytest.raises(modules.NotFetched, match=r"127\.0\.0\.1|no http address"):
        modules.bring(wanting(tmp_path, archive()), tmp_path / "modules", address)


def test_the_command_fails_in_words(tmp_path: Path) -> None:
    copy = tmp_path / "deploy" / "modules.py"
    copy.parent.mkdir()
    copy.write_bytes(SCRIPT.read_bytes())
    wanting(tmp_path, archive())
    environment = {"NPM_CONFIG_REGISTRY": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, str(copy)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("A module of the pages could not be fetched: http://127.0.0.1:1/")
    assert "Traceback" not in done.stderr


def test_the_modules_that_are_named_have_a_version_and_a_licence(modules: ModuleType) -> None:
    for name, module in modules.wanted(ROOT / "package.json").items():
        assert module["version"][0].isdigit(), name
        assert module["integrity"].startswith("sha512-")
        assert "LICENSE" in module["files"]


def test_the_wheel_contains_them_though_git_ignores_them() -> None:
    assert 'artifacts = ["gateway/pages/modules/*"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/gateway/pages/modules/" in ignored


def test_a_copy_without_them_serves_the_rest(tmp_path: Path) -> None:
    (tmp_path / "own.js").write_text("1")
    files = StaticFiles(tmp_path, tmp_path / "nowhere")
    assert "own.js" in files
    assert "uplot.js" not in files


def test_the_registry_is_the_one_of_npm(
    modules: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://one.example/npm")
    assert modules.registry_of_npm() == "https://one.example/npm"
    monkeypatch.delenv("NPM_CONFIG_REGISTRY")
    (tmp_path / ".npmrc").write_text("fund=false\nregistry = https://two.example/\n")
    assert modules.registry_of_npm() == "https://two.example/"
    said = "new Definition('registry', {\n    default: 'https://three.example/',\n"
    assert modules.default_of(said) == "https://three.example/"
    with pytest.raises(modules.NotFetched, match="NPM_CONFIG_REGISTRY"):
        modules.default_of("something else")
