"""The programs of examples/ run, and end after Ctrl-C; those of docs/patterns.md print
what it shows."""

import re
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
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_ends_after_ctrl_c(path, run_python):
    """Once one of its threads runs, that one must not wait for ever."""
    end = run_python(INTERRUPTED, args=[path]).stdout.splitlines()[-1]
    assert end == "interrupted" or path.name == "tkinter_progress.py"  # which has one only
