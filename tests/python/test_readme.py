"""What the README and the pages of docs/ show is what happens."""

import pydoc
import re
from pathlib import Path

import pytest

import sharedobj as so

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{i}")
    for page in PAGES
    for i, block in enumerate(
        re.findall(
            r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", page.read_text(encoding="utf-8"), re.S
        )
    )
]


def test_there_is_something_to_run():
    assert len(PAGES) >= 2 and len(BLOCKS) >= 10
    assert all(block.values[0][1] for block in BLOCKS)
    assert "pip install sharedobj" in README


@pytest.mark.parametrize("block", BLOCKS)
def test_page(block, tmp_path, run_python):
    code, output = block
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    done = run_python(script=tmp_path / "example.py")
    assert done.stdout == output
    assert done.stderr == ""


def test_readme_has_every_operation():
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.S))
    words = set(re.findall(r"\w+", " ".join(blocks + quoted)))
    containers = so.SharedArray, so.SharedDict, so.SharedList, so.SharedSet
    for kind in (so.AtomicInt, so.Channel, so.Queue, so.Sender, so.Receiver, *containers):
        public = {name for name in vars(kind) if not name.startswith("_")}
        assert public <= words, f"{kind.__name__}: {sorted(public - words)}"
    names = {name for name in so.__all__ if not name.startswith(("_", "Channel"))}
    assert names <= set(re.findall(r"\w+", README))


def test_links_lead_somewhere():
    for file in (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "shared/README.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_the_picture_of_the_core_names_what_exists():
    """Functions and files that shared/README.md mentions."""
    text = (ROOT / "shared/README.md").read_text(encoding="utf-8")
    sources = [*ROOT.glob("shared/**/*.[ch]"), *ROOT.glob("include/**/*.h")]
    sources += ROOT.glob("python/bindings/*.[ch]")
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    functions = set(re.findall(r"`((?:sobj_|dict_|change_)\w+)`", text))
    assert len(functions) > 10
    assert not [name for name in functions if not re.search(rf"\b{name}\(", code)]
    names = {path.name for path in sources}
    assert not [name for name in re.findall(r"\b(\w+\.[ch])\b", text) if name not in names]


def test_dir_and_help_show_what_is_public():
    """Also what is made when first asked for; and what is only used inside is not there."""
    assert [n for n in dir(so) if not n.startswith("__")] == sorted({*so.__all__} - {"__version__"})
    page = pydoc.plain(pydoc.render_doc(so))
    for name in so.__all__:
        assert getattr(so, name).__doc__
        assert name in page or name == "__version__"
