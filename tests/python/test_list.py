"""SharedList in one thread: items, slices, operators."""

import itertools
import math
import operator
import random
import sys

import immortals
import pytest
from values import COMPOUND, LEAVES, identical

import sharedobj
from sharedobj import AtomicInt, Channel, NotShareableError, SharedDict, SharedList

VALUES = [*LEAVES, *COMPOUND]

# ---- construction


def test_construct():
    assert SharedList() == [] and SharedList("ab") == ["a", "b"]
    assert SharedList([1, 2]) == [1, 2] and SharedList(SharedList([3])) == [3]
    assert SharedList((1, (2, 3))) == [1, (2, 3)] and SharedList({"k": 1}) == ["k"]
    assert SharedList(iter(range(5))) == SharedList(x for x in range(5)) == [0, 1, 2, 3, 4]
    for wrong in ((1,), ([], []), (None,)):
        with pytest.raises(TypeError):
            SharedList(*wrong)
    with pytest.raises(TypeError, match="no keyword arguments"):
        SharedList(iterable=())
    with pytest.raises(ZeroDivisionError):
        SharedList(1 // x for x in (1, 0))
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (SharedList,), {})


def test_construct_from_ranges():
    for r in (
        range(0),
        range(5),
        range(5, -7, -3),
        range(2**60 - 2, 2**60 + 2),
        range(-(2**60) - 1, -(2**60) + 2),
        range(2**63 - 1, 2**63 + 2),
        range(2**200, 2**200 + 9, 4),
        range(-(2**63), 2**63, 2**62),
        range(2**63 - 1, -(2**63), -(2**62)),
    ):
        assert SharedList(r).snapshot() == list(r)
    with pytest.raises(OverflowError):
        SharedList(range(2**70))
    with pytest.raises(MemoryError):
        SharedList(range(2**62))


def test_construct_again():
    """As list.__init__: the content is replaced."""
    s = SharedList("ab")
    s.__init__("bc")
    assert s == ["b", "c"]
    s.__init__()
    assert s == []
    assert SharedList.__new__(SharedList, "ignored, as by list") == []


# ---- single items


def test_every_kind_of_value():
    s = SharedList(VALUES)
    assert len(s) == len(VALUES)
    for i, value in enumerate(VALUES):
        assert identical(s[i], value) and identical(s[i - len(s)], value)
    assert identical(list(s), list(VALUES)) and identical(s.snapshot(), list(VALUES))
    assert identical(list(reversed(s)), list(reversed(VALUES)))
    assert all(identical(s.exchange(i, i), value) for i, value in enumerate(VALUES))
    s.replace(VALUES)
    assert all(identical(s.pop(), value) for value in reversed(VALUES))
    s.extend(VALUES)
    assert all(identical(s.pop(0), value) for value in VALUES)


def test_handles_are_the_objects_themselves():
    d, c, a = SharedDict(), Channel(), AtomicInt(5)
    s = SharedList([d, c, a, (d, 1)])
    assert s[0] is d and s[1] is c and s[2] is a and s[3][0] is d
    assert s.index(c) == 1 and d in s and s.count(c) == 1
    s[2] += 3
    assert a.get() == 8 and s[2] is a


@pytest.mark.skipif(not immortals.SUPPORTED, reason="immortal() makes no objects here")
def test_immortal_objects_come_out_as_themselves():
    for one in map(sharedobj.immortal, ("text" * 1000, b"b" * 50_000, 10**50, 1e300)):
        s = SharedList([one, 0])
        assert s[0] is next(iter(s)) is s.snapshot()[0] is s[::-1][1] is one
        assert s.exchange(0, 1) is one
        s.insert(0, one)
        assert s.pop(0) is one


def test_index_and_store():
    s = SharedList([10, 11, 12])
    s[0], s[-1] = "first", "last"
    assert s == ["first", 11, "last"]
    for wrong in (3, -4, 10**18, -(10**18), 10**30, -(10**30)):
        with pytest.raises(IndexError):
            s[wrong]
        with pytest.raises(IndexError):
            s[wrong] = 0
        with pytest.raises(IndexError):
            del s[wrong]
        for method in (s.exchange, s.increment):
            with pytest.raises(IndexError):
                method(wrong, 1)
        with pytest.raises(IndexError):
            s.compare_and_set(wrong, 11, 12)
    for wrong in ("0", 0.0, None, (0,)):
        with pytest.raises(TypeError, match="list indices must be integers or slices, not"):
            s[wrong]
        with pytest.raises(TypeError, match="list indices must be integers or slices, not"):
            s[wrong] = 1
        with pytest.raises(TypeError, match="list indices must be integers or slices, not"):
            del s[wrong]
        with pytest.raises(TypeError):
            s.exchange(wrong, 1)
    assert s[True] == 11 and s[AtomicInt(2)] == "last"
    assert s == ["first", 11, "last"]


def test_by_number_from_c():
    """PySequence_GetItem and its kin, which add the length to an index below 0."""
    ctypes = pytest.importorskip("ctypes")
    thing, number = ctypes.py_object, ctypes.c_ssize_t
    get = ctypes.PYFUNCTYPE(thing, thing, number)(("PySequence_GetItem", ctypes.pythonapi))
    store = ctypes.PYFUNCTYPE(ctypes.c_int, thing, number, thing)(
        ("PySequence_SetItem", ctypes.pythonapi)
    )
    delete = ctypes.PYFUNCTYPE(ctypes.c_int, thing, number)(
        ("PySequence_DelItem", ctypes.pythonapi)
    )
    s = SharedList([10, 11, 12])
    assert [get(s, i) for i in (0, 2, -1, -3)] == [10, 12, 12, 10]
    for wrong in (3, -4, -7):
        with pytest.raises(IndexError):
            get(s, wrong)
        with pytest.raises(IndexError):
            store(s, wrong, 1)
        with pytest.raises(IndexError):
            delete(s, wrong)
    store(s, -1, "x")
    delete(s, 0)
    assert s == [11, "x"]


def test_append_push_insert():
    s = SharedList()
    assert s.append("a") is None and s.push("b") == 1 and s.push("c") == 2
    assert s.insert(0, "first") is None
    s.insert(-1, "before the last")
    s.insert(100, "end")
    s.insert(-100, "begin")
    assert s == ["begin", "first", "a", "b", "before the last", "c", "end"]
    for wrong in (10**30, -(10**30)):
        with pytest.raises(OverflowError):
            s.insert(wrong, 0)
    for wrong in ((), (1,), (1, 2, 3), ("1", 2)):
        with pytest.raises(TypeError):
            s.insert(*wrong)
    assert len(s) == 7


def test_pop():
    s = SharedList(range(6))
    assert [s.pop(), s.pop(0), s.pop(-2), s.pop(1)] == [5, 0, 3, 2] and s == [1, 4]
    for wrong in (2, -3):
        with pytest.raises(IndexError, match="pop index out of range"):
            s.pop(wrong)
    with pytest.raises(OverflowError):
        s.pop(10**30)
    with pytest.raises(TypeError):
        s.pop(0, 1)
    with pytest.raises(TypeError):
        s.pop(None)
    s.clear()
    for index in ((), (0,), (5,)):
        with pytest.raises(IndexError, match="pop from empty list"):
            s.pop(*index)


def test_remove():
    s = SharedList([1, "a", 1.0, True, (1, 2), "a"])
    s.remove("a")
    s.remove(True)
    assert s == [1.0, True, (1, 2), "a"]
    s.remove((1, 2))
    with pytest.raises(ValueError, match="not in list"):
        s.remove("z")
    with pytest.raises(TypeError):
        s.remove()
    assert s == [1, 1, "a"]


def test_exchange():
    s = SharedList([1, "a" * 30_000])
    assert s.exchange(0, (1, 2)) == 1 and s.exchange(index=-1, value=None) == "a" * 30_000
    assert s == [(1, 2), None]
    for wrong in ((), (0,), (0, 1, 2)):
        with pytest.raises(TypeError):
            s.exchange(*wrong)
    with pytest.raises(NotShareableError):
        s.exchange(0, [])
    assert s[0] == (1, 2)


def test_compare_and_set():
    s = SharedList([1, 0.0, math.nan, "text", ("a", 2.5)])
    assert s.compare_and_set(0, 1, 2) is True and s.compare_and_set(0, 1, 3) is False
    assert not s.compare_and_set(0, 2.0, 3) and not s.compare_and_set(1, -0.0, 3)
    assert s.compare_and_set(1, 0.0, True) and not s.compare_and_set(1, 1, 3)
    assert s.compare_and_set(2, math.nan, "n") and s.compare_and_set(-2, "te" + "xt", "T")
    assert s.compare_and_set(index=4, expected=("a", 2.5), desired=None)
    assert identical(s.snapshot(), [2, True, "n", "T", None])
    with pytest.raises(NotShareableError):
        s.compare_and_set(0, [], 1)
    with pytest.raises(NotShareableError):
        s.compare_and_set(0, 1, [])
    with pytest.raises(NotShareableError):
        s.compare_and_set(0, sharedobj.MISSING, 1)
    with pytest.raises(IndexError):
        s.compare_and_set(5, 1, 2)


def test_increment():
    s = SharedList([1, 2.5, True, 2**60 - 1, "x", AtomicInt(), -0.0])
    assert s.increment(0) == 2 and s.increment(0, -5) == -3 and s.increment(-7, n=10) == 7
    assert s.increment(1) == 3.5 and s.increment(0, 0.5) == 7.5
    assert identical(s.increment(2), 2) and s.increment(3) == 2**60
    assert s.increment(3, 2**100) == 2**100 + 2**60 and s.increment(3, -(2**100)) == 2**60
    assert identical(s.increment(6, -0.0), -0.0) and math.isnan(s.increment(6, math.nan))
    for index in (4, 5):
        with pytest.raises(TypeError, match="only int and float have atomic increments"):
            s.increment(index)
    for wrong in ("1", None, 1j):
        with pytest.raises(TypeError, match="n must be an int or a float"):
            s.increment(0, wrong)
    with pytest.raises(TypeError):
        s.increment()
    with pytest.raises(OverflowError):
        SharedList([10**400]).increment(0, 0.5)
    assert s[0] == 7.5 and s[4] == "x"


# ---- what cannot be stored


def test_not_shareable():
    s = SharedList([1, 2])
    stores = [
        s.append,
        s.push,
        lambda value: s.insert(0, value),
        lambda value: s.__setitem__(0, value),
        lambda value: s.exchange(0, value),
    ]
    for store in stores:
        with pytest.raises(NotShareableError, match=r"^value is a list; use tuple\(x\) or a S"):
            store([])
        with pytest.raises(NotShareableError, match=r"^value\[1\] is a set; "):
            store((1, set()))
    stores = [
        SharedList,
        s.extend,
        s.replace,
        s.__iadd__,
        s.__init__,
        lambda values: s.__setitem__(slice(0, 1), values),
        lambda values: s.__setitem__(slice(None, None, -1), values),
    ]
    for store in stores:
        for kind in (list, tuple, iter):
            with pytest.raises(NotShareableError, match=r"^value\[2\] is an? .*object; "):
                store(kind([1, "a", object(), 3]))
        with pytest.raises(NotShareableError, match=r"^value\[1\]\[0\]\['k'\] is a set|\[0\] is a"):
            store([1, ({"k": set()},)])
    assert s == [1, 2]
    with pytest.raises(NotShareableError, match=r"^value\[0\] is a list"):
        s + [[]]
    assert s == [1, 2]


# ---- slices

BOUNDS = [None, *range(-7, 8), 10**30, -(10**30)]
STEPS = [None, 1, 2, 3, 7, -1, -2, -3, -7, 10**30, -(10**30)]


def slices():
    return itertools.starmap(slice, itertools.product(BOUNDS, BOUNDS, STEPS))


def test_read_every_slice():
    for n in range(7):
        plain = list(range(n))
        s = SharedList(plain)
        for part in slices():
            got = s[part]
            assert type(got) is SharedList and got == plain[part], (n, part)


def test_delete_every_slice():
    for n in (0, 1, 2, 5):
        for part in slices():
            plain = [f"item {i}" for i in range(n)]
            s = SharedList(plain)
            del plain[part]
            del s[part]
            assert s == plain, (n, part)


def test_assign_to_every_slice():
    for n in (0, 1, 2, 5):
        for part in slices():
            for m in {0, 1, 2, len(range(n)[part])}:
                plain = [f"item {i}" for i in range(n)]
                s, new = SharedList(plain), [("new", i) for i in range(m)]
                try:
                    plain[part] = new
                except ValueError as error:
                    with pytest.raises(ValueError) as caught:
                        s[part] = new
                    assert str(caught.value) == str(error)
                else:
                    s[part] = new
                assert s == plain, (n, part, m)


def test_slices_of_a_long_list():
    """Across whatever pieces the list is kept in."""
    plain = list(range(5000))
    s, rng = SharedList(plain), random.Random(7)
    for _ in range(150):
        a, b = sorted(rng.sample(range(-5500, 5500), 2))
        step = rng.choice([1, 1, 1, 2, 17, -1, -3])
        part = slice(a, b, step) if step > 0 else slice(b, a, step)
        new = [rng.random() for _ in range(len(range(len(plain))[part]))]
        kind = rng.randrange(4)
        if kind == 0:
            plain[part] = new
            s[part] = new
        elif kind == 1 and step == 1:
            new = new[: rng.randrange(len(new) + 1)] * rng.choice([1, 2])
            plain[part] = new
            s[part] = iter(new)
        elif kind == 2 and len(plain) > 2000:
            del plain[part]
            del s[part]
        else:
            assert s[part].snapshot() == plain[part]
        while len(plain) < 2000:
            plain[1:1] = range(3000)
            s[1:1] = range(3000)
        assert s.snapshot() == plain and list(s) == plain


def test_slices_with_themselves():
    s = SharedList([1, 2, 3])
    s[:] = s
    s[1:1] = s
    assert s == [1, 1, 2, 3, 2, 3]
    s[::2] = s[1::2]
    assert s == [1, 1, 3, 3, 3, 3]
    s[::-1] = s
    assert s == [3, 3, 3, 3, 1, 1]


def test_wrong_slices():
    s = SharedList(range(5))
    for part in (slice(0, 3, 0), slice(None, None, 0)):
        for action in (s.__getitem__, s.__delitem__, lambda part: s.__setitem__(part, [])):
            with pytest.raises(ValueError, match="slice step cannot be zero"):
                action(part)
    for part in (slice("a", 3), slice(None, 1.0), slice(0, 3, "x")):
        for action in (s.__getitem__, s.__delitem__, lambda part: s.__setitem__(part, [])):
            with pytest.raises(TypeError):
                action(part)
    with pytest.raises(TypeError, match="can only assign an iterable"):
        s[1:2] = 5
    with pytest.raises(TypeError, match="must assign iterable to extended slice"):
        s[1:3:2] = 5
    assert s == [0, 1, 2, 3, 4]


# ---- operators


def test_plus():
    s = SharedList([1, 2])
    for right in ([3], SharedList([3])):
        both = s + right
        assert type(both) is SharedList and both == [1, 2, 3] and s == [1, 2]
    assert s + s == [1, 2, 1, 2] and s + [] == s and s + [] is not s
    for wrong in ((3,), "3", None, iter([3])):
        with pytest.raises(TypeError, match="can only concatenate list or SharedList "):
            s + wrong
    with pytest.raises(TypeError, match="can only concatenate list"):
        [0] + s
    plain = before = [0]
    plain += s
    assert plain is before and plain == [0, 1, 2] and [*plain, *s] == [0, 1, 2, 1, 2]


def test_plus_in_place():
    s = before = SharedList([1])
    for more in ((2,), [3], "45", {6: 7}, range(7, 9), SharedList([9]), iter([10])):
        s += more
    s += s
    assert s is before and s[:10] == [1, 2, 3, "4", "5", 6, 7, 8, 9, 10] and s[10:] == s[:10]
    with pytest.raises(TypeError, match="not iterable"):
        s += 5
    assert len(s) == 20


def test_times():
    s = SharedList([1, "a" * 100])
    for n in (-1, 0, 1, 2, 5, True):
        assert s * n == n * s == s.snapshot() * n
        assert type(s * n) is SharedList and s * n is not s
    for wrong in (1.0, "2", [1], s):
        with pytest.raises(TypeError):
            s * wrong
    for n in (2**41, 2**61, sys.maxsize):
        with pytest.raises(MemoryError):
            s * n
        with pytest.raises(MemoryError):
            s *= n
    with pytest.raises(OverflowError):
        s * 10**30
    assert SharedList() * sys.maxsize == []
    t = before = s
    t *= 3
    assert t is before and t == [1, "a" * 100] * 3
    t *= 0
    assert t == []


def test_comparisons():
    contents = [[], [1], [1, 2], [2], [1, 2, 3], ["a"], [(1, 2)], [1, "a"]]
    for a, b in itertools.product(contents, repeat=2):
        for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt,
                        operator.ge):  # fmt: skip
            try:
                expected = compare(a, b)
            except TypeError:
                for left, right in ((SharedList(a), b), (a, SharedList(b))):
                    with pytest.raises(TypeError):
                        compare(left, right)
            else:
                assert compare(SharedList(a), SharedList(b)) is expected
                assert compare(SharedList(a), b) is expected
                assert compare(a, SharedList(b)) is expected
    s = SharedList([math.nan])
    assert s == s and s == s.local() and s <= s and not s < s and s != [math.nan]
    assert operator.ne(s, s.local()) is False
    assert s != (1,) and SharedList() != () and SharedList("ab") != "ab"
    for compare in (operator.lt, operator.ge):
        with pytest.raises(TypeError, match="not supported between"):
            compare(s, (1,))

    class Mine(list):
        def __eq__(self, other):
            return "mine"

        __hash__ = None

    assert (SharedList() == Mine([1])) == "mine"


def test_contains_index_count():
    s = SharedList([0, 1.0, "a", None, (1, 2), 10**30, True, "a", b"b", -0.0])
    for x in [0, 1, "a", None, (1.0, 2), 10**30, b"b", 0.0, False]:
        plain = s.snapshot()
        assert (x in s) is (x in plain) and s.index(x) == plain.index(x)
        assert s.count(x) == plain.count(x)
    for x in ["b", 2, (1,), [], object(), math.nan, 2**60]:
        assert x not in s and s.count(x) == 0
        with pytest.raises(ValueError, match="not in list"):
            s.index(x)
    long = SharedList(i % 100 for i in range(1000))
    plain = list(long)
    rng = random.Random(3)
    for _ in range(300):
        bounds = [rng.randrange(-1100, 1100) for _ in range(rng.randrange(3))]
        if rng.random() < 0.2:
            bounds = [bound * 10**25 for bound in bounds]
        x = rng.randrange(110)
        try:
            expected = plain.index(x, *bounds)
        except ValueError:
            with pytest.raises(ValueError):
                long.index(x, *bounds)
        else:
            assert long.index(x, *bounds) == expected
    for wrong in ((), (1, 2, 3, 4), (1, "x"), (1, None), (1, 0, 2.0)):
        with pytest.raises(TypeError):
            long.index(*wrong)


def test_repr():
    s = SharedList()
    assert repr(s) == "SharedList()" == str(s)
    s.extend([1, "a", (2.5, None)])
    assert repr(s) == "SharedList([1, 'a', (2.5, None)])"
    s[:] = [s, 5]
    assert repr(s) == "SharedList([SharedList([...]), 5])"
    d = SharedDict(list=s)
    s[0] = d
    assert repr(s) == "SharedList([SharedDict({'list': SharedList([...])}), 5])"
    s.clear()
