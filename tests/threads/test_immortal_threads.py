"""immortal() from many threads and interpreters at once: everybody gets the same object."""

import itertools
import os
import threading

import immortals
import pytest
from interps import Sub, in_thread

import sharedobj as so

pytestmark = pytest.mark.skipif(
    not immortals.SUPPORTED, reason="immortal() returns obj itself here"
)
THREADS = 4
ROUNDS = itertools.count()


def test_the_same_object_for_everybody():
    prefix = f"{os.getpid()} {next(ROUNDS)}"
    start = threading.Barrier(THREADS)
    seen = [[] for _ in range(THREADS)]
    d = so.SharedDict()

    def work(mine):
        start.wait()
        for i in range(300):
            text = f"{prefix} {i}"
            parts = (text, text.encode(), f"\u20ac{text}", (i + 1) * 10**30, i / 7)
            made = [so.immortal(part) for part in parts]
            mine.append(made)
            for one in made[:4]:
                d[one] = one
                assert d[one] is one

    threads = [in_thread(work, mine) for mine in seen]
    for thread in threads:
        thread.join()
    for objects in zip(*seen, strict=True):
        assert len({id(one) for made in objects for one in made}) == len(objects[0])
    assert {id(one) for made in seen[0] for one in made[:4]} == {id(key) for key in d}


def test_used_by_all_while_more_are_made():
    """Reference counts, hashes and look-ups of one object in all threads."""
    prefix = f"used {os.getpid()} {next(ROUNDS)}"
    one, number = so.immortal(prefix * 2), so.immortal(2**90)
    d = so.SharedDict({one: one, number: number, prefix: one})
    over = threading.Event()

    def use():
        while not over.is_set():
            held = [d[one] for _ in range(50)] + [value for value in d.values() if value is one]
            assert all(value is one for value in held) and {*held} == {one}
            assert one.startswith(prefix) and d[number] is number and number + 1 == 2**90 + 1

    threads = [in_thread(use) for _ in range(THREADS)]
    try:
        for i in range(1500):
            d[prefix] = so.immortal(f"{prefix} {i}") if i % 2 else one
            assert so.immortal(prefix * 2) is one and so.immortal(2**90) is number
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_interpreters_make_the_same():
    prefix = f"interpreters {os.getpid()} {next(ROUNDS)}"
    places = so.SharedDict()
    code = f"""if 1:
        import sharedobj as so
        made = [so.immortal(v) for i in range(1, 200) for v in (f"{prefix} {{i}}", i * 10**20)]
        d = so.SharedDict((one, one) for one in made)
        assert all(k is v is one for (k, v), one in zip(d.items(), made, strict=True))
        places[NAME] = tuple(map(id, made))
        """
    for i in range(2):
        subs = [Sub() for _ in range(2)]
        threads = [
            in_thread(sub.run, code.replace("NAME", f"{(i, n)}"), places=places)
            for n, sub in enumerate(subs)
        ]
        exec(code, {"places": places, "NAME": i})
        for thread, sub in zip(threads, subs, strict=True):
            thread.join()
            sub.close()
    assert len(places) == 6 and len(set(places.values())) == 1
