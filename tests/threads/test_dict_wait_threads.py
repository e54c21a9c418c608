"""SharedDict.get_or_set, wait_for and compute with several threads of one interpreter."""

import random
import threading

import pytest
from interps import in_thread

from sharedobj import DELETE, MISSING, AtomicInt, SharedDict

THREADS = 8


class Failed(Exception):
    pass


def run(count, function, *args):
    """Calls function(i, *args) in threads that begin together; returns the results."""
    barrier = threading.Barrier(count)

    def work(i):
        barrier.wait()
        return function(i, *args)

    threads = [in_thread(work, i) for i in range(count)]
    return [thread.join() for thread in threads]


def test_one_factory_runs():
    d, runs = SharedDict(), AtomicInt()

    def factory():
        runs.increment()
        for _ in range(1000):  # long enough for the others to come
            d.get("other")
        return "value " * 20

    for key in range(50):
        assert run(THREADS, lambda i: d.get_or_set(key, factory)) == ["value " * 20] * THREADS  # noqa: B023
    assert runs.get() == 50


def test_failing_factories_run_one_after_the_other():
    d, running, runs = SharedDict(), AtomicInt(), AtomicInt()

    def factory():
        assert running.increment() == 1
        number = runs.increment()
        for _ in range(200):
            d.get("other")
        running.decrement()
        if number <= 5:
            raise Failed(number)
        return number

    def ask(i):
        try:
            return d.get_or_set("a", factory)
        except Failed as error:
            return -error.args[0]

    results = sorted(run(THREADS, ask))
    # Everybody has an error of its own, until one has a value for all.
    assert results == [-5, -4, -3, -2, -1] + [6] * (THREADS - 5)
    assert runs.get() == 6


def test_a_value_that_is_stored_meanwhile():
    d, begun, end = SharedDict(), threading.Event(), threading.Event()

    def factory():
        begun.set()
        assert end.wait(240)
        return "made"

    owner = in_thread(d.get_or_set, "a", factory)
    assert begun.wait(240)
    waiter = in_thread(d.get_or_set, "a", pytest.fail)
    d["a"] = "stored"
    assert waiter.join() == "stored"  # the factory runs still
    assert d.get_or_set("a", pytest.fail) == "stored"
    end.set()
    assert owner.join() == "stored"


def test_the_timeout_of_a_waiter():
    d, begun, end = SharedDict(), threading.Event(), threading.Event()

    def factory():
        begun.set()
        assert end.wait(240)
        return 5

    owner = in_thread(d.get_or_set, "a", factory, 0.0)  # does not limit the factory
    assert begun.wait(240)
    for timeout in (0, 0.01):
        with pytest.raises(TimeoutError, match=rf"get_or_set\('a'\).*within {timeout} seconds"):
            d.get_or_set("a", pytest.fail, timeout)
    end.set()
    assert owner.join() == 5


def test_factories_that_want_each_others_keys():
    d = SharedDict()

    def ask(i, barrier):
        own, other = f"key {i}", f"key {1 - i}"

        def factory():
            barrier.wait()
            try:
                return d.get_or_set(other, pytest.fail) + (i,)
            except RuntimeError as error:
                assert repr(own) in str(error) or repr(other) in str(error)
                return ("alone", i)

        return d.get_or_set(own, factory)

    for _ in range(50):
        d.clear()
        results = run(2, ask, threading.Barrier(2))
        # One was told that it would wait for itself, the other one had its value.
        assert sorted(map(len, results)) == [2, 3]
        assert d == {"key 0": results[0], "key 1": results[1]}


def test_a_ring_of_many():
    d, count = SharedDict(), 12

    def ask(i, barrier, told):
        def factory():
            barrier.wait()
            try:
                return d.get_or_set((i + 1) % count, pytest.fail) + 1
            except RuntimeError as error:
                told.append(str(error))
                return 0

        return d.get_or_set(i, factory)

    told = []
    results = run(count, ask, threading.Barrier(count), told)
    assert sorted(results) == list(range(count)) and len(told) == 1
    assert "waits for" in told[0] and "others" in told[0]


def test_wait_for():
    d = SharedDict()
    waiters = [in_thread(d.wait_for, "a", lambda v, i=i: v >= i) for i in range(THREADS)]
    for i in range(THREADS):
        d["a"] = i
        assert waiters[i].join() >= i


CHANGES = {
    "assignment": lambda d: d.__setitem__("a", 5),
    "update": lambda d: d.update(a=5),
    "increment": lambda d: d.increment("a", 5 - d.get("a", 0)),
    "setdefault": lambda d: (d.pop("a", None), d.setdefault("a", 5)),
    "add": lambda d: (d.pop("a", None), d.add("a", 5)),
    "exchange": lambda d: d.exchange("a", 5),
    "compare_and_set": lambda d: d.compare_and_set("a", d.get("a", MISSING), 5),
    "compute": lambda d: d.compute("a", lambda v: 5),
    "get_or_set": lambda d: (d.pop("a", None), d.get_or_set("a", lambda: 5)),
    "clear": lambda d: (d.clear(), d.add("a", 5)),
    "replace": lambda d: d.replace({"a": 5, "b": 6}),
    "delete and store": lambda d: (d.compute("a", lambda v: DELETE), d.update(a=5)),
}


@pytest.mark.parametrize("first", [None, 1])
@pytest.mark.parametrize("change", CHANGES)
def test_woken_by(change, first):
    d, called = SharedDict(), threading.Event()
    if first is not None:
        d["a"] = first
    else:
        called.set()

    def predicate(v):
        called.set()
        return v == 5

    waiter = in_thread(d.wait_for, "a", predicate)
    assert called.wait(240)
    CHANGES[change](d)
    assert waiter.join() == 5


def test_ping_pong():
    d, rounds = SharedDict(ping=0, pong=0), 500

    def play(i):
        for n in range(rounds):
            if i == 0:
                d["ping"] = n + 1
                assert d.wait_for("pong", lambda v: v > n, 240) == n + 1  # noqa: B023
            else:
                assert d.wait_for("ping", lambda v: v > n, 240) == n + 1  # noqa: B023
                d["pong"] = n + 1

    run(2, play)


def test_compute_loses_nothing():
    d, n = SharedDict(), 400

    def work(i):
        for _ in range(n):
            d.compute("int", lambda v: v + 1, 0)
            d.compute("tuple", lambda v: (v[0] + 1, "x" * (v[0] % 50)), (0, ""))
            d.compute("gone", lambda v: DELETE if v is not MISSING else 1)

    run(4, work)
    assert d["int"] == 4 * n and d["tuple"][0] == 4 * n
    assert ("gone" in d) == (4 * n % 2 == 1)


def test_everything_at_once():
    """Every value of a key names it; nothing hangs, whatever raises."""
    d, n, told = SharedDict(), 300, AtomicInt()

    def work(i):
        rng = random.Random(i)

        def factory(key, depth=0):
            what = rng.randrange(8)
            if what == 0:
                raise Failed
            if what == 1 and depth < 3:
                other = rng.randrange(5)
                assert d.get_or_set(other, lambda: factory(other, depth + 1), 240)[0] == other
            if what == 2:
                d[key] = (key, "stored")
            return (key, "x" * rng.randrange(100))

        for _ in range(n):
            key = rng.randrange(5)
            try:
                assert d.get_or_set(key, lambda: factory(key), 240)[0] == key  # noqa: B023
                if rng.randrange(3) == 0:
                    d.pop(key, None)
                if rng.randrange(3) == 0:
                    assert d.wait_for(key, lambda v: v[0] == key, 0.001)[0] == key  # noqa: B023
            except (Failed, TimeoutError):
                pass
            except RuntimeError as error:
                assert "wait for itself" in str(error)
                told.increment()

    run(THREADS, work)
