"""Who may include whom, and where Python's names may appear."""

import re

import pytest

import house
from house import short

# Py..., _Py... and CPython's type names as a C token; words of English do not look like this.
PYTHON_NAME = re.compile(r"\b_?Py(?:_|[A-Z])\w*|\bpycore_\w+|\bPY_[A-Z]\w+")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
PRIVATE = re.compile(r"\b_Py_?[A-Z]\w+|\bPy_BUILD_CORE\w*|\bpycore_\w+|internal/pycore")
# Where private names of CPython are used, and what for.
PRIVATE_FILES = {
    "crossinterp.c": "the roads between interpreters have no public functions",
    "immortal_object.c": "objects are laid out by hand, which depends on every field",
}
# _Py names that the public headers themselves tell users to write.
PUBLIC_UNDERSCORE = {"_PyObject_CAST", "_Py_CAST", "_Py_STATIC_CAST"}


def includes(path):
    return [m.group(1) for line in house.code_of(path) if (m := INCLUDE.match(line))]


def level_of(path):
    """L0 to L4, from the first line of the file's head comment."""
    if path.parent.name == "platform":
        return 0
    match = re.search(r"^/\* L([0-4]): ", path.read_text()[:400], re.M)
    assert match, f"{short(path)}: the head comment must start with its layer, as in '/* L1: ...'"
    return int(match.group(1))


@pytest.mark.parametrize(
    "path", [path for path in house.CORE + house.PUBLIC if path != house.PYTHON_HEADER], ids=short
)
def test_no_python_in_the_core(path):
    assert not [name for name in includes(path) if "Python" in name]
    for number, line in enumerate(house.code_of(path), 1):
        assert not PYTHON_NAME.search(line), f"{short(path)}:{number}: {line.strip()}"


@pytest.mark.parametrize("path", house.CORE, ids=short)
def test_layers_go_downward(path):
    for name in includes(path):
        header = house.ROOT / "shared" / name
        if not header.exists():
            continue
        assert level_of(header) <= level_of(path), (
            f"{short(path)} includes {name} of a higher layer"
        )


@pytest.mark.parametrize("path", house.PUBLIC, ids=short)
def test_public_headers_stand_alone(path):
    """They include each other and libc; atomics and the core's headers stay out of sight."""
    for name in includes(path):
        if name.startswith("sharedobj/"):
            assert (house.ROOT / "include" / name).exists(), name
        else:
            assert name == "Python.h" or re.fullmatch(
                r"(std(?!atomic)\w+|string|time|limits)\.h", name
            ), name


@pytest.mark.parametrize("path", house.BINDINGS, ids=short)
def test_bindings_see_only_the_public_headers(path):
    own = {header.name for header in house.BINDINGS}
    for name in includes(path):
        assert (
            name.startswith("sharedobj/")
            or name in own
            or not (house.ROOT / "shared" / name).exists()
        ), f"{short(path)} includes {name} of the core"


@pytest.mark.parametrize(
    "path", [path for path in house.BINDINGS if path.name not in PRIVATE_FILES], ids=short
)
def test_private_cpython_names_live_in_few_files(path):
    for number, line in enumerate(house.code_of(path), 1):
        private = set(PRIVATE.findall(line)) - PUBLIC_UNDERSCORE
        assert not private, f"{short(path)}:{number}: {', '.join(sorted(private))}"


def test_core_compiles_without_python():
    sources = [path for path in house.CORE if path.suffix == ".c"]
    done = house.run(
        house.compiler(), *house.FLAGS, *house.library_flags(), "-Werror", "-fsyntax-only", *sources
    )
    assert done.returncode == 0, done.stderr
