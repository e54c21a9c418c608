"""SharedList in one thread: iteration, sort, copies, and as one of many sequences."""

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
from memory import each_allocation_fails
from values import identical

import sharedobj
from sharedobj import AtomicInt, Channel, NotShareableError, SharedDict, SharedList

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


WORDS = ["", "a", "\xff", "\x00", "ab", "a" * 8, "a" * 9, "schl\xfcssel", "\udc80", "\N{SNOWMAN}"]
WORDS += ["\U0001f600", "a\u0100", "a\xff", "long " * 300, "prefix number 1", "prefix number 2"]


@pytest.mark.parametrize("shape", ["any order", "rising", "falling", "nearly sorted"])
def test_sort_of_one_kind(shape):
    """Ints, floats and strs are sorted without objects; what is not quite that, with."""
    rng = random.Random(6)
    for kind in (
        lambda: rng.choice([0, -1, 5, rng.randrange(-(2**60), 2**60), -(2**60), 2**60 - 1]),
        lambda: rng.randrange(-(2**61), 2**61),
        lambda: rng.choice([0.0, 1.0, -1.0, rng.gauss(0, 1), rng.gauss(0, 1e70), -1e-70]),
        lambda: rng.choice([0.0, -0.0, 1e300, math.inf, -math.inf, rng.random()]),
        lambda: "".join(rng.choice("abc") for _ in range(rng.randrange(14))),
        lambda: rng.choice(WORDS) + rng.choice(WORDS),
        lambda: bytes(rng.randrange(256) for _ in range(rng.randrange(12))),
    ):
        for n in (2, 3, 15, 16, 17, 33, 100, 1025):
            plain = [kind() for _ in range(n)]
            if shape != "any order":
                plain.sort(reverse=shape == "falling")
            if shape == "nearly sorted":
                plain[n // 2] = kind()
            for reverse in (False, True):
                s = SharedList(plain)
                s.sort(reverse=reverse)
                assert identical(s.snapshot(), sorted(plain, reverse=reverse))


def test_sort_of_one_kind_without_memory():
    def failed(s):
        assert s == [3, 1, 2]

    each_allocation_fails(lambda s: s.sort(), make=lambda: SharedList([3, 1, 2]), failed=failed)


NUMBERS = [n if n % 3 else n + 0.5 for n in range(5000)]


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("last", [7, None, True, "text", 2**70, -0.0, (1, 2)], ids=repr)
@pytest.mark.parametrize("n", [1023, 1024, 1025, 2047, 2048, 2049, 5000])
def test_long_blocks_of_numbers(n, last, kind):
    """Of a long list or tuple of numbers the content is made in place, or not."""
    source = kind([*NUMBERS[: n - 1], last])
    s, t = SharedList(source), SharedList([1])
    t.replace(source)
    u = SharedList([1])
    u.extend(source)
    u += source
    assert identical(s.snapshot(), list(source)) and identical(t.snapshot(), list(source))
    assert identical(u.snapshot(), [1, *source, *source])
    for each in (s, t, u):
        each.append("end")
        assert each.pop() == "end" and repr(each[-1]) == repr(last)


@pytest.mark.parametrize("method", ["extend", "replace"])
def test_a_long_block_that_fails(method):
    source = NUMBERS[:3000]

    def work(s):
        getattr(s, method)(source)
        assert s == source

    def failed(s):
        assert s == []

    # Without memory for it in place it may still be there for the other way.
    each_allocation_fails(work, make=SharedList, failed=failed, silent=True)
    s = SharedList()
    with pytest.raises(NotShareableError, match=r"value\[2500\]"):
        getattr(s, method)([*range(2500), object()])
    assert s == []
    s.freeze()
    with pytest.raises(TypeError, match="frozen"):
        getattr(s, method)(source)


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
    with pytest.raises(TypeError, match=r"unhashable.*use its id"):
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
    methods = {name for name in dir(MutableSequence) if callable(getattr(MutableSequence, name))}
    assert methods <= set(dir(SharedList))


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
    """The functions written in C take nothing but a list; those for any iterable work."""
    s = SharedList([5, 3, 1])
    assert heapq.nlargest(2, s) == [5, 3] and list(heapq.merge(SharedList([1, 4]), [2])) == [
        1,
        2,
        4,
    ]
    for function in (heapq.heapify, heapq.heappop, lambda heap: heapq.heappush(heap, 1)):
        with pytest.raises(TypeError, match="must be list"):
            function(s)
    assert s == [5, 3, 1]
