"""The Spin models and the code that they model name the same things."""

import re

import pytest

from house import CORE, ROOT, short

MODELS = sorted(ROOT.glob("tests/model/*.pml"))
SCENE = re.compile(r"^#define (\w+) (\d+) +/\* (?:long )?scene: ", re.M)
MUTANT = re.compile(r"^#define (\w+) (\d+) +/\* mutant of (\w+): ([A-Z]\d): ", re.M)
ANY_MUTANT = re.compile(r"^#define (\w+) \d+ +/\* mutant ", re.M)


def comments(text):
    return re.findall(r"/\*.*?\*/", text, re.S)


def head(text):
    """The paragraph that says what is modelled."""
    return next(c for c in comments(text) if "SPDX" not in c).split("\n *\n")[0]


def invariants(text):
    """The numbers in a text: `T1 to T5` is five."""
    return {
        letter + str(number)
        for letter, first, last in re.findall(r"\b([A-Z])(\d)(?: to \1(\d))?\b", text)
        for number in range(int(first), int(last or first) + 1)
    }


@pytest.mark.parametrize("path", MODELS, ids=short)
def test_functions_that_a_model_names_exist(path):
    code = "\n".join(source.read_text() for source in CORE)
    for comment in comments(path.read_text()):
        for name in re.findall(r"\b(\w+)\(\)", comment):
            assert re.search(rf"\b{name}\(", code), f"{name}() is not in shared/"


@pytest.mark.parametrize("path", MODELS, ids=short)
def test_each_invariant_of_a_model_is_stated_and_has_a_mutant(path):
    text = path.read_text()
    claimed = invariants(head(text))
    files = [ROOT / name for name in re.findall(r"\bshared/\w+\.[ch]\b", head(text))]
    stated = {
        name for file in files for name in re.findall(r"^ \*   ([A-Z]\d)  ", file.read_text(), re.M)
    }
    assert claimed and claimed <= stated
    assert claimed <= {invariant for _, _, _, invariant in MUTANT.findall(text)}


@pytest.mark.parametrize("path", MODELS, ids=short)
def test_each_scene_and_mutant_is_one(path):
    text = path.read_text()
    scenes, mutants = SCENE.findall(text), MUTANT.findall(text)
    assert [name for name, *_ in mutants] == ANY_MUTANT.findall(text), "say the invariant"
    for kind, names in ("SCENE", scenes), ("MUTANT", mutants):
        assert [int(number) for _, number, *_ in names] == list(range(1, len(names) + 1))
        for name, *_ in names:
            assert re.search(rf"\b{kind} [!=>]= {name}\b", text), f"{name} changes nothing"
    assert {scene for _, _, scene, _ in mutants} <= {name for name, _ in scenes}
