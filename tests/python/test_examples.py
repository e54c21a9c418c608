"""The programs of examples/ print what docs/patterns.md shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = (ROOT / "docs/patterns.md").read_text(encoding="utf-8")
SHOWN = re.findall(
    r"^\[(\w+\.py)\]\(\.\./examples/\1\)(?:(?!\n## ).)*?```text\n(.*?)```", PAGE, re.M | re.S
)


def test_the_page_shows_every_example_once():
    assert sorted(name for name, _ in SHOWN) == [path.name for path in EXAMPLES]
    overview = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[(\w+\.py)\]\(\1\)", overview, re.M)) == sorted(dict(SHOWN))


def test_the_page_leads_to_its_sections():
    sections = {name.lower().replace(" ", "-") for name in re.findall(r"^## (.+)$", PAGE, re.M)}
    links = set(re.findall(r"\]\(#([\w-]+)\)", PAGE))
    assert links and links <= sections


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path, run_python):
    done = run_python(script=path)
    assert done.stdout == dict(SHOWN)[path.name]
    assert done.stderr == ""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_says_what_it_shows(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""') and len(text.splitlines()) <= 60
