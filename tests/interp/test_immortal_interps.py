"""Immortal objects in several interpreters at once, on pages that cannot be written to: a
write would end the process."""

import os
import pathlib

import immortals
import pytest

SUPPORT = str(pathlib.Path(immortals.__file__).parent)

pytestmark = pytest.mark.skipif(
    not immortals.SUPPORTED, reason="immortal() returns obj itself here"
)

EVERYTHING = """
import sys
sys.path[:0] = [{support!r}]
import immortals, sharedobj as so
from interps import Sub, in_thread

SEALED = {sealed}
if SEALED:
    so._sharedobj._protect_immortals()
ROUND = "immortals.rounds(so.immortal, {rounds}, {without_utf8})"
WORK = '''
import sys
sys.path[:0] = {support!r},
import immortals, sharedobj as so
board[sys.intern("%s")] = ''' + ROUND

board = so.SharedDict()
subs = [Sub(), Sub()]
# The first objects are made by an interpreter that is gone before anybody else uses them.
with Sub() as first:
    first.run(WORK % "first", board=board)
for generation in range(2):
    threads = [in_thread(sub.run, WORK % f"{generation} {i}", board=board)
               for i, sub in enumerate(subs)]
    board["main", generation] = eval(ROUND)
    for thread in threads:
        thread.join()
    subs.pop().close()
    subs.insert(0, Sub())
for sub in subs:
    sub.close()
board["end"] = eval(ROUND)
places = set(board.values())
assert len(places) == 1, "in each interpreter the same objects"
so.registry["kept"] = board
print(len(places.pop()), "objects")
"""


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "plain"])
def test_everything_that_python_does(sealed, run_python, tmp_path):
    script = tmp_path / "everything.py"
    text = EVERYTHING
    for name, value in {
        "{support!r}": repr(SUPPORT),
        "{sealed}": repr(sealed),
        "{rounds}": "2",
        "{without_utf8}": repr(not (sealed and immortals.FREE_THREADED)),
    }.items():
        text = text.replace(name, value)
    script.write_text(text)
    # The other half looks for what CPython's own checks find.
    checks = {} if sealed else {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "ignore"}
    done = run_python(script=script, env=os.environ | checks)
    assert int(done.stdout.split()[0]) > 40 and done.stderr == ""


def test_pages_are_sealed(run_python):
    """The other test would notice a write."""
    done = run_python(
        """if 1:
        import ctypes, sharedobj as so
        so._sharedobj._protect_immortals()
        one = so.immortal("text " * 5)
        ctypes.memset(id(one), 0, 1)
        """,
        expected=-11,
    )
    assert "Segmentation fault" in done.stderr
