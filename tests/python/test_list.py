"""SharedList in one thread: what it has in common with list, and what it has besides."""

import bisect
import copy
import gc
import heapq
import itertools
import json
import math
import operator
import pickle
import random
import statistics
import sys
import weakref
from collections.abc import MutableSequence, Sequence

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
        with pytest.raises(TypeError, match="SharedList indices must be integers or slices, not"):
            s[wrong]
        with pytest.raises(TypeError, match="SharedList indices must be integers or slices, not"):
            s[wrong] = 1
        with pytest.raises(TypeError, match="SharedList indices must be integers or slices, not"):
            del s[wrong]
        with pytest.raises(TypeError):
            s.exchange(wrong, 1)
    assert s[True] == 11 and s[AtomicInt(2)] == "last"
    assert s == ["first", 11, "last"]


def test_by_number_from_c():
    """PySequence_GetItem and its kin, which add the length to an index below 0."""
    _testcapi = pytest.importorskip("_testcapi")
    s = SharedList([10, 11, 12])
    assert [_testcapi.sequence_getitem(s, i) for i in (0, 2, -1, -3)] == [10, 12, 12, 10]
    for wrong in (3, -4, -7):
        with pytest.raises(IndexError):
            _testcapi.sequence_getitem(s, wrong)
        with pytest.raises(IndexError):
            _testcapi.sequence_setitem(s, wrong, 1)
        with pytest.raises(IndexError):
            _testcapi.sequence_delitem(s, wrong)
    _testcapi.sequence_setitem(s, -1, "x")
    _testcapi.sequence_delitem(s, 0)
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
        with pytest.raises(IndexError, match="pop from empty SharedList"):
            s.pop(*index)


def test_remove():
    s = SharedList([1, "a", 1.0, True, (1, 2), "a"])
    s.remove("a")
    s.remove(True)
    assert s == [1.0, True, (1, 2), "a"]
    s.remove((1, 2))
    with pytest.raises(ValueError, match="not in SharedList"):
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
        with pytest.raises(NotShareableError, match=r"^value is a list; use tuple\(x\) or a Shared"):
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
        with pytest.raises(TypeError, match='can only concatenate list or SharedList '):
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
    assert s == s and s == s.local() and not s != s and s <= s and not s < s and s != [math.nan]
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
        with pytest.raises(ValueError, match="not in SharedList"):
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


# ---- iteration


def test_an_iterator_is_an_index():
    s = SharedList(range(5))
    walk = iter(s)
    assert next(walk) == 0
    s.insert(0, "new")
    assert next(walk) == 0
    del s[0]
    assert [next(walk), operator.length_hint(walk)] == [2, 2]
    s.append(5)
    assert list(walk) == [3, 4, 5] and operator.length_hint(walk) == 0
    s.append(6)
    assert list(walk) == [] and next(walk, "end") == "end"
    back = reversed(s)
    assert [next(back), next(back), operator.length_hint(back)] == [6, 5, 5]
    s.append("unseen")
    del s[1]
    assert next(back) == 5
    del s[1:]
    assert operator.length_hint(back) == 0
    assert next(back, "end") == "end" and list(back) == []
    s.extend(range(100))
    assert list(back) == [] and iter(back) is back


def test_iteration_that_grows_the_list():
    s, seen = SharedList([1]), []
    for x in s:
        seen.append(x)
        if x < 300:
            s.append(x + 1)
    assert seen == list(range(1, 301))


def test_iterators_travel():
    s = SharedList("abcd")
    walk, back = iter(s), reversed(s)
    next(walk)
    next(back)
    for again in (copy.copy, lambda x: pickle.loads(pickle.dumps(x))):
        assert list(again(walk)) == ["b", "c", "d"]
        assert list(again(back)) == ["c", "b", "a"]
    assert walk.__reduce__() == (iter, (s,), 1) and back.__reduce__() == (reversed, (s,), 2)
    for index, rest in ((-5, "abcd"), (3, "d"), (99, "")):
        walk.__setstate__(index)
        assert "".join(copy.copy(walk)) == rest
    for index, rest in ((-5, ""), (1, "ba"), (99, "dcba")):
        back = reversed(s)
        back.__setstate__(index)
        assert "".join(back) == rest
    for ended in (walk, back):
        assert list(ended) == []
        function, args = ended.__reduce__()
        assert list(function(*args)) == [] and list(copy.copy(ended)) == []
        ended.__setstate__(0)
        assert list(ended) == []
    with pytest.raises(TypeError):
        iter(s).__setstate__("1")
    with pytest.raises(TypeError):
        type(walk)()


def test_an_ended_iterator_lets_go():
    s = SharedList([1])
    walk, alive = iter(s), weakref.ref(s)
    assert list(walk) == [1]
    del s
    gc.collect()
    assert alive() is None or not sys._is_gil_enabled()


# ---- sort and reverse


def test_sort():
    rng = random.Random(5)
    for kind in (
        lambda: rng.randrange(50),
        lambda: rng.randrange(10**20),
        rng.random,
        lambda: f"text {rng.randrange(50)}",
        lambda: (rng.randrange(5), rng.randrange(5)),
        lambda: rng.choice([1, 1.0, True, 0, False, 0.0]),
    ):
        for n in (0, 1, 2, 10, 500):
            plain = [kind() for _ in range(n)]
            for options in ({}, {"reverse": True}, {"key": str}, {"key": repr, "reverse": 1}):
                s = SharedList(plain)
                assert s.sort(**options) is None
                assert identical(s.snapshot(), sorted(plain, **options))


def test_sort_is_stable():
    for reverse in (False, True):
        s = SharedList((i % 3, i) for i in range(300))
        s.sort(key=lambda pair: pair[0], reverse=reverse)
        assert s == sorted(((i % 3, i) for i in range(300)), key=lambda p: p[0], reverse=reverse)


def test_only_keys_are_compared():
    s = SharedList([None, 1, "a", (1,), 2.5])
    s.sort(key=lambda value: 0)
    assert s == [None, 1, "a", (1,), 2.5]
    with pytest.raises(TypeError, match="not supported between instances of"):
        s.sort()
    assert s == [None, 1, "a", (1,), 2.5]


def test_sort_compares_as_often_as_list():
    compared = []

    class Key:
        def __init__(self, value):
            self.value = value

        def __lt__(self, other):
            compared.append((self.value, other.value))
            return self.value < other.value

    plain = random.Random(1).sample(range(300), 300)
    SharedList(plain).sort(key=Key)
    mine = compared[:]
    compared.clear()
    plain.sort(key=Key)
    assert mine == compared


def test_wrong_arguments_of_sort():
    s = SharedList([2, 1])
    with pytest.raises(TypeError, match="positional"):
        s.sort(None)
    with pytest.raises(TypeError, match="unexpected keyword"):
        s.sort(cmp=None)
    with pytest.raises(TypeError, match="not callable"):
        s.sort(key=5)
    with pytest.raises(ZeroDivisionError):
        s.sort(key=lambda value: 1 // 0)
    assert s == [2, 1]


def test_reverse():
    for n in (0, 1, 2, 3, 10, 1000):
        s = SharedList(range(n))
        assert s.reverse() is None and s == list(range(n))[::-1]


# ---- the whole


def test_extend_clear_replace():
    s = SharedList([1])
    assert s.extend("ab") is None and s.extend(SharedList([2])) is None and s.extend(s) is None
    assert s == [1, "a", "b", 2] * 2
    assert s.replace(x for x in s if x != 2) is None and s == [1, "a", "b"] * 2
    s.replace(s)
    assert len(s) == 6 and s.clear() is None and s == []
    for wrong in (5, None):
        for method in (s.extend, s.replace):
            with pytest.raises(TypeError, match="not iterable"):
                method(wrong)


def test_snapshot_and_copy():
    s = SharedList([1, ("a", 2.5), "x" * 50_000, SharedDict(k=1)])
    plain, other = s.snapshot(), s.copy()
    assert type(plain) is list and plain == s and plain[3] is s[3] and gc.is_tracked(plain)
    assert type(other) is SharedList and other == s and other.id != s.id and other[3] is s[3]
    other.append(5)
    plain.append(6)
    assert len(s) == 4 and copy.copy(s) == s and copy.copy(s).id != s.id
    assert SharedList().snapshot() == [] and SharedList().copy() == []


def test_deepcopy():
    channel, number = Channel(), AtomicInt(5)
    inner = SharedList([1])
    s = SharedList([inner, inner, channel, number, (inner, "t"), SharedDict(k=inner)])
    s.append(s)
    other = copy.deepcopy(s)
    assert other.id != s.id and other[6] is other
    assert other[0] is other[1] is other[4][0] is other[5]["k"] and other[0] == inner
    assert other[0].id != inner.id and other[2] is channel and other[3] is number
    further = copy.deepcopy([s, s.local()])
    assert further[0] is further[1]
    for one in (s, other, further[0]):
        one.clear()


def test_freeze():
    s = SharedList([3, 1, 2])
    assert s.frozen is False and s.freeze() is None and s.frozen is True
    for change in (
        lambda: s.append(1), lambda: s.push(1), lambda: s.insert(0, 1), lambda: s.pop(),
        lambda: s.pop(0), lambda: s.remove(1), lambda: s.clear(), lambda: s.extend([1]),
        lambda: s.replace([1]), lambda: s.reverse(), lambda: s.sort(), lambda: s.sort(key=str),
        lambda: s.exchange(0, 1), lambda: s.compare_and_set(0, 3, 4), lambda: s.increment(0),
        lambda: s.increment(0, 10**30), lambda: s.__setitem__(0, 1), lambda: s.__delitem__(0),
        lambda: s.__setitem__(slice(0, 1), [1]), lambda: s.__delitem__(slice(0, 1)),
        lambda: s.__iadd__([1]), lambda: s.__imul__(2), lambda: s.__imul__(0),
        lambda: s.__init__([1]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="frozen: change a copy"):
            change()
    assert s == [3, 1, 2] == s.snapshot() and s[1:] == [1, 2] and list(reversed(s)) == [2, 1, 3]
    assert sorted(s) == [1, 2, 3] and s.index(2) == 2 and s + [1] == [3, 1, 2, 1] and s * 2 != s
    other = s.copy()
    other.sort()
    assert not other.frozen and other == [1, 2, 3]
    s.freeze()


# ---- as a handle


def test_handle():
    s = SharedList([1])
    assert sharedobj.attach(s.id) is s and pickle.loads(pickle.dumps(s)) is s
    assert s.local() is not s and s.local() == s and weakref.ref(s)() is s
    with pytest.raises(TypeError, match="unhashable.*use its id"):
        hash(s)
    assert isinstance(s, MutableSequence) and issubclass(SharedList, Sequence)
    assert SharedList[int].__origin__ is SharedList
    assert sharedobj.is_shareable(s) and sharedobj.explain((s, 1)) is None
    with pytest.raises(TypeError, match="unhashable"):
        SharedDict()[s] = 1
    before = sharedobj.stats()["types"]["SharedList"]
    more = SharedList()
    assert sharedobj.stats()["types"]["SharedList"] == before + 1
    del more


def test_it_has_all_that_a_list_has():
    assert not [name for name in dir(list) if not hasattr(SharedList, name)]
    assert not [name for name in dir(MutableSequence)
                if not name.startswith("_abc") and name != "__slots__"
                and not hasattr(SharedList, name)]  # fmt: skip


def test_pattern_matching():
    match SharedList([1, 2, 3]):
        case [first, *rest]:
            assert first == 1 and rest == [2, 3]
        case _:
            pytest.fail("a sequence")
    match SharedList():
        case {}:
            pytest.fail("no mapping")
        case []:
            pass


def test_unpacking():
    first, *rest = SharedList("abc")
    assert first == "a" and rest == ["b", "c"] and max(*SharedList([1, 5, 2])) == 5
    with pytest.raises(ValueError, match="unpack"):
        first, rest = SharedList("abc")


def test_size():
    s = SharedList()
    empty = s.nbytes
    assert sys.getsizeof(s) > empty > 0
    s.extend(range(10_000))
    assert 80_000 <= s.nbytes <= 10_000 * 10 + empty
    for i in range(10_000):
        s.append(i)
    assert 160_000 <= s.nbytes <= 20_000 * 10 + empty
    assert sys.getsizeof(s) > s.nbytes
    s.clear()
    assert s.nbytes <= 2 * empty
    with pytest.raises(AttributeError):
        s.nbytes = 5


# ---- with what the standard library does to lists


def test_standard_library():
    s = SharedList([5, 3, 1])
    assert sorted(s) == [1, 3, 5] and sum(s) == 9 and min(s) == 1 and statistics.mean(s) == 3
    s.sort()
    bisect.insort(s, 4)
    bisect.insort(s, 0, key=lambda value: value)
    assert s == [0, 1, 3, 4, 5] and bisect.bisect_left(s, 3) == 2
    s[:] = range(100)
    random.Random(1).shuffle(s)
    plain = list(range(100))
    random.Random(1).shuffle(plain)
    assert s == plain and random.Random(2).sample(s, 10) == random.Random(2).sample(plain, 10)
    assert random.Random(3).choice(s) == random.Random(3).choice(plain)
    assert random.Random(4).choices(s, k=5) == random.Random(4).choices(plain, k=5)
    assert json.loads(json.dumps(s.snapshot())) == plain
    assert list(zip(s, s, strict=True)) == list(zip(plain, plain, strict=True))
    assert list(itertools.islice(s, 2, 5)) == plain[2:5] and tuple(s) == tuple(plain)
    assert operator.itemgetter(1, 2)(s) == operator.itemgetter(1, 2)(plain)
    operator.iadd(s, [1])
    assert len(s) == 101 and operator.indexOf(s, s[50]) == s.index(s[50])


def test_heapq():
    """The functions written in C take nothing but a list; those that look at any iterable work."""
    s = SharedList([5, 3, 1])
    assert heapq.nlargest(2, s) == [5, 3] and list(heapq.merge(SharedList([1, 4]), [2])) == [1, 2, 4]
    for function in (heapq.heapify, heapq.heappop, lambda heap: heapq.heappush(heap, 1)):
        with pytest.raises(TypeError, match="must be list"):
            function(s)
    assert s == [5, 3, 1]
