"""What every Python test shares."""

import gc
import importlib
import platform
import subprocess
import sys
import sysconfig
import textwrap
import time
import types
from pathlib import Path

import pytest

import sharedobj
from sharedobj import _sharedobj

sys.path.insert(0, str(Path(__file__).parent / "support"))


def pytest_report_header():
    kind = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with the GIL"
    return [
        f"interpreter: {platform.python_version()} {kind}, {platform.python_compiler()}",
        f"sharedobj: {sharedobj.__file__}",
    ]


def pytest_configure():
    """Brings about what would disturb the balance later."""
    sharedobj.registry  # made when first asked for; it stays  # noqa: B018
    if sys.version_info[:2] == (3, 13) and sysconfig.get_config_var("Py_GIL_DISABLED"):
        # This one makes every function immortal once a thread has been started, and with it
        # all that a closure refers to. Its own test suite has a switch for that.
        import _testinternalcapi

        _testinternalcapi.suppress_immortalization(True)


def pytest_collection_finish():
    """What there is before the first test stays: live() need not walk through it."""
    gc.collect()
    gc.freeze()


def live():
    """What is alive in the whole process when nothing runs."""
    gc.collect()
    sharedobj.collect()
    counts = _sharedobj._counts()
    return {name: counts[name] for name in ("objects", "blobs", "nodes", "tickets")}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.stash[passed] = report.passed
    return report


passed = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
def balance(request):
    """After each test no more cores, blobs, nodes and tickets are alive than before it."""
    before = live()
    yield
    if not request.node.stash.get(passed, False):
        return  # a traceback may hold anything
    # A thread frees what it has let go of when the system ends it, which on some versions
    # is after join() has returned, and tells nobody.
    give_up = time.monotonic() + 60
    while True:
        after = live()
        if all(0 <= after[name] <= before[name] for name in before):
            return  # less, when a failed test's traceback has gone
        if time.monotonic() > give_up:
            break
        time.sleep(0.01)
    pytest.fail(f"not balanced: {before} before the test, {after} after it")


@pytest.fixture
def run_python():
    """Runs a program in a process of its own; fails unless it ends as expected."""

    def run(code="", *, script=None, args=(), expected=0, **options):
        program = ["-c", code] if script is None else [script]
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", *map(str, [*program, *args])],
            capture_output=True,
            text=True,
            timeout=240,
            **options,
        )
        assert done.returncode == expected, (
            f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    return run


def make_module(name, code, folder=None, **others):
    """A module, entered in sys.modules; from a file if there is a folder."""
    code = textwrap.dedent(code)
    if folder is not None:
        (folder / f"{name}.py").write_text(code)
        importlib.invalidate_caches()
        return importlib.import_module(name)
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(code, name, "exec", dont_inherit=True), module.__dict__)
    module.__dict__.update(others)
    return module


@pytest.fixture
def modules(monkeypatch, tmp_path):
    """make_module for this test: what it makes goes again."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield lambda name, code, file=False, **others: make_module(
        name, code, tmp_path if file else None, **others
    )
    sharedobj.set_importable(None)
    for name in set(sys.modules) - before:
        del sys.modules[name]
