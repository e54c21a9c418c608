"""SharedDict: the rest of dict's interface, and what works on many keys."""

import collections
import copy
import gc
import math
import operator
import pickle
import types
from collections.abc import ItemsView, KeysView, MutableMapping, ValuesView

import pytest
from memory import each_allocation_fails
from values import identical

import sharedobj
from sharedobj import MISSING, AtomicInt, Channel, NotShareableError, SharedDict

# ---- order


def test_popitem():
    d = SharedDict(a=1, b=2, c=3)
    d["a"] = 9
    assert d.popitem() == ("c", 3)
    del d["a"]
    d["a"] = 7
    assert [d.popitem(), d.popitem()] == [("a", 7), ("b", 2)]
    with pytest.raises(KeyError, match="empty"):
        d.popitem()
    with pytest.raises(TypeError):
        d.popitem(1)
    d[1.0] = channel = Channel()
    key, value = d.popitem()
    assert type(key) is float and value is channel and len(d) == 0


def test_popitem_gives_back_what_was_stored():
    items = [(("k", 1.0), "x" * 20_000), (b"b", (1, (2, "é"))), (10**30, -0.0), ("s", None)]
    d = SharedDict(items)
    assert all(identical(d.popitem(), item) for item in reversed(items))


def test_popitem_drains_what_has_grown_and_shrunk():
    d, oracle = SharedDict(), {}
    for i in range(20_000):
        d[i % 7000] = oracle[i % 7000] = i
        if i % 3 == 0:
            assert d.popitem() == oracle.popitem()
        if i % 4000 == 3999:
            for key in list(oracle)[::2]:
                del d[key], oracle[key]
    while oracle:
        assert d.popitem() == oracle.popitem()
    assert len(d) == 0 and list(d) == []


def test_reversed():
    d = SharedDict((i, str(i)) for i in range(1000))
    plain = d.snapshot()
    for mine, theirs in (
        (d, plain),
        (d.keys(), plain.keys()),
        (d.values(), plain.values()),
        (d.items(), plain.items()),
    ):
        assert list(reversed(mine)) == list(reversed(theirs))
    assert list(reversed(SharedDict())) == []


def test_reversed_with_changes():
    d = SharedDict((i, i) for i in range(100))
    seen = []
    for key in reversed(d):
        seen.append(key)
        d[key] = -key
        del d[key]
        d[key] = 0  # at the end now, which has been passed
        d[1000 + key] = 0
        if key % 2 and key > 0:
            d.pop(key - 1)
    assert seen == list(range(99, 0, -2))
    walk = reversed(d.items())
    next(walk)
    d.clear()
    d["new"] = 1
    assert list(walk) == []


def test_iterators_can_be_measured_and_pickled():
    d = SharedDict((i, i) for i in range(10))
    for make in iter, reversed:
        for whole in d, d.keys(), d.values(), d.items():
            walk = make(whole)
            assert operator.length_hint(walk) == 10
            next(walk)
            next(walk)
            assert operator.length_hint(walk) == 8
            rest = list(pickle.loads(pickle.dumps(walk)))
            assert rest == list(copy.copy(walk)) == list(walk) and len(rest) == 8
            assert operator.length_hint(walk) == 0 and list(pickle.loads(pickle.dumps(walk))) == []
    walk = iter(d)
    assert next(walk) == 0
    d.clear()
    assert operator.length_hint(walk) == 0


# ---- operators


def test_or_gives_our_type():
    d = SharedDict(a=1, b=2)
    for mine, both in (
        (d | {"b": 3, "c": 4}, {"a": 1, "b": 3, "c": 4}),
        ({"b": 3, "c": 4} | d, {"b": 2, "c": 4, "a": 1}),
        (d | SharedDict(b=5), {"a": 1, "b": 5}),
        (d | d, {"a": 1, "b": 2}),
        (d | collections.OrderedDict(z=1), {"a": 1, "b": 2, "z": 1}),
        (collections.OrderedDict(z=1) | d, {"z": 1, "a": 1, "b": 2}),
        (collections.defaultdict(int, z=1) | d, {"z": 1, "a": 1, "b": 2}),
        (types.MappingProxyType({"z": 1}) | d, {"z": 1, "a": 1, "b": 2}),
    ):
        assert type(mine) is SharedDict and list(mine.items()) == list(both.items())
        assert mine.id != d.id
    assert d == {"a": 1, "b": 2}
    assert type(collections.ChainMap({}) | d) is collections.ChainMap
    for other in 5, None, [("a", 1)], "ab", collections.UserDict(b=1):
        with pytest.raises(TypeError):
            d | other
    with pytest.raises(NotShareableError, match="item 'x': value is a list"):
        d | {"x": []}


def test_or_in_place():
    d = mine = SharedDict(a=1)
    d |= {"b": 2}
    d |= [("c", 3), ["a", 4]]
    d |= SharedDict(d=5)
    d |= collections.UserDict(e=6)
    assert d is mine and d == {"a": 4, "b": 2, "c": 3, "d": 5, "e": 6}
    with pytest.raises(TypeError):
        d |= 5
    with pytest.raises(NotShareableError):
        d |= [("f", 7), ("g", [])]
    assert d["f"] == 7 and "g" not in d, "atomic for each item"
    plain = {"x": 1}
    plain |= SharedDict(x=2)
    assert plain == {"x": 2} and type(plain) is dict


def test_fromkeys():
    d = SharedDict.fromkeys("abca", ("shared", 10**20))
    assert type(d) is SharedDict and list(d) == ["a", "b", "c"]
    assert set(d.values()) == {("shared", 10**20)}
    assert SharedDict.fromkeys([1, 2]) == {1: None, 2: None}
    assert d.fromkeys([]) == {} and len(d) == 3
    n = AtomicInt()
    assert all(value is n for value in SharedDict.fromkeys(range(3), n).values())
    for bad in (5,), (), ("a", 1, 2), ([[]],):
        with pytest.raises(TypeError):
            SharedDict.fromkeys(*bad)
    with pytest.raises(NotShareableError):
        SharedDict.fromkeys("ab", [])

    def three():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        SharedDict.fromkeys(three(), "x" * 100)


def test_keywords_are_strings():
    for action in (lambda: SharedDict(**{1: 2}), lambda: SharedDict().update(**{1: 2})):
        with pytest.raises(TypeError, match="keywords must be strings"):
            action()


def test_equality_with_other_mappings():
    d = SharedDict(a=1, b=(1, 2))
    for other in (
        collections.OrderedDict(b=(1, 2), a=1),
        collections.UserDict(a=1, b=(1, 2)),
        collections.ChainMap({"a": 1}, {"b": (1, 2), "a": 5}),
        types.MappingProxyType({"a": 1, "b": (1, 2)}),
        d.keys().mapping,
    ):
        assert d == other and other == d
        assert (d != other) is False and (other != d) is False
    for other in collections.UserDict(a=1), types.MappingProxyType({}), [("a", 1)], None:
        assert d != other and other != d and (d == other) is False

    class Always(dict):
        def __eq__(self, other):
            return True

        __hash__ = None

    assert d == Always(z=1) and Always() == d


def test_update_says_which_element_and_keeps_the_error():
    def broken():
        yield "key"
        raise TypeError("oops")

    with pytest.raises(TypeError, match="oops") as caught:
        SharedDict().update([("a", 1), broken()])
    assert "element #1" in caught.value.__notes__[0]


def test_registered_and_complete():
    d = SharedDict(a=1)
    assert isinstance(d, MutableMapping)
    for base in MutableMapping.__mro__[:-1]:
        for name, what in vars(base).items():
            if callable(what) and name != "__subclasshook__":
                assert callable(getattr(SharedDict, name)), name
    for name in set(dir(dict)) - {"__init_subclass__"}:
        assert hasattr(d, name), name
    assert isinstance(d.keys(), KeysView) and isinstance(d.items(), ItemsView)
    assert isinstance(d.values(), ValuesView)
    assert SharedDict[str, int].__origin__ is SharedDict


# ---- views


def test_views_are_sets():
    d, plain = SharedDict(a=1, b=2, c=3), {"a": 1, "b": 2, "c": 3}
    others = [
        set(),
        {"a"},
        {"a", "b", "c"},
        {"a", "b", "c", "d", 1.5},
        frozenset(("b", "z")),
        {("a", 1), ("b", 3)},
        {"a": 1, "b": 2, "c": 3}.keys(),
        {"b": 2}.items(),
        SharedDict(a=1, x=2).keys(),
        SharedDict(a=1, x=2).items(),
        ["a", "q"],
        "ab",
        iter(["a", ("a", 1)]),
        SharedDict(a=1),
    ]
    functions = operator.and_, operator.or_, operator.sub, operator.xor
    for view in "keys", "items":
        for n, other in enumerate(others):
            for function in functions:
                if n == 12:
                    other = iter(["a", ("a", 1)])
                mine = function(getattr(d, view)(), other)
                if n == 12:
                    other = iter(["a", ("a", 1)])
                assert type(mine) is set and mine == function(getattr(plain, view)(), other)
                if n == 12:
                    continue
                if not isinstance(other, (set, frozenset)):
                    mine = function(other, getattr(d, view)())
                    assert type(mine) is set and mine == function(other, getattr(plain, view)())
                else:
                    assert function(other, getattr(d, view)()) == function(
                        other, getattr(plain, view)()
                    )
            assert getattr(d, view)().isdisjoint(other) == getattr(plain, view)().isdisjoint(other)


def test_views_compare_as_sets():
    d, plain = SharedDict(a=1, b=2), {"a": 1, "b": 2}
    others = [
        set(),
        {"a"},
        {"a", "b"},
        {"a", "b", "c"},
        {"x", "y"},
        frozenset(("a", "b")),
        {("a", 1), ("b", 2)},
        {("a", 1.0)},
        plain.keys(),
        plain.items(),
        SharedDict(b=2, a=1).keys(),
        SharedDict(b=2, a=1).items(),
        SharedDict(b=2, a=1, c=0).items(),
    ]
    compare = (
        operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
    )  # fmt: skip
    for view in "keys", "items":
        for other in others:
            for function in compare:
                mine, theirs = getattr(d, view)(), getattr(plain, view)()
                assert function(mine, other) is function(theirs, other)
                assert function(other, mine) is function(other, theirs)
        for other in [], "ab", None, d, plain.values():
            assert getattr(d, view)() != other and other != getattr(d, view)()
            with pytest.raises(TypeError):
                getattr(d, view)() < other  # noqa: B015
        with pytest.raises(TypeError):
            hash(getattr(d, view)())
        with pytest.raises(TypeError):
            getattr(d, view)() & 5
    assert d.values() != d.values() and not hasattr(d.values(), "isdisjoint")
    assert KeysView(collections.UserDict(a=1, b=2)) == d.keys()


def test_sets_may_hold_what_no_view_can():
    d = SharedDict(a=1)
    other = {"a", range(3), object(), NotImplemented}
    assert d.keys() & other == {"a"} == other & d.keys()
    assert d.keys() < other and not d.keys() >= other and other > d.keys()
    assert d.keys() - other == set() and not d.keys().isdisjoint(other)
    assert d.keys().isdisjoint({range(3)}) and d.items().isdisjoint([(range(3), 1)])
    with pytest.raises(TypeError, match="unhashable"):
        d.keys() & [[1]]
    with pytest.raises(NotShareableError):
        range(3) in d.keys()  # noqa: B015, SIM118
    d["n"] = AtomicInt()
    with pytest.raises(TypeError, match="unhashable"):
        d.items() | set()


def test_view_mapping_is_a_proxy():
    d = SharedDict(a=1)
    for view in d.keys(), d.values(), d.items():
        proxy = view.mapping
        assert type(proxy) is types.MappingProxyType and proxy == d and proxy["a"] == 1
        d["b"] = 2
        assert proxy["b"] == 2 and list(proxy) == ["a", "b"] and list(reversed(proxy)) == ["b", "a"]
        with pytest.raises(TypeError):
            proxy["a"] = 2
        with pytest.raises(AttributeError):
            view.mapping = d
        del d["b"]


def test_views_are_not_pickled_or_copied():
    for view in SharedDict(a=1).keys(), SharedDict(a=1).values(), SharedDict(a=1).items():
        for action in pickle.dumps, copy.copy, copy.deepcopy:
            with pytest.raises(TypeError):
                action(view)


# ---- many keys


def test_get_many():
    d = SharedDict(a=1, b=None, c="x" * 20_000)
    assert d.get_many("abc") == [1, None, "x" * 20_000]
    assert d.get_many(["z", "a", "z"], 0) == [0, 1, 0]
    assert d.get_many(keys=iter([1, "a"]), default=MISSING) == [MISSING, 1]
    assert d.get_many([]) == [] and type(d.get_many(())) is list
    for bad in 5, [[]], [range(2)]:
        with pytest.raises(TypeError):
            d.get_many(bad)
    with pytest.raises(TypeError):
        d.get_many()


def test_compare_and_delete():
    d = SharedDict(a=1, nan=math.nan, t=(0.0, "x"))
    assert not d.compare_and_delete("a", True) and not d.compare_and_delete("a", 1.0)
    assert not d.compare_and_delete("t", (-0.0, "x")) and not d.compare_and_delete("z", None)
    assert d.compare_and_delete("a", 1) and not d.compare_and_delete("a", 1)
    assert d.compare_and_delete(key="nan", expected=math.nan)
    assert d.compare_and_delete("t", (0.0, "x")) and len(d) == 0
    assert d.compare_and_delete("a", MISSING), "as compare_and_set(key, MISSING, MISSING)"
    d["a"] = channel = Channel()
    assert not d.compare_and_delete("a", MISSING)
    assert not d.compare_and_delete("a", Channel()) and d.compare_and_delete("a", channel)
    for bad in ("a",), ("a", 1, 2), ([], 1), ("a", []):
        with pytest.raises(TypeError):
            d.compare_and_delete(*bad)


def test_reduce_sum():
    d = SharedDict(a=1)
    assert d.reduce_sum({"a": 2, "b": 2.5}) == 2
    assert d.reduce_sum([("a", 2**70), ["b", 1]]) == 2
    assert d.reduce_sum(SharedDict(c=True)) == 1
    assert d.reduce_sum(collections.UserDict(c=1)) == 1 and d.reduce_sum([]) == 0
    assert d == {"a": 3 + 2**70, "b": 3.5, "c": 2} and type(d["c"]) is int
    counter = collections.Counter("abracadabra")
    d = SharedDict()
    assert d.reduce_sum(counter) == 5 and d.reduce_sum(counter.items()) == 5
    assert d == {key: 2 * n for key, n in counter.items()}


@pytest.mark.parametrize(("method", "best"), [("reduce_max", max), ("reduce_min", min)])
def test_reduce_to_the_best(method, best):
    d = SharedDict()
    numbers = [3, 3.5, -2, 2**70, -(2**70), 10**400, -(10**400), math.inf, -math.inf, 1e300]
    for n in range(1, len(numbers) + 1):
        d.clear()
        assert getattr(d, method)([("k", x) for x in numbers[:n]]) == n
        assert identical(d["k"], best(numbers[:n]))
    # exactly: no double stands for either of these
    d["k"] = 2**53
    getattr(d, method)({"k": 2.0**53})
    assert type(d["k"]) is int, "of equal ones the present one stays"
    getattr(d, method)({"k": 2**53 + (1 if best is max else -1)})
    assert d["k"] == 2**53 + (1 if best is max else -1)
    d["z"] = 0.0
    getattr(d, method)({"z": -0.0})
    assert identical(d["z"], 0.0)
    d["b"] = False
    getattr(d, method)({"b": 0})
    assert d["b"] is False


@pytest.mark.parametrize("method", ["reduce_max", "reduce_min"])
def test_reduce_leaves_nan_behind(method):
    d = SharedDict()
    getattr(d, method)([("k", math.nan), ("k", math.nan)])
    assert math.isnan(d["k"])
    getattr(d, method)([("k", 5), ("k", math.nan)])
    assert identical(d["k"], 5)


def test_reduce_errors():
    d = SharedDict(s="text", n=AtomicInt(5), a=1)
    for method in d.reduce_sum, d.reduce_max, d.reduce_min:
        for bad in ("s", 1), ("n", 1):
            with pytest.raises(TypeError, match=f"value of '{bad[0]}'"):
                method([bad])
        for number in "1", None, 1j, AtomicInt(3), type("F", (float,), {})(1):
            with pytest.raises(TypeError, match="number for 'a' must be an int or a float"):
                method({"a": number})
        with pytest.raises(TypeError):
            method(5)
        with pytest.raises(ValueError):
            method([("a",)])
        with pytest.raises(TypeError):
            method({(1, range(2)): 1})
    assert d["a"] == 1
    with pytest.raises(TypeError):
        d.reduce_max([("a", 7), ("b", None), ("c", 9)])
    assert d["a"] == 7 and "b" not in d and "c" not in d, "what was done before stays"


def test_frozen():
    d = SharedDict(a=1, b=2)
    d.freeze()
    for action in (
        d.popitem,
        lambda: d.compare_and_delete("a", 1),
        lambda: d.reduce_sum({"a": 1}),
        lambda: d.reduce_max({"a": 5}),
        lambda: d.reduce_min([("z", 5)]),
        lambda: operator.ior(d, {"a": 2}),
    ):
        with pytest.raises(TypeError, match="the object is frozen"):
            action()
    assert d.reduce_max({"a": 0}) == 1, "nothing to change"
    assert d == {"a": 1, "b": 2} and list(reversed(d)) == ["b", "a"]
    both = d | {"c": 3}
    assert both.popitem() == ("c", 3) and not both.frozen


# ---- hostile company


def test_iterables_that_change_the_dict():
    d = SharedDict()

    def keys():
        for i in range(50):
            d[f"k{i}"] = i
            yield f"k{i}"
            d.pop(f"k{i - 3}", None)
            if i % 20 == 19:
                d.clear()

    assert d.get_many(keys())[:3] == [0, 1, 2]
    assert d.reduce_sum((key, 1) for key in keys()) == 50
    assert d.reduce_max((key, 1) for key in keys()) == 50
    d |= ((key, "x") for key in keys())
    assert len(SharedDict.fromkeys(keys(), 1)) == 50
    assert d.keys().isdisjoint(key for key in keys() if key not in d)
    assert isinstance(d.keys() ^ keys(), set)


def test_numbers_that_act_while_they_are_compared():
    d = SharedDict()

    class Number(int):
        def __gt__(self, other):
            d.clear()
            return True

        __lt__ = __radd__ = __add__ = __gt__

    d["a"] = 5
    assert d.reduce_max({"a": Number(3)}) == 1 and d == {"a": 5}
    assert d.reduce_min({"a": Number(3)}) == 1 and d == {"a": 3}
    assert d.reduce_sum({"a": Number(3)}) == 1 and d == {"a": 6}


def test_values_that_are_compared_may_change_the_dict():
    d = SharedDict((i, i) for i in range(100))

    class Clears:
        def __eq__(self, other):
            d.clear()
            return False

        __hash__ = None

    assert (5, Clears()) not in d.items()
    d.update((i, i) for i in range(100))
    assert Clears() not in d.values()
    assert len(d) == 0


def test_collector_runs_in_the_middle():
    d = SharedDict((i, f"text {i}") for i in range(500))
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        assert len(d.items() & d.snapshot().items()) == 500
        assert len(list(reversed(d.items()))) == 500
        assert len(pickle.dumps(iter(d.items()))) > 500
        for i in range(499, -1, -1):
            assert d.popitem() == (i, f"text {i}")
    finally:
        gc.set_threshold(*threshold)


def test_allocation_failures():
    """Whatever fails, what was not reported as done has not happened."""

    def scenario():
        d = SharedDict.fromkeys(range(40), ("value", "of", "all"))
        d |= {100 + i: str(i) for i in range(40)}
        both = d | {"x": 1}
        both.reduce_max([("x", 2**70), ("y", 10**30)])
        both.reduce_sum({"z": 2**80})
        for _ in range(50):
            both.popitem()
        assert list(reversed(both)) == list(both)[::-1]

    assert each_allocation_fails(scenario, silent=True)[1] > 20


def test_nothing_stays(run_python):
    """Views and iterators that outlive everything."""
    run_python(
        "import sharedobj as so\n"
        "d = so.SharedDict((i, i) for i in range(100))\n"
        "keep = d.keys(), reversed(d), iter(d.items()), d.values().mapping\n"
        "next(keep[1])\n"
        "class Late:\n"
        "    def __del__(self, keep=keep, so=so):\n"
        "        len(keep[0] & {1}), list(keep[1]), list(keep[2])\n"
        "late = Late()\n"
        "import sys; sys.late = late\n"
        "so._sharedobj.__dict__.clear()\n"
    )
    assert sharedobj.SharedDict(a=1).keys() == {"a"}
