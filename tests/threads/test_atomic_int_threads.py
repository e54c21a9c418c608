"""AtomicInt used by several threads at once: totals are exact, and nobody ever sees a
value that is not the result of an operation."""

import operator
import threading

import pytest
from interps import in_thread

from sharedobj import AtomicInt

MAX = 2**63 - 1
MIN = -(2**63)
THREADS = 4
N = 3000


def together(*functions):
    """Runs the functions in a thread each, started at the same moment."""
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        return function()

    return [thread.join() for thread in [in_thread(run, f) for f in functions]]


def operator_plus(a):
    a += 1


def operator_minus(a):
    a -= -1


ADD_ONE = {
    "+=": operator_plus,
    "-=": operator_minus,
    "increment": lambda a: a.increment(),
    "decrement": lambda a: a.decrement(-1),
    "fetch_add": lambda a: a.fetch_add(),
    "update": lambda a: a.update(lambda v: v + 1),
    "not compact": lambda a: (a.__iadd__(2**60), a.__isub__(2**60 - 1)),
}


@pytest.mark.parametrize("how", ADD_ONE)
@pytest.mark.parametrize("local", [False, True], ids=["one handle", "own handles"])
def test_nothing_is_lost(how, local):
    a, add = AtomicInt(), ADD_ONE[how]

    def work():
        mine = a.local() if local else a
        for _ in range(N):
            add(mine)

    together(*[work] * THREADS)
    assert a.get() == THREADS * N


@pytest.mark.parametrize("far", [MAX // 2, MIN // 2, 2**61 - 100, -(2**61) + 100], ids=str)
def test_nothing_is_lost_while_the_value_jumps(far):
    """The core keeps large values elsewhere: additions go on while they move there."""
    adds = 500

    for _ in range(30):
        a, taken = AtomicInt(), AtomicInt()

        def add(a=a):
            for _ in range(adds):
                a += 1

        def jump(a=a, taken=taken):
            for value in (3, far, 5, far, 0):
                taken += a.exchange(value) - value

        together(add, jump, add)
        assert a.get() + taken.get() == 2 * adds


def test_compare_and_set_lets_one_through():
    a = AtomicInt()

    def work():
        won = 0
        for i in range(N):
            won += a.compare_and_set(i, i + 1)
            while a.get() <= i:
                pass
        return won

    assert sum(together(*[work] * 3)) == N and a.get() == N


def test_fetch_add_gives_each_number_once():
    a = AtomicInt()
    got = together(*[lambda: [a.fetch_add() for _ in range(N)]] * THREADS)
    assert sorted(n for numbers in got for n in numbers) == list(range(THREADS * N))


def test_exchange_gives_each_value_to_one():
    a = AtomicInt(-1)
    got = together(*[lambda k=k: [a.exchange(k * N + i) for i in range(N)] for k in range(THREADS)])
    seen = sorted([n for numbers in got for n in numbers] + [a.get()])
    assert seen == list(range(-1, THREADS * N))


@pytest.mark.parametrize(
    ("limit", "step"), [(MAX, 1), (MIN, -1), (MAX, 7), (MIN, -(2**40))], ids=str
)
def test_no_wrong_value_at_the_limits(limit, step):
    """Threads push over the limit while others put the value back and look."""
    start = limit - 3 * step
    a = AtomicInt(start)
    legal = {start + i * step for i in range(4)}
    refused = AtomicInt()
    begun, done = threading.Event(), threading.Event()

    def push(add):
        for _ in range(N):
            try:
                add()
            except OverflowError:
                refused.increment()
                assert a.get() in legal
                a.set(start)

    def watch():
        while not done.is_set():
            assert a.get() in legal
            begun.set()

    def in_place():
        operator.iadd(a, step)

    watcher = in_thread(watch)
    assert begun.wait(240)
    try:
        together(
            lambda: push(in_place),
            lambda: push(lambda: a.increment(step)),
            lambda: push(lambda: a.decrement(-step)),
            lambda: push(lambda: a.update(lambda v: v + step)),
        )
    finally:
        done.set()
    watcher.join()
    assert refused.get() > 0
    assert a.get() in legal


def test_bits_are_set_by_one_and_cleared_by_another():
    a = AtomicInt()

    def work(bit):
        mask = 1 << bit
        for _ in range(N):
            a.__ior__(mask)
            assert a.get() & mask
            a.__iand__(~mask)
            assert not a.get() & mask
            a.__ixor__(mask)
            assert a & mask
            a.__ixor__(mask)

    together(*[lambda bit=bit: work(bit) for bit in range(THREADS)])
    assert a.get() == 0


def test_fetch_max_and_fetch_min():
    high, low = AtomicInt(MIN), AtomicInt(MAX)

    def work(k):
        for i in range(N):
            high.fetch_max(i * THREADS + k)
            low.fetch_min(-(i * THREADS + k))

    together(*[lambda k=k: work(k) for k in range(THREADS)])
    assert high.get() == N * THREADS - 1 and low.get() == -(N * THREADS - 1)


def test_ping_pong():
    a = AtomicInt()

    def play(parity):
        value = a.get()
        while value < 400:
            mine = value % 2 == parity
            value = a.increment() if mine else a.wait(value, timeout=240)

    together(lambda: play(0), lambda: play(1))
    assert a.get() >= 400


def test_every_way_to_write_wakes():
    writes = [
        lambda a: a.set(1),
        lambda a: a.exchange(1),
        lambda a: a.increment(),
        lambda a: a.decrement(-1),
        lambda a: a.fetch_add(),
        lambda a: a.fetch_max(1),
        lambda a: a.fetch_min(-1),
        lambda a: a.compare_and_set(0, 1),
        lambda a: a.update(lambda v: v + 1),
        lambda a: operator.iadd(a, 1),
        lambda a: operator.ixor(a, 1),
    ]
    for write in writes:
        a, started = AtomicInt(), AtomicInt()
        waiters = [in_thread(lambda a, s: (s.increment(), a.wait(0))[1], a, started) for _ in "ab"]
        while (n := started.get()) < 2:
            started.wait(n, timeout=240)
        write(a)
        assert {waiter.join() for waiter in waiters} == {a.get()}


def test_waits_that_time_out_among_others_that_do_not():
    a = AtomicInt()

    def impatient():
        for _ in range(50):
            try:
                a.wait(0, 0.0005)
            except TimeoutError:
                continue
            return 1
        return 0

    waiters = [in_thread(lambda: a.wait(0, 240)) for _ in range(3)]
    together(*[impatient] * 3)
    a.set(4)
    assert [waiter.join() for waiter in waiters] == [4, 4, 4]
