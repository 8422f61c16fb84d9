"""The Markdown pages hold together: links lead somewhere, names exist, and none tells of a machine."""

import re
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from gateway.cli import cli
from gateway.settings import Settings
from tests.docs.markdown import DOCS, README, ROOT, anchors, blocks, code, links, pages, prose, rows, text_of

MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root|tmp|home|Users|mnt)/")
OF_OTHERS = {"TOKEN", "ARGS", "FIN"}
"""Names in capitals that are no setting and no error code: of the shell, of make, of a protocol."""

each_page = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), target
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@each_page
def test_no_page_names_a_place_on_a_machine(page: Path) -> None:
    assert MACHINE_PATHS.findall(text_of(page)) == []


@each_page
def test_every_setting_and_error_code_that_is_named_exists(page: Path) -> None:
    table = rows(DOCS / "protocol.md", "Code", "Socket", "HTTP", "Meaning, and what to do")
    known = {name.upper() for name in Settings.model_fields} | {code(row[0]) for row in table} | OF_OTHERS

    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", prose(page)))
    assert named - known == set()


def test_the_tree_in_the_architecture_is_the_one_that_exists() -> None:
    (tree,) = [block.text for block in blocks(DOCS / "architecture.md", "text")]
    folder = ""
    named = set()
    for line in tree.splitlines():
        indent, name = line[: len(line) - len(line.lstrip())], line.split()[0]
        if not indent:
            folder = name
        path = ROOT / (name if not indent else folder + name)
        assert path.is_dir() if name.endswith("/") else path.is_file(), line
        named.add(path)

    packages = {path.parent for path in ROOT.glob("*/__init__.py")}
    nested = {path.parent for package in packages for path in package.glob("*/__init__.py")}
    assert packages | {path for path in nested if path.parent.name != "tests"} <= named


@each_page
def test_every_module_that_is_named_exists(page: Path) -> None:
    folders = "auth|bench|deploy|docs|gateway|media|sessions|tests"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", prose(page)):
        assert (ROOT / name).exists(), name


def test_the_readme_has_the_commands_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = set(re.findall(r"\bmake ([a-z]+)", "".join(block.text for block in blocks(README, "sh"))))

    assert used <= targets
    assert {"run", "test", "check"} <= used


@each_page
def test_every_stagedoor_command_that_is_shown_exists(page: Path) -> None:
    program = typer.main.get_command(cli)
    assert isinstance(program, TyperGroup)
    context = program.make_context("stagedoor", ["engines"])
    shown = r"(?<![\w/-])(?:\S*bin/)?stagedoor (?!stagedoor)(\w+)([^\n#|)]*)"
    for block in blocks(page, "sh"):
        for name, rest in re.findall(shown, block.text):
            command = program.get_command(context, name)
            assert command is not None, name
            if isinstance(command, TyperGroup):  # `bench fanout` is `bench run fanout`
                words = [word for word in rest.split() if word in command.commands]
                command = command.commands[words[0] if words else "run"]
            options = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"--[a-z-]+", rest)) <= options, f"{name}{rest}"


def test_the_changelog_has_a_part_for_what_is_not_released() -> None:
    headings = re.findall(r"^## (.+)$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)

    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])
