"""The rest of SharedDict's interface and several threads of one interpreter."""

import math
import pickle
import random
import threading
from itertools import chain

from threads import run

from sharedobj import AtomicInt, SharedDict


def until_empty(d, taken):
    while True:
        try:
            taken.append(d.popitem())
        except KeyError:
            return


def test_popitem_gives_each_item_once():
    d = SharedDict((i, str(i) * 5) for i in range(8000))
    taken = [[] for _ in range(4)]
    run(*[lambda mine=mine: until_empty(d, mine) for mine in taken])
    assert sorted(chain(*taken)) == [(i, str(i) * 5) for i in range(8000)] and len(d) == 0
    for mine in taken:
        assert mine == sorted(mine, reverse=True), "each thread goes downwards"


def test_a_stack_of_several_threads():
    d, put = SharedDict(), AtomicInt()
    taken = [[] for _ in range(4)]

    def work(mine, rng):
        for _ in range(3000):
            if rng.random() < 0.5:
                i = put.increment()
                d[i] = (i, "payload")
            else:
                try:
                    mine.append(d.popitem())
                except KeyError:
                    pass

    run(*[lambda n=n: work(taken[n], random.Random(n)) for n in range(4)])
    rest = []
    until_empty(d, rest)
    items = sorted(chain(*taken, rest))
    assert items == [(i, (i, "payload")) for i in range(1, put.get() + 1)]


def test_popitem_of_a_dict_that_is_never_empty():
    d = SharedDict(first=0)
    stop = threading.Event()

    def turn_over():
        """At each moment the dict has a key whose insertion has returned."""
        try:
            for i in range(6000):
                d[i] = i
                d.pop(i - 1 if i else "first", None)
        finally:
            stop.set()

    def look():
        while not stop.is_set():
            key, _ = d.popitem()  # a KeyError fails the test
            d[key] = key

    run(turn_over, look)


def test_popitem_against_clear_and_pop():
    d = SharedDict()
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            d[f"key {i % 300}"] = f"value {i % 300}"
            d.pop(f"key {(i * 7) % 300}", None)
            i += 1

    def pop():
        while not stop.is_set():
            try:
                key, value = d.popitem()
            except KeyError:
                continue
            assert key[4:] == value[6:]

    def clear():
        try:
            for _ in range(200):
                d.clear()
                for _ in range(20):
                    d.get("key 5")
        finally:
            stop.set()

    run(write, pop, pop, clear)
    d.clear()
    assert len(d) == 0 and list(reversed(d)) == []


def test_reversed_shows_what_stays():
    d = SharedDict((("stay", i), i) for i in range(200))
    stop = threading.Event()

    def churn():
        i = 0
        while not stop.is_set():
            d["go", i % 500] = str(i) * 3
            d.pop(("go", (i * 7) % 500), None)
            i += 1

    def walk():
        try:
            for _ in range(60):
                keys = list(reversed(d))
                assert [n for kind, n in keys if kind == "stay"] == list(range(199, -1, -1))
                assert len(keys) == len(set(keys))
        finally:
            stop.set()

    run(churn, churn, walk)


def test_one_backward_iterator_for_all():
    d = SharedDict((i, i) for i in range(20_000))
    walk = reversed(d.items())
    shares = [[] for _ in range(4)]
    copies = []

    def copy():
        for _ in range(5):
            copies.append(pickle.loads(pickle.dumps(walk)))

    run(copy, *[lambda share=share: share.extend(walk) for share in shares])
    assert sorted(chain(*shares)) == [(i, i) for i in range(20_000)]
    for rest in map(list, copies):
        assert rest == [(i, i) for i in range(len(rest) - 1, -1, -1)], "from one place on"


def test_views_and_operators_with_writers():
    stay = {f"stay {i}": i for i in range(100)}
    d = SharedDict(stay)
    stop = threading.Event()

    def churn():
        i = 0
        while not stop.is_set():
            d[f"go {i % 50}"] = i
            d.pop(f"go {(i * 3) % 50}", None)
            i += 1

    def look():
        try:
            for _ in range(100):
                assert d.keys() >= stay.keys() and stay.keys() <= d.keys()
                assert d.keys() & stay.keys() == stay.keys()
                assert not d.keys().isdisjoint(stay) and stay.items() <= (d | {}).items()
                assert d.get_many(stay) == list(range(100))
                assert len(stay.keys() - d.keys()) == 0
        finally:
            stop.set()

    run(churn, churn, look)


def test_reductions_lose_nothing():
    d = SharedDict()
    numbers = [[random.Random(n).randrange(-(2**70), 2**70) for _ in range(1500)] for n in range(4)]
    for some in numbers:
        some[::100] = [math.nan] * 15

    def work(some):
        for x in some:
            d.reduce_sum([("sum", 0 if x != x else x), ("items", 1)])
            d.reduce_max({"max": x})
            d.reduce_min([("min", x)])

    run(*[lambda some=some: work(some) for some in numbers])
    every = [x for x in chain(*numbers) if x == x]
    assert d == {"sum": sum(every), "items": 6000, "max": max(every), "min": min(every)}


def test_compare_and_delete_has_one_winner():
    d = SharedDict((i, (i, "x")) for i in range(3000))
    wins = AtomicInt()

    def work():
        for i in range(3000):
            if d.compare_and_delete(i, (i, "x")):
                wins.increment()

    run(*[work] * 4)
    assert wins.get() == 3000 and len(d) == 0


def test_arguments_that_others_change():
    keys, pairs, plain, other = ["a"] * 50, [["a", 1]] * 50, {"a": 1}, {"a"}
    d = SharedDict(a=1)
    stop = threading.Event()

    def change():
        i = 0
        while not stop.is_set():
            keys[i % 50] = f"k{i}" * 20
            pairs[i % 50] = [f"k{i % 9}" * 20, i]
            plain[f"k{i % 9}" * 20] = i
            plain.pop(f"k{(i + 4) % 9}" * 20, None)
            other.add(f"k{i % 9}" * 20)
            other.discard(f"k{(i + 4) % 9}" * 20)
            i += 1

    def use():
        try:
            for _ in range(300):
                assert len(d.get_many(keys)) == 50
                assert d.reduce_max(pairs) == d.reduce_sum(pairs) == 50
                d.clear()
                for action in (
                    lambda: d | plain,
                    lambda: plain | d,
                    lambda: d.fromkeys(other),
                    lambda: d.keys() & other,
                    lambda: d.keys() <= other,
                    lambda: d.items() ^ plain.items(),
                    lambda: d == plain,
                ):
                    try:
                        action()
                    except RuntimeError as error:
                        assert "changed" in str(error) and "during iteration" in str(error)
        finally:
            stop.set()

    run(change, use)
