"""Rules about the text of the sources: sizes, leftovers, what the project may mention."""

import re

import pytest

import house
from house import short

# Longer than the rule allows, and why splitting would make it worse.
LONG = {}
LIMIT = {".c": 700, ".h": 400, ".py": 700}
SOURCES = sorted({*house.CORE, *house.PUBLIC, *house.BINDINGS, *house.C_TESTS})
TEXT = {
    ".c",
    ".h",
    ".py",
    ".pyi",
    ".md",
    ".toml",
    ".cfg",
    ".mk",
    ".txt",
    ".in",
    ".supp",
    ".pml",
    "",
}


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_c_source(path):
    lines = path.read_text().split("\n")
    assert len(lines) <= LONG.get(short(path), LIMIT[path.suffix]), "too long: split it by phase"
    for number, line in enumerate(lines, 1):
        where = f"{short(path)}:{number}"
        assert not re.match(r"\s*#\s*if\s+0\b", line), f"{where}: dead code"
        assert not re.search(r"//[^\n]*;\s*$", line), f"{where}: commented-out code"
        assert line == line.rstrip() and "\t" not in line, f"{where}: blanks"


def test_no_notes_to_self():
    for path in house.tracked_files():
        if path.suffix not in TEXT or path == house.Path(__file__).resolve():
            continue
        found = re.search(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text(errors="replace"))
        assert not found, f"{short(path)}: {found.group()}"


def test_python_files_have_a_sensible_length():
    for path in house.tracked_files():
        if path.suffix == ".py":
            length = path.read_text().count("\n")
            assert length <= LONG.get(short(path), LIMIT[".py"]), f"{short(path)}: {length} lines"


def test_project_speaks_only_of_itself():
    """No path of somebody's machine in what is published."""
    private = re.compile(r"(?<![\w.$}])/(?:work|root|Users|home/\w+)/(?!\.\.\.)")
    for path in house.tracked_files():
        if path.suffix not in TEXT or path == house.Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(errors="replace").split("\n"), 1):
            assert not private.search(line), f"{short(path)}:{number}: {line.strip()}"


def test_files_named_in_comments_exist():
    names = {path.name for path in house.tracked_files()}
    libc = re.compile(
        r"^(std|pthread|errno|limits|string|time|sched|unistd|urcu|atomic_ops|Python|linux|signal)"
    )
    for path in [*house.CORE, *house.PUBLIC, *house.BINDINGS]:
        for comment in re.findall(r"/\*.*?\*/", path.read_text(), re.S):
            for name in re.findall(r"\b([\w-]+\.(?:c|h|py|md))\b", comment):
                assert name in names or libc.match(name), f"{short(path)} names {name}"
