"""The read cache of SharedDict and several threads: nobody ever reads an old value."""

import sys
import threading
import time

import pytest
from threads import run

import sharedobj
from sharedobj import SharedDict

N = 24
KEYS = [f"the key number {n}" for n in range(N)]


def number(value):
    """The count in a value of any kind."""
    if isinstance(value, tuple):
        value = value[1]
    if isinstance(value, str):
        value = int(value.split()[-1])
    return int(value)


def value(n):
    return [n, f"a text and {n}", ("tuple", n), n + 0.25, str(n) * 1 if n > 9 else n][n % 5]


@pytest.mark.parametrize("handles", ["one handle", "own handles"])
def test_values_only_grow(handles):
    """Each key counts upwards; it is removed and comes again, and everything is cleared."""
    d = SharedDict()
    done = threading.Event()

    def write():
        h = d if handles == "one handle" else d.local()
        for n in range(1, 1500):
            for k in KEYS[n % 3 :: 3]:
                h[k] = value(n)
            if n % 7 == 0:
                h.pop(KEYS[n % N], None)
            if n % 50 == 0:
                h.clear()
            if n % 90 == 0:
                h.update({i: i for i in range(300)})
                for i in range(300):
                    h.pop(i, None)
        done.set()

    def read():
        h = d if handles == "one handle" else d.local()
        last = dict.fromkeys(KEYS, 0)
        while not done.is_set():
            for k in KEYS:
                got = h.get(k)
                if got is not None:
                    assert number(got) >= last[k]
                    last[k] = number(got)
                k in h  # noqa: B015

    run(write, read, read, read)


def test_own_writes_are_read():
    """What a thread has stored is what it reads, under keys that are its own."""
    d = SharedDict()

    def work(mine):
        keys = [f"{mine} {n}" for n in range(20)]

        def go():
            for round in range(300):
                for k in keys:
                    d[k] = round
                    assert d[k] == round
                    d[k] = text = f"text {round}"
                    assert d[k] == text and k in d
                for k in keys[:: round % 5 + 1]:
                    del d[k]
                    assert k not in d

        return go

    run(*[work(n) for n in range(4)])


def test_the_cache_is_dropped_while_others_read():
    d = SharedDict({k: k * 3 for k in KEYS})
    done = threading.Event()

    def read():
        while not done.is_set():
            for k in KEYS:
                assert d[k] == k * 3

    def drop():
        for _ in range(300):
            sharedobj.collect()
            sys.getsizeof(d)
        done.set()

    run(read, read, drop)


def test_handles_end_in_other_threads():
    """Threads read through handles of their own, which end elsewhere."""
    d = SharedDict({k: k for k in KEYS})
    left = []

    def work():
        for _ in range(30):
            h = d.local()
            for _ in range(40):
                for k in KEYS:
                    assert h[k] == k
            left.append(h)
            while len(left) > 5:
                try:
                    left.pop(0)
                except IndexError:
                    break
            sharedobj.collect()

    run(*[work] * 4)
    left.clear()


def test_the_next_thread_takes_over():
    """A thread that comes after another one has the use of the cache."""
    d = SharedDict({k: k for k in KEYS})
    base = sys.getsizeof(d)
    grown = []

    def work():
        for _ in range(400):
            for k in KEYS:
                assert d[k] == k
        grown.append(sys.getsizeof(d) - base)

    for _ in range(3):
        run(work)
        # A thread may still be ending after join() has returned.
        for _ in range(500):
            if len(grown) < 2 or grown[-1] > 0:
                break
            time.sleep(0.01)
            grown.pop()
            run(work)
    assert all(g > 0 for g in grown), grown


def test_a_list_that_changes_while_it_is_counted():
    """What tally() counts is in the list when its turn comes; the keys may be gone then."""
    d = SharedDict()
    words = []
    done = threading.Event()
    counted = 0

    def change():
        for n in range(400):
            words.extend(f"word {i}" for i in range(n % 40))
            del words[n % 7 :: 3]
            if n % 25 == 0:
                words.clear()
                d.clear()
            words[:] = [word for word in words if word in d or n % 2]
        done.set()

    def count():
        nonlocal counted
        while not done.is_set():
            counted += d.tally(words) + d.tally(tuple(words))

    run(change, count)
    words[:] = ["last"] * 1000
    assert d.tally(words) == 1000 and d["last"] == 1000
    assert counted >= sum(d.values()) - 1000
