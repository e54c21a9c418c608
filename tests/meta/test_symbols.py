"""What the object files say: one exported symbol, no stray mutable state."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import house
import sharedobj._sharedobj

# Mutable statics of the core outside runtime.c, and why they may be there.
STATICS = {}
# Thread-locals are not shared; but each costs a slot in the static block of every program.
THREAD_LOCALS = {
    "sobj__thread_tls": "the thread's record, found in every operation",
}
# Tables that CPython wants writable, by the ends of their names.
TABLES = re.compile(
    r"(?:_|^)(?:methods|members|getset|slots|spec|specs|module|module_def|kwlist|fields|desc)$"
)
# The linker's own, in every shared object.
LINKER = {"__dso_handle", "__TMC_END__", "_DYNAMIC", "_GLOBAL_OFFSET_TABLE_", "completed"}

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF with binutils")


def symbols(path):
    """(name, section) of everything in the symbol table, thread-locals included."""
    done = house.run("nm", "--format=sysv", "--defined-only", path, check=True)
    for line in done.stdout.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7:
            yield re.sub(r"\.\d+$", "", fields[0]), fields[3], fields[6]


def writable(path):
    """Names of variables that can be written after loading; .data.rel.ro cannot."""
    return {
        name
        for name, kind, section in symbols(path)
        if kind != "TLS" and re.match(r"\.(data(?!\.rel\.ro)|bss)|\*COM\*", section)
    }


def thread_locals(path):
    return {name for name, kind, section in symbols(path) if re.match(r"\.t(data|bss)", section)}


@pytest.fixture(scope="module")
def core_objects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("core")
    sources = [path for path in house.CORE if path.suffix == ".c"]

    def build(source):
        target = folder / f"{source.stem}.o"
        flags = [*house.FLAGS, *house.library_flags(), "-O2", "-fPIC"]
        done = house.run(house.compiler(), *flags, "-c", source, "-o", target)
        assert done.returncode == 0, done.stderr
        return target

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(build, sources))


@linux
def test_one_exported_symbol():
    done = house.run("nm", "-D", "--defined-only", sharedobj._sharedobj.__file__, check=True)
    exported = [line.split()[-1] for line in done.stdout.splitlines()]
    assert exported == ["PyInit__sharedobj"]


@linux
def test_core_wants_nothing_of_python(core_objects):
    for path in core_objects:
        wanted = house.run("nm", "-u", path, check=True).stdout.split()
        assert not [name for name in wanted if re.match(r"_?Py", name)], path.name


@linux
def test_core_keeps_its_state_in_runtime(core_objects):
    stray = {path.name: writable(path) - set(STATICS) for path in core_objects}
    stray.pop("runtime.o", None)
    assert not {name: found for name, found in stray.items() if found}


@linux
def test_thread_locals_are_known(core_objects):
    found = set().union(*(thread_locals(path) for path in core_objects))
    assert found <= set(THREAD_LOCALS)
    assert not thread_locals(sharedobj._sharedobj.__file__) - set(THREAD_LOCALS)


@linux
def test_allow_lists_are_not_stale(core_objects):
    present = set().union(*(writable(path) | thread_locals(path) for path in core_objects))
    assert set(STATICS) | set(THREAD_LOCALS) <= present


@linux
def test_bindings_have_tables_only(core_objects):
    """Whatever is writable in the module and not the core's is a table that CPython asks for."""
    of_core = set().union(*(writable(path) for path in core_objects))
    found = writable(sharedobj._sharedobj.__file__) - of_core - LINKER
    assert not {name for name in found if not TABLES.search(name)}
