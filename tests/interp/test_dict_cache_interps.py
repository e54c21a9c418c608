"""The read cache of SharedDict and other interpreters: nobody ever reads an old value."""

import threading

import pytest
from interps import Sub

from sharedobj import SharedDict

KEYS = [f"the key number {n}" for n in range(20)]

WRITE = """
keys = [f"the key number {n}" for n in range(20)]
for n in range(1, 3000):
    for k in keys[n % 3::3]:
        d[k] = n if n % 2 else f"a text and {n}"
    if n % 7 == 0:
        d.pop(keys[n % 20], None)
    if n % 60 == 0:
        d.clear()
d["done"] = True
"""

READ = """
def number(value):
    return int(value.split()[-1]) if isinstance(value, str) else value
keys = [f"the key number {n}" for n in range(20)]
last = dict.fromkeys(keys, 0)
while "done" not in d:
    for k in keys:
        got = d.get(k)
        if got is not None:
            assert number(got) >= last[k], (k, got, last[k])
            last[k] = number(got)
"""


@pytest.mark.parametrize("readers", [1, 2])
def test_values_only_grow(readers):
    """A writer in one interpreter, readers in this one and in others."""
    d, errors = SharedDict(), []

    def run(code):
        try:
            with Sub() as sub:
                sub.run("import sharedobj\n" + code, d=d)
        except BaseException as error:
            d["done"] = True
            errors.append(error)

    threads = [threading.Thread(target=run, args=(code,)) for code in [WRITE] + [READ] * readers]
    for thread in threads:
        thread.start()
    space = {"d": d}
    exec(READ, space)
    for thread in threads:
        thread.join()
    assert not errors


def test_an_interpreter_ends_with_its_cache():
    """What its cache held goes; what it stored stays."""
    d = SharedDict({k: k * 5 for k in KEYS})
    with Sub() as sub:
        sub.run(
            "import sharedobj\n"
            "keys = list(d)\n"
            "for _ in range(60):\n"
            "    for k in keys: d[k]; k in d\n"
            "for k in keys: d[k] = d[k] + '!'\n"
            "for _ in range(60):\n"
            "    for k in keys: d[k]\n"
            "held = d\n",
            d=d,
        )
    assert all(d[k] == k * 5 + "!" for k in KEYS)


def test_reads_after_another_interpreter_has_written():
    d = SharedDict()
    with Sub() as sub:
        sub.run("import sharedobj", d=d)
        for n in range(40):
            sub.run(f"for n in range(20): d[f'the key number {{n}}'] = {n} * 10**6")
            for _ in range(3):
                assert [d[k] for k in KEYS] == [n * 10**6] * 20
            if n % 8 == 3:
                sub.run("d.clear()")
                assert not any(k in d for k in KEYS)
