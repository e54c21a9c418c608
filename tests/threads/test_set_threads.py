"""SharedSet and several threads of one interpreter."""

import copy
import pickle
import random
import threading
from collections import Counter
from itertools import chain

from threads import run

from sharedobj import AtomicInt, SharedSet

THREADS = 4


def removed(s, item):
    try:
        s.remove(item)
    except KeyError:
        return False
    return True


def test_each_add_is_matched_by_one_removal():
    """For each item: as many True from add as removals and what is left at the end."""
    s = SharedSet()
    added, gone = [Counter() for _ in range(THREADS)], [Counter() for _ in range(THREADS)]

    def work(n):
        rng = random.Random(n)
        for _ in range(4000):
            item = rng.randrange(12)
            item = item if item % 2 else f"item {item}"
            kind = rng.randrange(4)
            if kind < 2:
                added[n][item] += s.add(item)
            elif kind == 2:
                gone[n][item] += s.discard(item)
            else:
                gone[n][item] += removed(s, item)

    run(*[lambda n=n: work(n) for n in range(THREADS)])
    assert sum(added, Counter()) == sum(gone, Counter()) + Counter(s)
    assert len(s) == len(list(s)) == len(s.snapshot())


def test_one_wins_each_item():
    s = SharedSet()
    wins = [[] for _ in range(THREADS)]

    def add(mine):
        mine.extend(i for i in range(3000) if s.add(i))

    run(*[lambda mine=mine: add(mine) for mine in wins])
    assert sorted(chain(*wins)) == list(range(3000)) and len(s) == 3000
    for mine in wins:
        mine.clear()

    def discard(mine):
        mine.extend(i for i in range(3000) if s.discard(i))

    run(*[lambda mine=mine: discard(mine) for mine in wins])
    assert sorted(chain(*wins)) == list(range(3000)) and len(s) == 0


def test_pop_gives_no_item_twice():
    s, put = SharedSet(), AtomicInt()
    taken = [[] for _ in range(THREADS)]

    def work(n):
        rng = random.Random(n)
        for _ in range(3000):
            if rng.random() < 0.5:
                assert s.add(("item", put.increment()))
            else:
                try:
                    taken[n].append(s.pop())
                except KeyError:
                    pass

    run(*[lambda n=n: work(n) for n in range(THREADS)])
    rest = list(s)
    assert sorted(chain(*taken, rest)) == [("item", i) for i in range(1, put.get() + 1)]
    # And down to the last one, with others that remove by name.
    everything = set(rest) | {("more", i) for i in range(2000)}
    s.update(everything)
    for mine in taken:
        mine.clear()

    def drain(mine):
        while True:
            try:
                mine.append(s.pop())
            except KeyError:
                return

    def by_name(mine):
        mine.extend(item for item in everything if s.discard(item))

    run(*[lambda m=m: drain(m) for m in taken[:2]], *[lambda m=m: by_name(m) for m in taken[2:]])
    assert sorted(chain(*taken)) == sorted(everything) and not s


def test_toggling_loses_nothing():
    """Each ^= makes each of its items come or go once: 36,003 times where three threads do it, a
    multiple of four where all do."""
    three, four = {("three", i) for i in range(10)}, {("four", i) for i in range(10)}
    s = SharedSet(four)

    def work(items):
        for _ in range(12_001):
            s.symmetric_difference_update(items)

    run(lambda: work(four), *[lambda: work([*three, *four])] * 3)
    assert s == three | four


def test_updates_lose_nothing():
    s = SharedSet(("gone", i) for i in range(3000))

    def add(n):
        for i in range(0, 1500, 5):
            mine = s
            mine |= {(n, j) for j in range(i, i + 5)}
            assert (n, i + 4) in s

    def subtract(n):
        for i in range(n, 3000, 50):
            s.difference_update(("gone", j) for j in range(i, min(i + 50, 3000)))

    run(lambda: add(0), lambda: add(1), lambda: subtract(0), lambda: subtract(25))
    assert s.snapshot() == {(n, i) for n in range(2) for i in range(1500)}


def test_intersection_update_keeps_what_it_shall():
    """What is in the other set stays throughout; what others add there meanwhile may go."""
    keep = {("keep", i) for i in range(300)}
    s = SharedSet(keep)
    stop = threading.Event()

    def churn():
        i = 0
        while not stop.is_set():
            s.add(("go", i % 100))
            s.discard(("go", (i * 7) % 100))
            i += 1

    def intersect():
        try:
            for i in range(40):
                if i % 2:
                    s.intersection_update(keep, [*keep, "x"])
                else:
                    mine = s
                    mine &= keep
                assert keep <= s and s >= keep and keep & s == keep and not keep - s
        finally:
            stop.set()

    run(churn, churn, intersect)
    s &= keep
    assert s == keep


def test_snapshot_and_copy_are_one_moment():
    """Each writer adds an item and then a second one, which it removes first; and moves a
    token from name to name."""
    s = SharedSet([(w, "token", 0) for w in range(2)])
    done = AtomicInt()

    def write(w):
        try:
            for i in range(1500):
                s.add((w, "a"))
                s.add((w, "b"))
                s.add((w, "token", (i + 1) % 5))
                s.discard((w, "token", i % 5))
                s.discard((w, "b"))
                s.remove((w, "a"))
        finally:
            done.increment()

    def check(content):
        for w in range(2):
            assert (w, "b") not in content or (w, "a") in content
            assert sum((w, "token", i) in content for i in range(5)) in (1, 2)

    def read():
        while done.get() < 2:
            check(s.snapshot())
            check(s.copy().snapshot())
            check((s | {"more"}).snapshot())

    run(lambda: write(0), lambda: write(1), read, read)


def test_replace_is_seen_as_a_whole():
    s = SharedSet(range(50))
    done = AtomicInt()

    def replace(first):
        try:
            for generation in range(first, first + 150):
                s.replace(range(generation * 50, generation * 50 + 50))
        finally:
            done.increment()

    def look():
        while done.get() < 2:
            content = s.snapshot()
            assert len(content) == 50 and max(content) - min(content) == 49, content
            assert len(s) == 50

    run(lambda: replace(1), lambda: replace(1000), look, look)


def test_no_change_after_freeze():
    for _ in range(10):
        s, refused = SharedSet(), AtomicInt()

        def write(n, s=s, refused=refused):
            try:
                while True:
                    for i in range(20):
                        s.add((n, i))
                    s.difference_update({(n, 3), (n, 4)})
            except TypeError:
                assert s.frozen
                refused.increment()

        def freeze(s=s):
            while (0, 19) not in s:
                pass
            s.freeze()
            first = s.snapshot()
            for _ in range(20):
                assert s.snapshot() == first == set(s)

        run(lambda: write(0), lambda: write(1), freeze, freeze)
        assert refused.get() == 2


def test_iteration_shows_what_stays():
    s = SharedSet(("stay", i) for i in range(200))
    stop = threading.Event()

    def churn():
        i = 0
        while not stop.is_set():
            s.add(("go", i % 500))
            s.discard(("go", (i * 7) % 500))
            i += 1

    def walk():
        try:
            for _ in range(60):
                items = list(s)
                assert [n for kind, n in items if kind == "stay"] == list(range(200))
                assert len(items) == len(set(items))
                assert s.issuperset(("stay", i) for i in range(200)) and len(s) >= 200
        finally:
            stop.set()

    run(churn, churn, walk)


def test_one_iterator_for_all():
    s = SharedSet(range(20_000))
    walk = iter(s)
    shares = [[] for _ in range(THREADS)]
    copies = []

    def make_copies():
        for _ in range(5):
            copies.append(pickle.loads(pickle.dumps(walk)))

    run(make_copies, *[lambda share=share: share.extend(walk) for share in shares])
    assert sorted(chain(*shares)) == list(range(20_000))
    for rest in map(list, copies):
        assert rest == list(range(20_000 - len(rest), 20_000)), "from one place on"


def test_operands_that_others_change():
    plain, other, names = {"a"}, SharedSet("a"), {"a": 1}
    s = SharedSet("a")
    stop = threading.Event()

    def change():
        i = 0
        while not stop.is_set():
            item, old = f"k{i % 9}" * 20, f"k{(i + 4) % 9}" * 20
            for target in plain, other:
                target.add(item)
                target.discard(old)
            names[item] = 1
            names.pop(old, None)
            i += 1

    def use():
        try:
            for _ in range(150):
                s.update(plain, other, names)
                s.replace(plain)
                s.symmetric_difference_update(plain)
                s.difference_update(plain, other, names)
                mine = s
                mine |= plain
                mine -= other
                mine ^= other
                assert SharedSet(plain) and SharedSet(other) and "a" in s.union(names, other)
                assert plain not in s and other not in s and s.copy() and copy.deepcopy(s)
                # These walk over the plain set itself.
                for action in (
                    lambda: s & plain,
                    lambda: plain & s,
                    lambda: s == plain,
                    lambda: plain <= s,
                    lambda: s.isdisjoint(plain),
                ):
                    try:
                        action()
                    except RuntimeError as error:
                        assert "changed size during iteration" in str(error)
        finally:
            stop.set()

    run(change, use)


def test_handles_come_and_go():
    s = SharedSet(range(100))

    def work():
        for _ in range(300):
            h = s.local()
            assert h == s and len(h) == 100
            assert pickle.loads(pickle.dumps(h)).id == s.id
            assert h.copy() == s

    run(*[work] * THREADS)
