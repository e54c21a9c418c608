"""SharedArray in one thread: items and limits, slices, buffers, what it refuses."""

import array
import copy
import gc
import itertools
import math
import operator
import pickle
import random
import struct
import sys
import weakref
from collections.abc import Hashable, MutableSequence, Sequence

import pytest
from memory import each_allocation_fails
from values import bits

import sharedobj as so
from sharedobj import AtomicInt, SharedArray, SharedDict

INTS = "bBhHiIlLqQ"
FLOATS = "fd"
LETTERS = INTS + FLOATS
NAN = math.nan


def limits(letter):
    bits = 8 * struct.calcsize(letter)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if letter.islower() else (0, (1 << bits) - 1)


def around_limits(letter):
    low, high = limits(letter)
    near = {low, high, 0, 1, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, high // 2, 2**100, -(2**100)}
    return sorted({n + d for n in near for d in (-1, 0, 1)})


def outcome(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error)


# ---- making one


@pytest.mark.parametrize("letter", LETTERS)
def test_zeros(letter):
    a = SharedArray(letter, 5)
    assert len(a) == 5 and a.tolist() == [0] * 5 and a.typecode == letter
    assert {type(item) for item in a} == {float if letter in FLOATS else int}
    assert a.itemsize == array.array(letter).itemsize and a.nbytes == 5 * a.itemsize
    assert SharedArray(letter, True).tolist() == [0]
    assert SharedArray(letter, AtomicInt(3)).tolist() == [0] * 3
    assert len(SharedArray(letter, 0)) == 0 and len(SharedArray(letter, ())) == 0


@pytest.mark.parametrize("letter", LETTERS)
def test_filled(letter):
    given = [3, 1, 2] * 20
    doubled = array.array(letter, [n for n in given for _ in "ab"])
    for source in (
        given,
        tuple(given),
        iter(given),
        (n for n in given),
        bytes(given),
        array.array(letter, given),
        array.array("h", given),
        array.array("d" if letter in FLOATS else "Q", given),
        memoryview(array.array(letter, given)),
        memoryview(doubled)[::2],
        SharedArray(letter, given),
        SharedArray("b", given),
        SharedArray("q", given)[:],
        map(AtomicInt, given),
    ):
        assert SharedArray(letter, source).tolist() == given
    assert SharedArray(letter, {5: "x"}).tolist() == [5]
    assert SharedArray(letter, [True, False]).tolist() == [1, 0]
    assert SharedArray(letter, range(70)).tolist() == list(range(70))
    assert SharedArray(letter, "").tolist() == []


def test_what_else_can_be_given():
    class Number:
        def __index__(self):
            return 4

        def __float__(self):
            return 0.5

    assert SharedArray("i", Number()).tolist() == [0] * 4
    assert SharedArray("i", [Number()]).tolist() == [4]
    assert SharedArray("d", [Number(), 1]).tolist() == [0.5, 1]

    class Old:
        def __getitem__(self, i):
            return [5, 6][i]

    assert SharedArray("B", Old()).tolist() == [5, 6]
    rows = memoryview(bytes(12)).cast("i", (1, 3))
    with pytest.raises((TypeError, NotImplementedError)):
        SharedArray("i", rows)

    class Lies:
        def __length_hint__(self):
            return sys.maxsize

        def __iter__(self):
            return iter((1, 2))

    assert SharedArray("i", Lies()).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((), TypeError, "SharedArray expected 2 arguments, got 0"),
        (("q",), TypeError, "SharedArray expected 2 arguments, got 1"),
        (("q", 1, 2), TypeError, "SharedArray expected 2 arguments, got 3"),
        ((1, 1), TypeError, "the typecode is a str of one letter, not int"),
        ((b"q", 1), TypeError, "the typecode is a str of one letter, not bytes"),
        (("u", 1), ValueError, "there is no typecode 'u': use one of b B h H i I l L q Q"),
        (("qq", 1), ValueError, "there is no typecode 'qq'"),
        (("", 1), ValueError, "there is no typecode ''"),
        (("\u0171", 1), ValueError, "there is no typecode"),
        (("\0", 1), ValueError, "there is no typecode"),
        (("q", -1), ValueError, "the number of items must not be negative"),
        (("q", 2**70), OverflowError, "index-sized"),
        (("q", sys.maxsize), MemoryError, "^$"),
        (("q", sys.maxsize // 8), MemoryError, "^$"),
        (("b", sys.maxsize), MemoryError, "^$"),
        (("q", 1.0), TypeError, "a number of items or an iterable of them, not float"),
        (("q", None), TypeError, "a number of items or an iterable of them, not NoneType"),
        (("q", "12"), TypeError, r"an item of a SharedArray\('q'\) is an int, not str$"),
        (("q", [1.0]), TypeError, "an int, not float: use round\\(x\\), or typecode 'd'"),
        (("d", ["1"]), TypeError, r"an item of a SharedArray\('d'\) is a float, not str$"),
        (("d", [1j]), TypeError, "is a float, not complex"),
        (("d", [10**400]), OverflowError, r"SharedArray\('d'\); no item .*: the ints of a Shared"),
        (("B", [1, 256]), OverflowError, r"SharedArray\('B'\) is from 0 to 255; no item has"),
        (("B", [-1]), OverflowError, "0 to 255; no item has changed: .*, or a signed one"),
        (("b", array.array("i", [300])), OverflowError, "from -128 to 127"),
        (("q", [2**63]), OverflowError, "the ints of a SharedDict have no limit"),
        (("Q", [2**64]), OverflowError, "from 0 to 18446744073709551615"),
        (("f", [1e39]), OverflowError, "too large for an item of a SharedArray\\('f'\\)"),
    ],
    ids=str,
)
def test_refused(args, error, text):
    with pytest.raises(error, match=text) as caught:
        SharedArray(*args)
    assert type(caught.value) is error


def test_errors_on_the_way_go_through():
    class Bad:
        def __index__(self):
            raise ZeroDivisionError

        __float__ = __iter__ = __index__

    def some():
        yield 1
        raise KeyError

    for letter in "id":
        for source in (Bad(), [1, Bad()]):
            with pytest.raises(ZeroDivisionError):
                SharedArray(letter, source)
        with pytest.raises(KeyError):
            SharedArray(letter, some())
    with pytest.raises(TypeError, match="no keyword"):
        SharedArray("q", n=1)

    class Hint:
        def __length_hint__(self):
            raise ZeroDivisionError

        def __iter__(self):
            return iter(())

    with pytest.raises(ZeroDivisionError):
        SharedArray("q", Hint())


def test_a_large_one_costs_nothing_until_it_is_used():
    a = SharedArray("q", 10**8)
    assert a[10**8 - 1] == 0 and a.increment(-1) == 1 and a.nbytes == 8 * 10**8
    assert so.stats()["bytes"] > 8 * 10**8


# ---- single items


@pytest.mark.parametrize("letter", INTS)
def test_ints_up_to_their_limits(letter):
    low, high = limits(letter)
    a = SharedArray(letter, 3)
    a[:] = high, low, high
    numbers = around_limits(letter)
    for n in numbers:
        if low <= n <= high:
            a[1] = n
            assert a[1] == n and type(a[1]) is int
            assert a.exchange(1, low) == n and a[1] == low
        else:
            for store in (
                lambda n=n: operator.setitem(a, 1, n),
                lambda n=n: a.exchange(1, n),
                lambda n=n: a.compare_and_set(1, low, n),
                lambda n=n: a.compare_and_set(1, n, n),
                lambda n=n: a.fetch_max(1, n),
                lambda n=n: a.fetch_min(1, n),
                lambda n=n: operator.setitem(a, slice(0, 2), [1, n]),
            ):
                with pytest.raises(OverflowError, match=f"from {low} to {high}"):
                    store()
            assert a.tolist() == [high, low, high]
    for start, n in itertools.product(numbers, numbers):
        if not low <= start <= high:
            continue
        for method, exact in ((a.increment, start + n), (a.decrement, start - n)):
            a[1] = start
            if low <= exact <= high:
                assert method(1, n) == exact == a[1]
            else:
                with pytest.raises(OverflowError):
                    method(1, n)
                assert a[1] == start
        a[1] = start
        if low <= n <= high:
            assert a.fetch_max(1, n) == start and a.exchange(1, start) == max(start, n)
            assert a.fetch_min(1, n) == start and a[1] == min(start, n)
            a[1] = start
            assert a.compare_and_set(1, n, low) == (start == n)
        else:
            assert a.compare_and_set(1, n, low) is False and a[1] == start
    assert a[0] == a[2] == high


@pytest.mark.parametrize("letter", FLOATS)
def test_floats(letter):
    a = SharedArray(letter, 1)
    plain = array.array(letter, [0.0])
    for value in (0.1, -2.5, 1e-40, math.inf, -math.inf, 3, True, -0.0, 1e38, 5e-324):
        a[0] = plain[0] = value
        assert bits(a[0]) == bits(plain[0])
        assert a.compare_and_set(0, plain[0], plain[0]) is True
    a[0] = NAN
    assert math.isnan(a[0]) and a.compare_and_set(0, a[0], -0.0)
    assert not a.compare_and_set(0, 0.0, 1.0) and a.compare_and_set(0, -0.0, 0.0)
    assert a.increment(0) == 1 and a.increment(0, 0.5) == 1.5 and a.decrement(0, 2) == -0.5
    assert a.decrement(0) == -1.5 == a[0]
    assert a.increment(0, math.inf) == math.inf and math.isnan(a.decrement(0, math.inf))
    assert math.isnan(a.fetch_max(0, 1)) and math.isnan(a.exchange(0, 2))
    assert a.fetch_max(0, NAN) == 2 == a.fetch_min(0, NAN) == a.fetch_max(0, 3)
    assert a.fetch_min(0, -1) == 3 and a[0] == -1


def test_floats_of_four_bytes_are_rounded():
    a = SharedArray("f", [0.1])
    assert a[0] == struct.unpack("f", struct.pack("f", 0.1))[0] != 0.1
    assert not a.compare_and_set(0, 0.1, 1) and a.compare_and_set(0, a[0], 1)
    assert a.increment(0, 1e-12) == 1
    for store in (
        lambda: operator.setitem(a, 0, 3.5e38),
        lambda: a.increment(0, 1e39),
        lambda: a.exchange(0, -1e300),
        lambda: a.fetch_max(0, 1e300),
        lambda: a.compare_and_set(0, 1, 1e300),
    ):
        with pytest.raises(OverflowError, match="no item has changed: use 'd'"):
            store()
    assert a[0] == 1
    d = SharedArray("d", [1e308])
    assert d.increment(0, 1e308) == math.inf  # as Python's floats do
    for b in (a, d):
        assert b.compare_and_set(0, 10**400, 2) is False
        for use in (b.increment, b.decrement, b.fetch_min, b.exchange, b.__setitem__):
            with pytest.raises(OverflowError, match="too large for an item of a SharedArray"):
                use(0, 10**400)
    assert a[0] == 1 and d[0] == math.inf


def test_indexes():
    a = SharedArray("i", [10, 11, 12])
    assert [a[i] for i in (-3, -2, -1, 0, 1, 2)] == [10, 11, 12] * 2
    assert a[True] == 11 and a[AtomicInt(2)] == 12
    a[-1] = 5
    assert a.increment(-1) == 6 and a.exchange(-3, 1) == 10 and a.tolist() == [1, 11, 6]
    for i in (3, -4, 2**31, -(2**31), 2**62, -(2**63), 2**100, -(2**100)):
        for use in (
            lambda i=i: a[i],
            lambda i=i: operator.setitem(a, i, 1),
            lambda i=i: a.increment(i),
            lambda i=i: a.decrement(i, 1),
            lambda i=i: a.exchange(i, 1),
            lambda i=i: a.compare_and_set(i, 1, 2),
            lambda i=i: a.fetch_max(i, 1),
            lambda i=i: a.fetch_min(i, 1),
        ):
            with pytest.raises(IndexError):
                use()
    with pytest.raises(IndexError, match="SharedArray index out of range: there are 3 items"):
        a[3]
    for i in ("0", 0.0, None, (0, 1)):
        with pytest.raises(TypeError, match="an index of a SharedArray is an int or a slice, not"):
            a[i]
        with pytest.raises(TypeError):
            a[i] = 1
        with pytest.raises(TypeError):
            a.increment(i)
    with pytest.raises(TypeError):
        a.increment(slice(1))
    with pytest.raises(IndexError):
        SharedArray("i", 0)[0]


def test_arguments():
    a = SharedArray("q", [0, 0])
    assert a.increment(i=1, n=2) == 2 and a.increment(1, n=3) == 5 and a.decrement(i=1) == 4
    assert a.compare_and_set(desired=7, i=1, expected=4) and a.compare_and_set(1, 7, desired=8)
    for call in (
        lambda: a.increment(),
        lambda: a.increment(n=1),
        lambda: a.increment(1, 2, 3),
        lambda: a.increment(1, i=1),
        lambda: a.increment(1, by=1),
        lambda: a.exchange(1),
        lambda: a.exchange(1, 2, 3),
        lambda: a.exchange(i=1, value=1),
        lambda: a.compare_and_set(1, 2),
        lambda: a.fetch_max(1),
        lambda: a.fetch_min(),
        lambda: a.index(),
        lambda: a.index(1, 2, 3, 4),
        lambda: a.increment(1, 0.5),
        lambda: a.increment(1, None),
        lambda: a.increment(1, "1"),
        lambda: a.exchange(1, 1.0),
        lambda: a.compare_and_set(1, 8.0, 1),
        lambda: a.compare_and_set(1, 8, None),
        lambda: SharedArray("d", 1).increment(0, "x"),
        lambda: SharedArray("d", 1).increment(0, None),
    ):
        with pytest.raises(TypeError):
            call()
    assert a.tolist() == [0, 8]
    assert a.increment(0, AtomicInt(5)) == 5 and a.increment(0, True) == 6


def test_what_an_item_runs_may_use_the_array():
    a = SharedArray("i", [0, 0])
    d = SharedArray("d", [0, 0])

    class Evil:
        def __index__(self):
            a[0] = 5
            a[:] = [5, 5]
            return 1

        def __float__(self):
            d[:] = [7, 7]
            return 1.0

    assert a.increment(0, Evil()) == 6 and a.exchange(Evil(), Evil()) == 5
    a[Evil()] = Evil()
    assert a.tolist() == [5, 1]
    a[::-1] = [Evil(), 3]
    assert a.tolist() == [3, 1] and not a.compare_and_set(1, Evil(), Evil())
    assert d.increment(0, Evil()) == 8 and a[: Evil()].tolist() == [5]


# ---- several items


def test_slices_are_new_arrays():
    numbers = list(range(10))
    a = SharedArray("h", numbers)
    ends = [None, 0, 1, 5, 9, 10, 11, -1, -3, -10, -11, 2**40, -(2**40), 2**100]
    for start, stop, step in itertools.product(ends, ends, [None, 1, 2, 3, -1, -2, 11, -(2**63)]):
        key = slice(start, stop, step)
        part = a[key]
        assert type(part) is SharedArray and part.typecode == "h"
        assert part.tolist() == numbers[key]
    part = a[:]
    part[0] = 99
    assert a[0] == 0 and part is not a
    with pytest.raises(ValueError, match="zero"):
        a[::0]
    with pytest.raises(TypeError):
        a["a":]


@pytest.mark.parametrize("letter", "bqf")
def test_assignment_to_slices(letter):
    rng = random.Random(5)
    plain, a = [0] * 12, SharedArray(letter, 12)
    for _ in range(300):
        key = slice(
            *(rng.choice([None, *range(-13, 14)]) for _ in range(2)), rng.choice([1, 2, -1])
        )
        new = [rng.randrange(100) for _ in plain[key]]
        make = rng.choice(
            [list, iter, tuple, lambda n: SharedArray(letter, n), lambda n: array.array(letter, n)]
        )
        plain[key] = new
        a[key] = make(new)
        assert a.tolist() == plain
    a[1:] = a[:-1]
    assert a.tolist() == plain[:1] + plain[:-1]
    a[:] = a
    before = a.tolist()
    for key, source, error in (
        (slice(0, 2), [1], ValueError),
        (slice(0, 2), [1, 2, 3], ValueError),
        (slice(0, 0), [1], ValueError),
        (slice(None, None, 2), range(7), ValueError),
        (slice(0, 2), [1, "x"], TypeError),
        (slice(0, 2), 0, TypeError),
        (slice(0, 2), [1, None], TypeError),
        (slice(0, 2, 0), [], ValueError),
    ):
        with pytest.raises(error):
            a[key] = source
        assert a.tolist() == before
    with pytest.raises(ValueError, match="fixed length: 3 items cannot take the place of 2"):
        a[:2] = 1, 2, 3
    with pytest.raises(TypeError, match=r"takes an iterable of items, not int: .* say \[x\] \* 12"):
        a[:] = 0
    for key in (0, slice(0, 1)):
        with pytest.raises(TypeError, match="fixed length: its items cannot be deleted"):
            del a[key]


def test_as_a_sequence():
    a = SharedArray("d", [0.5, -0.0, 2, 0.5])
    assert isinstance(a, Sequence) and not isinstance(a, (MutableSequence, Hashable))
    assert list(a) == a.tolist() == [0.5, 0, 2, 0.5] and list(reversed(a)) == [0.5, 2, 0, 0.5]
    assert sum(a) == 3 and max(a) == 2 and sorted(a)[-1] == 2 and bool(a)
    assert not SharedArray("d", 0) and list(SharedArray("d", 0)) == []
    match a:
        case [first, *rest]:
            assert first == 0.5 and rest == [0, 2, 0.5]
        case _:
            raise AssertionError
    iterator = iter(a)
    assert next(iterator) == 0.5
    a[1] = 7
    assert operator.length_hint(iterator) == 3 and list(copy.copy(iterator)) == [7, 2, 0.5]
    assert list(iterator) == [7, 2, 0.5] and next(iterator, None) is None
    assert next(iterator, None) is None and operator.length_hint(iterator) == 0
    iterator = reversed(a)
    assert next(iterator) == 0.5 and operator.length_hint(iterator) == 3
    assert list(pickle.loads(pickle.dumps(iterator))) == [2, 7, 0.5] == list(iterator)
    assert next(iterator, None) is None and list(copy.copy(iterator)) == []
    assert iter(iterator) is iterator and list(reversed(SharedArray("d", 0))) == []
    with pytest.raises(TypeError):
        type(iterator)(a)
    assert len(a) == operator.length_hint(a) == 4
    random.Random(1).shuffle(a)
    assert sorted(a) == [0.5, 0.5, 2, 7]


@pytest.mark.parametrize("letter", ["b", "Q", "q", "f", "d"])
def test_search(letter):
    items = [3, 1, 100, 1, 0]
    a = SharedArray(letter, items)
    wanted = [*items, 2, 300, -1, 2**64, -(2**70), 1.0, 1.5, True, 1 + 0j, "1", None, NAN, (1,)]
    wanted += [AtomicInt(100), 10**400, -0.0]
    for value in wanted:
        assert (value in a) == (value in items)
        assert a.count(value) == items.count(value)
        assert outcome(a.index, value) == outcome(items.index, value)
    ends = [0, 1, 3, 5, 9, -1, -2, -5, -9, 2**80, -(2**80)]
    for start, stop in itertools.product(ends, ends):
        assert outcome(a.index, 1, start, stop) == outcome(items.index, 1, start, stop)
        assert outcome(a.index, 1, start) == outcome(items.index, 1, start)
    with pytest.raises(ValueError, match=r"index\(\): 'x' is not in the SharedArray"):
        a.index("x")
    with pytest.raises(TypeError):
        a.index(1, None)

    class Bad:
        def __eq__(self, other):
            raise ZeroDivisionError

    for search in (a.index, a.count, lambda v: v in a):
        with pytest.raises(ZeroDivisionError):
            search(Bad())
    assert NAN not in SharedArray("d", [NAN])


def test_comparison():
    rng = random.Random(3)
    for _ in range(2000):
        x, y = ([rng.choice([0, 1, 2]) for _ in range(rng.randrange(4))] for _ in "ab")
        a, b = (SharedArray(rng.choice("bQqfd"), n) for n in (x, y))
        for op in ("eq", "ne", "lt", "le", "gt", "ge"):
            assert getattr(operator, op)(a, b) == getattr(operator, op)(x, y)
    a, far = SharedArray("q", [-1, 2**63 - 1]), SharedArray("d", [-1, 2.0**63])
    assert a != SharedArray("Q", [2**64 - 1, 2**63 - 1]) and a < far and a != far
    nan = SharedArray("d", [NAN])
    assert nan == nan.local() and operator.ne(nan, nan.local()) is False and nan <= nan.local()
    assert not nan < nan.local() and nan != nan.copy() and not nan < nan.copy()
    for other in ([0], array.array("q", [0]), None, bytes(8)):
        assert SharedArray("q", 1) != other
        assert operator.eq(SharedArray("q", 1), other) is False
        with pytest.raises(TypeError):
            SharedArray("q", 1) < other  # noqa: B015


def test_repr():
    assert repr(SharedArray("d", [0.5, -0.0, NAN])) == "SharedArray('d', [0.5, -0.0, nan])"
    assert repr(SharedArray("B", 0)) == "SharedArray('B', [])"
    a = SharedArray("q", range(100))
    assert eval(repr(a)) == a
    assert (
        repr(SharedArray("q", range(1000)))
        == "<SharedArray('q') of 1000 items: [0, 1, 2, ..., 997, 998, 999]>"
    )


# ---- copies, identity


def test_copies():
    a = SharedArray("f", [1, 2, 3])
    for b in (a.copy(), copy.copy(a), copy.deepcopy(a), a[:]):
        assert type(b) is SharedArray and b == a and b is not a and b.id != a.id
        assert b.typecode == "f"
        b[0] = 9
        assert a[0] == 1
    further = a.local()
    one, two, three = copy.deepcopy([a, a, further])
    assert one is two is three and one is not a
    d = copy.deepcopy(SharedDict(a=a))
    assert d["a"] == a and d["a"] is not a


def test_identity():
    a = SharedArray("q", 3)
    assert so.attach(a.id) is a and pickle.loads(pickle.dumps(a)) is a and a.local() == a
    d = SharedDict(a=a, pair=(a, 1))
    assert d["a"] is a and d["pair"][0] is a
    channel = so.Channel(1)
    channel.send([a, {"a": a}])
    assert channel.recv()[1]["a"] is a
    with pytest.raises(TypeError, match=r"^unhashable type: 'sharedobj\.SharedArray', because"):
        hash(a)
    assert type(a).__hash__ is None
    with pytest.raises(TypeError):
        d[a] = 1
    with pytest.raises(TypeError):
        type("Sub", (SharedArray,), {})
    with pytest.raises(AttributeError):
        a.typecode = "d"
    assert SharedArray[int] == SharedArray[int] and so.is_shareable(a)
    seen = weakref.ref(a)
    del a, d
    gc.collect()
    assert seen() is None


def test_figures():
    before = so.stats()
    a = SharedArray("d", 100_000)
    now = so.stats()
    assert now["types"]["SharedArray"] == before["types"]["SharedArray"] + 1
    assert a.nbytes == 800_000 <= sys.getsizeof(a) < 801_000
    assert now["bytes"] - before["bytes"] >= 800_000
    del a
    so.collect()
    assert so.stats()["bytes"] <= before["bytes"] + 1000


@pytest.mark.parametrize(
    "use",
    [
        lambda a: SharedArray("q", 1000),
        lambda a: SharedArray("q", [1] * 1000),
        lambda a: a.copy(),
        lambda a: a[::2],
        lambda a: SharedDict(a=a),
    ],
    ids=range(5),
)
def test_failing_allocations(use):
    a = SharedArray("q", range(100))
    assert each_allocation_fails(lambda: use(a))[1] > 0
    assert a.tolist() == list(range(100))


# ---- buffers


@pytest.mark.parametrize("letter", LETTERS)
def test_memoryview(letter):
    a = SharedArray(letter, [1, 2, 3])
    view = memoryview(a)
    assert (view.format, view.itemsize, view.ndim, view.shape) == (letter, a.itemsize, 1, (3,))
    assert view.strides == (a.itemsize,) and not view.readonly and view.c_contiguous
    assert view.obj is a and view.nbytes == a.nbytes and view.tolist() == a.tolist()
    view[1] = 7
    assert a[1] == 7 and a.increment(1) == 8 == view[1]
    view[:] = array.array(letter, [4, 5, 6])
    assert a.tolist() == [4, 5, 6] and view == array.array(letter, [4, 5, 6])
    assert bytes(a) == array.array(letter, [4, 5, 6]).tobytes() == view.tobytes()
    raw = view.cast("B")
    raw[:] = bytes(len(raw))
    assert a.tolist() == [0, 0, 0]
    assert struct.pack_into(f"{letter}", a, a.itemsize, 9) is None and a[1] == 9
    assert memoryview(SharedArray(letter, 0)).tolist() == []


def test_a_buffer_keeps_the_memory():
    view = memoryview(SharedArray("q", [1, 2, 3]))
    so.collect()
    rest = view[1:]
    view.release()
    gc.collect()
    so.collect()
    assert rest.tolist() == [2, 3]
    rest[0] = 5
    seen = weakref.ref(rest.obj)
    assert seen().tolist() == [1, 5, 3]
    del rest
    gc.collect()
    assert seen() is None


def test_what_others_ask_of_a_buffer():
    a = SharedArray("H", [0x4142, 0x4344])
    assert b"".join([a, a]) == bytes(a) * 2 and bytearray(a) == bytes(a)
    b = bytearray(4)
    b[:] = a
    assert bytes(b) == bytes(a) == array.array("H", a).tobytes()
    assert int.from_bytes(a, sys.byteorder) == int.from_bytes(bytes(a), sys.byteorder)
    again = SharedArray("H", 2)
    with open("/dev/zero", "rb", buffering=0) as zeros:
        assert zeros.readinto(a) == 4
    assert a == again
    testbuffer = pytest.importorskip("_testbuffer")
    for flags, expected in (
        (testbuffer.PyBUF_SIMPLE, ("", (), ())),
        (testbuffer.PyBUF_WRITABLE, ("", (), ())),
        (testbuffer.PyBUF_FORMAT, ("H", (), ())),
        (testbuffer.PyBUF_ND, ("", (2,), ())),
        (testbuffer.PyBUF_STRIDES, ("", (2,), (2,))),
        (testbuffer.PyBUF_C_CONTIGUOUS, ("", (2,), (2,))),
        (testbuffer.PyBUF_F_CONTIGUOUS, ("", (2,), (2,))),
        (testbuffer.PyBUF_INDIRECT, ("", (2,), (2,))),
        (testbuffer.PyBUF_FULL, ("H", (2,), (2,))),
    ):
        seen = testbuffer.ndarray(a, getbuf=flags)
        assert (seen.format, seen.shape, seen.strides) == expected, flags
        assert seen.readonly == 0 and seen.nbytes == 4


def test_numpy():
    numpy = pytest.importorskip("numpy")
    a = SharedArray("d", [1, 2, 3])
    n = numpy.frombuffer(a)
    assert n.dtype == numpy.float64 and n.sum() == 6
    n += 1
    assert a.tolist() == [2, 3, 4]
    assert numpy.asarray(a).__array_interface__["data"][0] == n.__array_interface__["data"][0]
    counts = numpy.asarray(SharedArray("I", 4))
    assert counts.dtype == numpy.uint32 and not counts.any()
    assert SharedArray("q", numpy.arange(5)).tolist() == [0, 1, 2, 3, 4]
    assert SharedArray("i", numpy.arange(10)[::3]).tolist() == [0, 3, 6, 9]
    assert SharedArray("q", numpy.int64(3)).tolist() == [0, 0, 0]
    a[:] = n * 2
    assert a.tolist() == [4, 6, 8] and a.increment(numpy.int64(0), numpy.float64(1)) == 5


def test_fork(run_python):
    run_python(
        """if 1:
        import os, warnings
        import sharedobj as so
        warnings.simplefilter("error")
        a = so.SharedArray("q", [1, 2])
        if (child := os.fork()) == 0:
            assert a.increment(0) == 2 and so.attach(a.id) is a
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0 and a.tolist() == [1, 2]
        """
    )
