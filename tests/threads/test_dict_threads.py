"""SharedDict and several threads of one interpreter."""

import threading
from itertools import chain

import pytest
from threads import run

from sharedobj import AtomicInt, Channel, SharedDict


def test_increments_are_exact():
    d, n = SharedDict(), 5000

    def work():
        for i in range(n):
            d.increment("hits")
            d.increment(i % 7, 0.5)

    run(*[work] * 8)
    assert d["hits"] == 8 * n
    assert sum(d[i] for i in range(7)) == 8 * n * 0.5


def test_big_increments_are_exact():
    d, step = SharedDict(), 2**59

    def work():
        for _ in range(500):
            d.increment("n", step)

    run(*[work] * 4)
    assert d["n"] == 4 * 500 * step


def test_add_has_one_winner_for_each_key():
    d, wins = SharedDict(), AtomicInt()

    def work():
        for i in range(3000):
            if d.add(i, threading.get_ident()):
                wins.increment()

    run(*[work] * 4)
    assert wins.get() == 3000 == len(d)


def test_pop_gives_each_value_once():
    d = SharedDict((i, i) for i in range(5000))
    taken = [[] for _ in range(4)]

    def worker(mine):
        def work():
            for i in range(5000):
                value = d.pop(i, None)
                if value is not None:
                    mine.append(value)

        return work

    run(*[worker(t) for t in taken])
    assert sorted(chain(*taken)) == list(range(5000)) and len(d) == 0


def test_exchange_returns_every_value_once():
    d = SharedDict(slot=-1)
    got = [[] for _ in range(4)]

    def worker(n):
        def work():
            for i in range(2000):
                got[n].append(d.exchange("slot", n * 10_000 + i))

        return work

    run(*[worker(n) for n in range(4)])
    everything = sorted([*chain(*got), d["slot"]])
    assert everything == [-1, *(n * 10_000 + i for n in range(4) for i in range(2000))]


def test_compare_and_set_loop_loses_nothing():
    d = SharedDict(t=(0, "x"))

    def work():
        for _ in range(1000):
            while True:
                old = d["t"]
                if d.compare_and_set("t", old, (old[0] + 1, "x")):
                    break

    run(*[work] * 4)
    assert d["t"] == (4000, "x")


def test_iteration_shows_what_stays():
    d = SharedDict((("stay", i), i) for i in range(200))
    stop = threading.Event()

    def churn():
        i = 0
        while not stop.is_set():
            d[("go", i % 500)] = str(i) * 3
            d.pop(("go", (i * 7) % 500), None)
            i += 1

    def walk():
        try:
            for _ in range(60):
                stay = [key[1] for key in d if key[0] == "stay"]
                assert stay == list(range(200))
                keys = [key for key, _ in d.items()]
                assert len(keys) == len(set(keys))
                assert len(d) >= 200
        finally:
            stop.set()

    run(churn, churn, walk)


def test_one_iterator_for_all():
    d = SharedDict((i, i) for i in range(20_000))
    walk = iter(d)
    shares = [[] for _ in range(4)]
    run(*[lambda share=share: share.extend(walk) for share in shares])
    assert sorted(chain(*shares)) == list(range(20_000))


@pytest.mark.parametrize("cleared", [False, True])
def test_the_last_things_go_with_a_shared_iterator(cleared):
    """One iterator is all that holds a dict, and its keys hold channels."""

    def walk_together():
        d = SharedDict(((Channel(), i), i) for i in range(200))
        walk = iter(d)
        if cleared:
            d.clear()
        del d
        shares = [[] for _ in range(4)]
        run(*[lambda share=share: share.extend(key[1] for key in walk) for share in shares])
        return sorted(chain(*shares))

    for _ in range(10):
        assert walk_together() == ([] if cleared else list(range(200)))


def test_clear_against_everything():
    d = SharedDict()
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            d[f"key {i % 300}"] = f"value {i % 300}"
            i += 1

    def read():
        while not stop.is_set():
            for key, value in d.items():
                assert key[4:] == value[6:]

    def clear():
        try:
            for _ in range(300):
                d.clear()
        finally:
            stop.set()

    run(write, read, clear)
    d.clear()
    assert len(d) == 0 and list(d) == []


def test_values_are_never_torn():
    d = SharedDict(v=("a" * 100, 1))
    stop = threading.Event()

    def write():
        try:
            for i in range(4000):
                letter = chr(97 + i % 26)
                d["v"] = (letter * (1 + i % 300), i)
        finally:
            stop.set()

    def read():
        while not stop.is_set():
            text, _ = d["v"]
            assert text == text[0] * len(text)

    run(write, read, read)
