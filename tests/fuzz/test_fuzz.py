"""A short run of the fuzzers; `make fuzz` is the long one."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dict_fuzz import Fuzz
from differential import Mismatch, fuzz
from list_fuzz import ListFuzz
from set_fuzz import SetFuzz


@pytest.mark.parametrize("make", [Fuzz, SetFuzz, ListFuzz])
@pytest.mark.parametrize("seed", [1, 2, None])
def test_no_difference(make, seed):
    seed = random.randrange(2**32) if seed is None else seed
    assert fuzz(make, seed, 20_000) == 20_000


@pytest.mark.parametrize(
    ("make", "name", "wrong"),
    [
        (Fuzz, "do_set", lambda run: run.d.update({run.key(): "only here"})),
        (
            Fuzz,
            "do_popitem",
            lambda run: run.o and run.same(next(iter(run.d.items())), run.o.popitem()),
        ),
        (
            Fuzz,
            "do_increment",
            lambda run: run.o.update({run.key(): 0.0, "z": run.d.exchange("z", 0)}),
        ),
        (Fuzz, "do_clear", lambda run: run.d.clear()),
        (SetFuzz, "do_add", lambda run: run.d.add(run.key())),
        (SetFuzz, "do_pop", lambda run: run.o and run.same(next(iter(run.d)), run.o.popitem()[0])),
        (SetFuzz, "do_in_place", lambda run: run.d.symmetric_difference_update(run.o)),
        (SetFuzz, "do_replace", lambda run: run.d.replace(reversed(run.o))),
        (ListFuzz, "do_append", lambda run: run.d.append(run.key())),
        (ListFuzz, "do_pop", lambda run: run.o and run.same(run.d.pop(0), run.o.pop())),
        (ListFuzz, "do_reverse", lambda run: run.d.reverse()),
        (ListFuzz, "do_set_slice", lambda run: run.d.__setitem__(slice(1, 2), "xy")),
    ],
)
def test_a_difference_is_found(monkeypatch, make, name, wrong):
    monkeypatch.setattr(make, name, lambda self, weight=20: wrong(self))
    with pytest.raises(Mismatch, match=r"seed 3, step \d+: .*(.|\n)*--seed 3 --steps"):
        fuzz(make, 3, 20_000)
