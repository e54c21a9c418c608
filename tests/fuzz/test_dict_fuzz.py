"""A short run of the fuzzer; `make fuzz` is the long one."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import dict_fuzz


@pytest.mark.parametrize("seed", [1, 2, None])
def test_no_difference(seed):
    seed = random.randrange(2**32) if seed is None else seed
    assert dict_fuzz.fuzz(seed, 20_000) == 20_000


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("do_set", lambda run: run.d.update({run.key(): "only here"})),
        ("do_popitem", lambda run: run.o and run.same(next(iter(run.d.items())), run.o.popitem())),
        ("do_increment", lambda run: run.o.update({run.key(): 0.0, "z": run.d.exchange("z", 0)})),
        ("do_clear", lambda run: run.d.clear()),
    ],
)
def test_a_difference_is_found(monkeypatch, name, wrong):
    monkeypatch.setattr(dict_fuzz.Fuzz, name, lambda self, weight=20: wrong(self))
    with pytest.raises(dict_fuzz.Mismatch, match=r"seed 3, step \d+: .*(.|\n)*--seed 3 --steps"):
        dict_fuzz.fuzz(3, 20_000)
