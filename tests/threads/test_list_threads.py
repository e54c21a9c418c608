"""SharedList and several threads of one interpreter."""

import copy
import random
import threading
from itertools import chain

from threads import run

from sharedobj import AtomicInt, SharedDict, SharedList

THREADS = 4


def test_append_and_pop_lose_and_double_nothing():
    s, taken = SharedList(), [[] for _ in range(THREADS)]

    def work(n):
        rng = random.Random(n)
        for i in range(4000):
            kind = rng.randrange(4)
            if kind < 2:
                s.append((n, i))
            else:
                try:
                    taken[n].append(s.pop() if kind == 2 or i % 10 else s.pop(0))
                except IndexError:
                    pass

    put = [[] for _ in range(THREADS)]
    for n in range(THREADS):
        rng = random.Random(n)
        put[n] = [(n, i) for i in range(4000) if rng.randrange(4) < 2]
    run(*[lambda n=n: work(n) for n in range(THREADS)])
    assert sorted([*chain(*taken), *s]) == sorted(chain(*put))


def test_push_gives_each_index_once():
    s, got = SharedList(), [[] for _ in range(THREADS)]

    def work(n):
        for i in range(3000):
            index = s.push((n, i))
            got[n].append(index)
            assert s[index] == (n, i) and len(s) > index

    run(*[lambda n=n: work(n) for n in range(THREADS)])
    assert sorted(chain(*got)) == list(range(3000 * THREADS))
    for n, mine in enumerate(got):
        assert mine == sorted(mine) and [s[i] for i in mine] == [(n, i) for i in range(3000)]


def test_stores_are_not_lost_to_shifts():
    """Each thread counts in an item of its own, which others move about."""
    s = SharedList([0] * THREADS)
    stop = AtomicInt()

    def count(n):
        for i in range(1, 1500):
            s.increment(n - THREADS)
            old = s[n - THREADS]
            assert old == i, (old, i)
            assert s.compare_and_set(n - THREADS, i, i)

    def shift():
        while not stop.get():
            s.insert(0, "x")
            s.insert(0, "y")
            del s[0]
            s[:0] = "ab"
            assert s.pop(0) == "a" and s[0] == "b"
            del s[:-THREADS]

    def work():
        try:
            run(*[lambda n=n: count(n) for n in range(THREADS)])
        finally:
            stop.set(1)

    run(work, shift)
    assert s == [1499] * THREADS


def test_increments_lose_nothing():
    s = SharedList([0, 0.5, 2**60 - 1000])

    def work():
        for _ in range(2000):
            s.increment(0)
            s.increment(1, 2)
            s.increment(2)

    run(*[work] * THREADS)
    assert s == [8000, 16000.5, 2**60 + 7000]


def test_exchange_hands_out_each_value_once():
    s, got = SharedList([("first", 0)]), [[] for _ in range(THREADS)]
    run(
        *[
            lambda n=n: got[n].extend(s.exchange(0, (n, i)) for i in range(3000))
            for n in range(THREADS)
        ]
    )
    expected = [("first", 0), *((n, i) for n in range(THREADS) for i in range(3000))]
    key = lambda pair: (str(pair[0]), pair[1])  # noqa: E731
    assert sorted([*chain(*got), s[0]], key=key) == sorted(expected, key=key)


def test_extend_is_one_moment():
    """A block is there with all its items, in a row, or not at all."""
    s, stop = SharedList(), AtomicInt()

    def write(n):
        for i in range(150):
            s.extend([(n, i, k) for k in range(20)])
            s.extend((n, i, k) for k in range(20))
        for i in range(5):
            s.extend([(n, -i, k) for k in range(2000)])

    def look():
        seen = 0
        while not stop.get():
            n = len(s)
            assert n % 20 == 0 and n >= seen
            if n:
                assert s[n - 1][2] % 20 == 19 and s[n - 20][2] % 20 == 0
            seen = n

    def work():
        try:
            run(*[lambda n=n: write(n) for n in range(2)])
        finally:
            stop.set(1)

    run(work, look, look)
    rows = s.snapshot()
    assert len(rows) == 2 * (2 * 150 * 20 + 5 * 2000)
    for i in range(0, len(rows), 20):
        n, number, first = rows[i]
        assert rows[i : i + 20] == [(n, number, first + k) for k in range(20)]


def test_readers_see_the_list_before_or_after():
    s, stop = SharedList(range(100)), AtomicInt()

    def change():
        for i in range(400):
            if i % 4 == 0:
                s.reverse()
                s.reverse()
            elif i % 4 == 1:
                s[:] = range(i, i + 100)
            elif i % 4 == 2:
                s.replace(range(i, i + 100))
            else:
                s[::-1] = range(i, i + 100)
                s.sort()

    def work():
        try:
            change()
        finally:
            stop.set(1)

    def look():
        while not stop.get():
            content = s.snapshot()
            assert len(content) == 100 == len(s)
            assert abs(content[0] - content[-1]) == 99, content
            assert sorted(content) == list(range(min(content), max(content) + 1))
            part = s[20:60]
            assert abs(part[0] - part[-1]) == 39
            assert s[99] is not None and s[-100] is not None
            assert len(list(s)) == 100 == len(list(reversed(s)))

    run(work, look, look)


def test_sort_keeps_what_others_append():
    s, sorted_ = SharedList(), AtomicInt()
    done = AtomicInt()

    def append(n):
        for i in range(300):
            s.append(n * 1000 + (i * 37) % 300)
            if i % 50 == 0:
                before = sorted_.get()
                while sorted_.get() == before and not done.get():
                    pass  # the other thread gets a chance to succeed

    def sort():
        while not done.get():
            try:
                s.sort(reverse=True)
            except ValueError as error:
                assert "modified during sort" in str(error)
            sorted_.increment()

    def work():
        try:
            run(lambda: append(0), lambda: append(1))
        finally:
            done.set(1)

    run(work, sort)
    s.sort()
    assert s == sorted(n * 1000 + i for n in range(2) for i in range(300))


def test_remove_takes_each_once():
    s = SharedList(["x", *range(500), "x"] * 2)
    counts = [0] * THREADS

    def work(n):
        for value in [*range(500), "x"] * 2:
            try:
                s.remove(value)
                counts[n] += 1
            except ValueError:
                pass

    run(*[lambda n=n: work(n) for n in range(THREADS)])
    rest = [x for x in s if x != "x"]
    assert not rest and sum(counts) == 1004 - len(s)


def test_iteration_with_writers():
    s, stop = SharedList(range(1000)), AtomicInt()

    def grow_and_shrink():
        rng = random.Random(1)
        while not stop.get():
            for i in range(rng.randrange(50)):
                s.append(("new", i))
            while len(s) > 1000:
                s.pop()

    def walk():
        for _ in range(60):
            assert list(s)[:1000] == list(range(1000))
            # One that begins behind the end that the list has by then is at its own end.
            back = [x for x in reversed(s) if type(x) is int]
            assert back in ([], list(range(999, -1, -1)))
            assert 500 in s and s.index(999) == 999 and s.count(7) == 1

    def work():
        try:
            walk()
        finally:
            stop.set(1)

    run(grow_and_shrink, work)


def test_one_iterator_in_several_threads():
    """As with a list's: each item comes out, perhaps more than once on free-threaded builds."""
    s = SharedList(range(5000))
    walk, got = iter(s), [[] for _ in range(THREADS)]
    run(*[lambda mine=mine: mine.extend(walk) for mine in got])
    assert set(chain(*got)) <= set(range(5000)) and len(set(chain(*got))) > 4900
    assert next(walk, None) is None


def test_plain_lists_that_change_while_they_are_taken():
    plain, s, stop = [("x", i) for i in range(50)], SharedList(), AtomicInt()

    def change():
        while not stop.get():
            plain.clear()
            plain.extend([("y", i) for i in range(50)])
            plain.append("z")

    def take():
        try:
            for _ in range(1500):
                s.replace(plain)
                s[2:4] = plain
                assert len(s + plain) >= len(s)
                assert set(s) <= {("x", i) for i in range(50)} | {("y", i) for i in range(50)} | {
                    "z"
                }
        finally:
            stop.set(1)

    run(change, take)


def test_freeze_is_final():
    s, after = SharedList([0]), []

    def write():
        try:
            while True:
                s.increment(0)
                s.append(1)
                s.pop()
                s.insert(1, 2)
                del s[1]
        except TypeError as error:
            assert "frozen" in str(error)

    def freeze():
        while s[0] < 200:
            pass
        s.freeze()
        after.append(s.snapshot())

    run(write, write, freeze)
    assert s.snapshot() == after[0] and s.frozen


def test_shared_objects_come_and_go():
    s, stop = SharedList([SharedDict(n=0)]), AtomicInt()

    def write():
        try:
            for i in range(3000):
                s[0] = SharedDict(n=i)
                s.append(SharedList([i]))
                s.pop()
        finally:
            stop.set(1)

    def read():
        while not stop.get():
            assert s[0]["n"] >= 0
            for inner in s[1:]:
                assert len(inner) == 1
            copy.deepcopy(s)

    run(write, read, read)


def test_a_handle_for_each_thread():
    s = SharedList([0])
    threads = []
    for _ in range(THREADS):
        mine = s.local()
        threads.append(
            threading.Thread(target=lambda mine=mine: [mine.increment(0) for _ in range(1000)])
        )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert s == [4000]
