"""The programs of examples/ run, and end after Ctrl-C; those of docs/patterns.md print
what it shows."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = (ROOT / "docs/patterns.md").read_text(encoding="utf-8")
SHOWN = re.findall(
    r"^\[(\w+\.py)\]\(\.\./examples/\1\)(?:(?!\n## ).)*?```text\n(.*?)```", PAGE, re.M | re.S
)


def test_the_pages_name_what_there_is():
    names = [name for name, _ in SHOWN]
    assert len(set(names)) == len(names) >= 8
    overview = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+\.py)\]\(\1\)", overview, re.M)
    assert sorted(listed) == [path.name for path in EXAMPLES]
    assert set(names) <= set(listed)


def test_the_page_leads_to_its_sections():
    sections = {name.lower().replace(" ", "-") for name in re.findall(r"^## (.+)$", PAGE, re.M)}
    links = set(re.findall(r"\]\(#([\w-]+)\)", PAGE))
    assert links and links <= sections


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path, run_python):
    done = run_python(script=path)
    assert done.stdout == dict(SHOWN).get(path.name, done.stdout) != ""
    assert done.stderr == ""
    assert path.read_text(encoding="utf-8").startswith('"""')


INTERRUPTED = """
import runpy, sys, threading

start = threading.Thread.start

def start_one(thread):
    if threading.active_count() > 1:
        raise KeyboardInterrupt
    start(thread)

threading.Thread.start = start_one
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_ends_after_ctrl_c(path, run_python):
    """Once one of its threads runs, that one must not wait for ever."""
    end = run_python(INTERRUPTED, args=[path]).stdout.splitlines()[-1]
    assert end == "interrupted" or path.name == "tkinter_progress.py"  # which has one only


@pytest.fixture
def display():
    """The number of a display of our own, as DISPLAY has it."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("no Xvfb here")
    pytest.importorskip("tkinter")
    read, write = os.pipe()
    command = [program, "-displayfd", str(write), "-screen", "0", "800x600x24"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as number:
            yield ":" + number.readline().strip()
    finally:
        server.terminate()
        server.wait()


CANCELLED = """
import runpy, sys, tkinter

class Window(tkinter.Tk):
    def createfilehandler(self, file, mask, ready):
        def first(*args):
            ready(*args)
            self.after_idle(self.destroy_by_hand)
        self.tk.createfilehandler(file, mask, first)

    def destroy_by_hand(self):
        self.tk.call(*self.tk.splitlist(self.protocol("WM_DELETE_WINDOW")))

tkinter.Tk = Window
sys.argv = [sys.argv[1], "100000000"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_window(display, run_python):
    script = ROOT / "examples/tkinter_progress.py"
    env = {**os.environ, "DISPLAY": display}
    assert run_python(script=script, args=[20_000], env=env).stdout == "2,262 found\n"
    # Closed by its user it ends at once, though the work would take hours.
    assert run_python(CANCELLED, args=[script], env=env).stdout.endswith(" found\n")
