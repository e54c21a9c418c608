"""SharedDict in one thread: what dict does, and what it adds."""

import collections
import copy
import math
import operator
import random
import sys
import weakref

import pytest
from memory import each_allocation_fails

from sharedobj import (
    MISSING,
    AtomicInt,
    Channel,
    NotShareableError,
    SharedDict,
    _sharedobj,
    attach,
)

# ---- as dict


def test_constructor_forms():
    assert SharedDict() == {}
    assert SharedDict({"a": 1}) == {"a": 1}
    assert SharedDict([("a", 1), ["b", 2]]) == {"a": 1, "b": 2}
    assert SharedDict({"a": 1}, b=2) == {"a": 1, "b": 2}
    assert SharedDict(self=1, mapping=2) == {"self": 1, "mapping": 2}
    assert SharedDict(SharedDict(a=1)) == {"a": 1}

    class Mapping:
        def keys(self):
            return ["x", "y"]

        def __getitem__(self, key):
            return key * 2

    assert SharedDict(Mapping()) == {"x": "xx", "y": "yy"}


@pytest.mark.parametrize(
    ("argument", "error", "text"),
    [
        (5, TypeError, "not iterable"),
        ([1], TypeError, "element #0 to a sequence"),
        ([("a", 1), (1, 2, 3)], ValueError, "element #1 has length 3"),
    ],
)
def test_constructor_errors(argument, error, text):
    with pytest.raises(error, match=text):
        SharedDict(argument)
    with pytest.raises(TypeError):
        SharedDict({}, {})


def test_items_come_and_go():
    d = SharedDict()
    d["a"] = 1
    assert d["a"] == 1 and "a" in d and len(d) == 1
    d["a"] = 2
    assert d["a"] == 2 and len(d) == 1
    del d["a"]
    assert "a" not in d and len(d) == 0
    with pytest.raises(KeyError) as caught:
        d["a"]
    assert caught.value.args == ("a",)
    with pytest.raises(KeyError) as caught:
        del d[(1, 2)]
    assert caught.value.args == ((1, 2),)


def test_get_pop_setdefault_clear():
    d = SharedDict(a=1)
    assert d.get("a") == 1 and d.get("b") is None and d.get("b", 5) == 5
    assert d.setdefault("a", 9) == 1 and d.setdefault("b", 9) == 9
    assert d.setdefault("c") is None and d["c"] is None
    assert d.setdefault("a", []) == 1, "an unshareable default is not needed"
    assert d.pop("a") == 1 and d.pop("a", 7) == 7
    with pytest.raises(KeyError):
        d.pop("a")
    d.clear()
    assert d == {} and list(d) == []
    d["again"] = 1
    assert d == {"again": 1}


def test_update():
    d = SharedDict(a=1)
    d.update({"b": 2}, c=3)
    d.update([("a", 9)])
    d.update(SharedDict(d=4))
    d.update()
    assert d == {"a": 9, "b": 2, "c": 3, "d": 4}
    with pytest.raises(NotShareableError, match="item 'f': value is a list"):
        d.update([("e", 5), ("f", [])])
    with pytest.raises(NotShareableError, match=r"item 'g': value\[1\] is a set"):
        d.update(g=(1, {2}))
    with pytest.raises(NotShareableError, match="cannot be a key"):
        d.update({range(2): 1})
    assert d["e"] == 5 and "f" not in d, "atomic for each item"
    d.update(d)
    assert len(d) == 5


def test_insertion_order():
    d = SharedDict([("c", None), ("a", None), ("b", None)])
    assert list(d) == ["c", "a", "b"]
    d["a"] = 1
    assert list(d) == ["c", "a", "b"]
    del d["c"]
    d["c"] = 2
    assert list(d) == ["a", "b", "c"]


def test_order_survives_growth_shrinking_and_churn():
    d, oracle, rng = SharedDict(), {}, random.Random(5)
    for step in range(30_000):
        key = rng.randrange(400) if step % 7 else rng.randrange(10**9)
        if rng.random() < 0.45:
            oracle.pop(key, None)
            d.pop(key, None)
        else:
            oracle[key] = d[key] = step
        if step % 5000 == 4999:
            assert list(d.items()) == list(oracle.items())
            for key in list(oracle)[: len(oracle) * 9 // 10]:
                del d[key], oracle[key]
    assert list(d) == list(oracle) and len(d) == len(oracle)


def test_differential_with_dict():
    rng = random.Random(11)
    keys = [
        0,
        1,
        True,
        1.0,
        1 + 0j,
        -1,
        2.5,
        "1",
        b"1",
        "",
        (),
        (1,),
        (1.0,),
        None,
        10**30,
        frozenset((1, 2)),
        frozenset((2.0, 1.0)),
        "é",
        "\U0001f600",
        float("inf"),
        -0.0,
    ]
    d, oracle = SharedDict(), {}
    for step in range(20_000):
        key = rng.choice(keys)
        match rng.randrange(8):
            case 0 | 1 | 2:
                d[key] = oracle[key] = step
            case 3:
                assert d.pop(key, "none") == oracle.pop(key, "none")
            case 4:
                assert d.get(key) == oracle.get(key)
            case 5:
                assert d.setdefault(key, step) == oracle.setdefault(key, step)
            case 6:
                assert (key in d) == (key in oracle)
            case 7:
                assert [(repr(k), v) for k, v in d.items()] == [
                    (repr(k), v) for k, v in oracle.items()
                ]
    assert d == oracle


def test_views_are_live():
    d = SharedDict(a=1, b=2)
    keys, values, items = d.keys(), d.values(), d.items()
    d["c"] = 3
    assert list(keys) == ["a", "b", "c"] and list(values) == [1, 2, 3]
    assert list(items) == [("a", 1), ("b", 2), ("c", 3)]
    assert len(keys) == len(values) == len(items) == 3
    assert "a" in keys and "z" not in keys
    assert 3 in values and 4 not in values
    assert ("a", 1) in items and ("a", 2) not in items and "a" not in items
    assert repr(keys) == "SharedDictKeys(['a', 'b', 'c'])"
    assert keys.mapping == d


def test_iteration_with_changes():
    d = SharedDict((i, i) for i in range(100))
    seen = []
    for key in d:
        seen.append(key)
        d[key] = -key  # an overwrite
        d[1000 + key] = 0  # not shown: inserted after the start
        if key % 2 == 0 and key + 1 < 100:
            del d[key + 1]  # not shown: gone before its turn
    assert seen == list(range(0, 100, 2))
    walk = iter(d)
    next(walk)
    d.clear()
    d["new"] = 1
    assert list(walk) == []


@pytest.mark.parametrize("part", [iter, SharedDict.keys, SharedDict.values, SharedDict.items])
def test_an_iterator_at_its_end_lets_go_of_the_dict(part):
    d = SharedDict(a=1)
    walk, gone = iter(part(d)), weakref.ref(d)
    assert next(walk) in ("a", 1, ("a", 1))
    with pytest.raises(StopIteration):
        next(walk)
    id = d.id
    del d
    assert gone() is None
    with pytest.raises(LookupError):
        attach(id)
    assert list(walk) == []  # it stays at its end


def test_equality():
    a = SharedDict(x=1, y=(1, 2))
    plain = {"x": 1, "y": (1, 2)}
    assert a == plain and plain == a
    assert a == SharedDict(y=(1, 2), x=1) and a != SharedDict(x=1)
    assert a != {"x": 1, "y": (1, 3)} and a != [("x", 1)] and a != 5
    assert SharedDict(x=float("nan")) != SharedDict(x=float("nan"))
    with pytest.raises(TypeError):
        hash(a)
    with pytest.raises(TypeError):
        a < a  # noqa: B015


def test_repr():
    d = SharedDict()
    assert repr(d) == "SharedDict()"
    d["a"] = (1, "x")
    assert repr(d) == "SharedDict({'a': (1, 'x')})"
    d["me"] = d
    assert repr(d) == "SharedDict({'a': (1, 'x'), 'me': SharedDict({...})})"
    del d["me"]


def test_pattern_matching():
    match SharedDict(kind="point", x=1, y=2):
        case {"kind": "point", "x": x}:
            assert x == 1
        case _:
            pytest.fail("is no mapping")


def test_copies():
    inner, counter, channel = SharedDict(n=1), AtomicInt(5), Channel()
    d = SharedDict(inner=inner, counter=counter, channel=channel)
    for shallow in (d.copy(), copy.copy(d)):
        assert shallow == d and shallow.id != d.id and shallow["inner"] is inner
    deep = copy.deepcopy(d)
    assert deep["inner"] == inner and deep["inner"].id != inner.id
    assert deep["counter"] is counter and deep["channel"] is channel
    d["me"] = d
    deep = copy.deepcopy(d)
    assert deep["me"] is deep
    del deep["me"]
    further = d.local()  # another handle, the same dict
    both = copy.deepcopy([further, d, d.local()])
    assert both[0] is both[1] is both[2] is both[0]["me"] and both[0].id != d.id
    del d["me"], both[0]["me"]


# ---- keys


@pytest.mark.parametrize("first", [1, True, 1.0, 1 + 0j])
@pytest.mark.parametrize("second", [1, True, 1.0, 1 + 0j])
def test_numbers_are_one_key_and_the_first_spelling_stays(first, second):
    d = SharedDict()
    d[first] = "a"
    d[second] = "b"
    assert len(d) == 1 and d[first] == "b"
    (key,) = d
    assert type(key) is type(first)
    d2 = SharedDict({(first, "x"): 1})
    assert d2[(second, "x")] == 1


def test_keys_of_every_kind_come_out_as_given():
    keys = [
        None,
        True,
        2,
        -(2**60),
        2**60,
        2**63,
        -(2**63) - 1,
        10**40,
        2.5,
        -0.0,
        math.inf,
        1e300,
        5e-324,
        3j,
        "",
        "a",
        "ab",
        "é",
        "ÿy",
        "中文",
        "\U0001f600x",
        "\ud800",
        b"",
        b"x",
        b"\0" * 5000,
        "k" * 5000,
        (),
        (1, (2.5, ("x", None))),
        frozenset(),
        frozenset(("a",)),
        ((), frozenset(((),))),
    ]
    d = SharedDict((k, i) for i, k in enumerate(keys))
    assert [repr(k) for k in d] == [repr(k) for k in keys]
    for i, key in enumerate(keys):
        assert d[key] == i


def test_nan_is_one_key():
    d = SharedDict()
    d[float("nan")] = 1
    d[-float("nan")] = 2
    d[(math.nan, 1)] = 3
    assert len(d) == 2 and d[math.nan] == 2 and d[(float("nan"), 1)] == 3
    del d[math.nan]
    assert math.nan not in d


def test_channels_are_keys_by_identity():
    a, b = Channel(), Channel()
    d = SharedDict({a: 1, (b, 1.0): 2})
    assert d[a] == 1 and d[(b, 1)] == 2 and b not in d
    keys = list(d)
    assert keys[0] is a and keys[1][0] is b and type(keys[1][1]) is float
    del keys
    d.clear()


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        ([], TypeError, "unhashable type: 'list'"),
        ({}, TypeError, "unhashable type: 'dict'"),
        (range(3), NotShareableError, "cannot be a key"),
        (Ellipsis, NotShareableError, "cannot be a key"),
        ((1, range(2)), NotShareableError, "cannot be a key"),
        (object(), NotShareableError, "object"),
    ],
)
def test_what_is_no_key(key, error, text):
    d = SharedDict(a=1)
    for action in (
        lambda: d[key],
        lambda: d.get(key),
        lambda: key in d,
        lambda: d.pop(key, None),
        lambda: d.increment(key),
        lambda: operator.setitem(d, key, 1),
    ):
        with pytest.raises(error, match=text):
            action()
    assert d == {"a": 1}


def test_unhashable_handles_are_no_keys():
    with pytest.raises(TypeError, match="unhashable"):
        SharedDict()[AtomicInt()] = 1
    d = SharedDict()
    with pytest.raises(TypeError, match="unhashable"):
        d[d] = 1


# ---- values


def test_handles_as_values():
    n = AtomicInt()
    d = SharedDict(n=n)
    assert d["n"] is n and d["n"] is d["n"]
    d["n"] += 1
    h = d["n"]
    h += 1
    assert n.get() == 2


def test_unshareable_values_change_nothing():
    d = SharedDict(a=1)
    for action in (
        lambda: operator.setitem(d, "a", [1]),
        lambda: operator.setitem(d, "b", {}),
        lambda: d.add("c", object()),
        lambda: d.exchange("a", set()),
        lambda: d.compare_and_set("a", 1, []),
        lambda: d.compare_and_set("a", [], 1),
        lambda: d.setdefault("z", []),
    ):
        with pytest.raises(NotShareableError):
            action()
    assert d == {"a": 1}


# ---- additions


def test_add():
    d = SharedDict()
    assert d.add("a", 1) is True and d.add("a", 2) is False and d["a"] == 1
    assert d.add(key="b", value=2) and d["b"] == 2


def test_exchange():
    d = SharedDict()
    assert d.exchange("a", 1) is MISSING
    assert d.exchange("a", 2) == 1
    assert d.exchange("b", 1, None) is None
    assert d.exchange("b", "x", default=0) == 1 and d["b"] == "x"


def test_compare_and_set():
    d = SharedDict()
    assert d.compare_and_set("a", MISSING, MISSING)
    assert not d.compare_and_set("a", 0, 1)
    assert d.compare_and_set("a", MISSING, 1)
    assert not d.compare_and_set("a", MISSING, 2)
    assert not d.compare_and_set("a", True, 2), "True is not 1"
    assert not d.compare_and_set("a", 1.0, 2), "1.0 is not 1"
    assert d.compare_and_set("a", expected=1, desired=(0.0, "x"))
    assert not d.compare_and_set("a", (-0.0, "x"), 3), "0.0 is not -0.0"
    assert d.compare_and_set("a", (0.0, "x"), math.nan)
    assert d.compare_and_set("a", math.nan, 10**50)
    assert d.compare_and_set("a", 10**50, MISSING)
    assert "a" not in d
    c = Channel()
    d["c"] = c
    assert not d.compare_and_set("c", Channel(), 1) and d.compare_and_set("c", c, 1)


def test_increment():
    d = SharedDict()
    assert d.increment("n") == 1 and d.increment("n", 5) == 6
    assert d.increment("m", default=10) == 11 and d.increment("m", n=-1) == 10
    assert d.increment("f", 0.5) == 0.5 and d.increment("f", 1) == 1.5
    d["big"] = 2**60 - 2
    assert d.increment("big") == 2**60 - 1 and d.increment("big") == 2**60
    assert d.increment("big", 2**80) == 2**80 + 2**60 == d["big"]
    assert d.increment("big", -(2**80)) == 2**60
    d["x"] = 1e300
    assert d.increment("x", 1e300) == 2e300
    d["huge"] = 2**53 + 1
    assert d.increment("huge", 0.5) == (2**53 + 1) + 0.5
    d["b"] = True
    assert d.increment("b") == 2
    with pytest.raises(OverflowError):
        d["o"] = 10**400
        d.increment("o", 0.5)
    assert d["o"] == 10**400


def test_increment_errors():
    d = SharedDict(s="text")
    with pytest.raises(TypeError, match="value of 's' is a str"):
        d.increment("s")
    for bad in ("1", None, 1j):
        with pytest.raises(TypeError, match="int or a float"):
            d.increment("n", bad)
        with pytest.raises(TypeError, match="int or a float"):
            d.increment("n", 1, bad)
    assert d == {"s": "text"}


def test_tally():
    d = SharedDict()
    assert d.tally("abracadabra") == 11
    assert d == {"a": 5, "b": 2, "r": 2, "c": 1, "d": 1}
    assert d.tally(["a", "z"], n=2.5) == 2 and d["a"] == 7.5
    assert d.tally([]) == 0
    with pytest.raises(TypeError):
        d.tally(5)
    with pytest.raises(TypeError):
        d.tally(["b", []])
    assert d["b"] == 3, "what was counted before the error stays"


@pytest.mark.parametrize("n", [1, 2.5, 2**70, -3])
@pytest.mark.parametrize("row", [list, tuple, iter])
def test_tally_of_rows(n, row):
    """Known keys and new ones, numbers that fit a cell and others, rows of every length."""
    words = [f"word {i * i % 23}" for i in range(100)]
    for length in (*range(35), 100):
        for start in ({}, {"word 4": 2.5, "word 9": 2**60 - 2, "word 2": 10**30}):
            d, expected = SharedDict(start), collections.Counter(start)
            for _ in range(3):  # keys are entered when they come again
                assert d.tally(row(words[:length]), n) == length
                for word in words[:length]:
                    expected[word] += n
            assert d == expected, (length, start)


def test_tally_of_a_list_that_changes():
    class Shrinking(str):
        def __hash__(self):
            del words[40:]
            return super().__hash__()

        __eq__ = str.__eq__

    words = ["a", "b"] * 10 + [Shrinking("c")] + ["a", "b"] * 50
    d = SharedDict(a=0, b=0)
    for _ in range(3):
        d.tally(["a", "b"] * 40)
    try:
        counted = d.tally(words)
    except TypeError:  # a str of another class need not be a key
        counted = 20
    assert counted <= 40 and len(words) in (40, 121)
    assert d["a"] + d["b"] in (240 + counted, 239 + counted)
    words = ["a"] * 40 + [None, []] + ["a"] * 40
    before = d["a"]
    with pytest.raises(TypeError, match="unhashable"):
        d.tally(words)
    assert d["a"] == before + 40 and d[None] == 1, "what was counted stays"


def test_snapshot_is_plain():
    d = SharedDict(a=1, b=(2, 3))
    snapshot = d.snapshot()
    assert type(snapshot) is dict and snapshot == {"a": 1, "b": (2, 3)}
    d["a"] = 5
    assert snapshot["a"] == 1


def test_missing():
    assert repr(MISSING) == "MISSING" and not MISSING
    assert copy.copy(MISSING) is MISSING


# ---- size and faults


def test_sizes():
    d = SharedDict()
    empty = d.nbytes
    for i in range(10_000):
        d[f"key {i:06d}"] = i
    assert 50 * 10_000 < d.nbytes < 100 * 10_000
    assert sys.getsizeof(d) > d.nbytes
    for i in range(10_000):
        del d[f"key {i:06d}"]
    _sharedobj.collect()
    assert d.nbytes < empty + 150_000


def test_allocation_failures_change_nothing():
    def scenario(d):
        d["new"] = "value that needs a blob"
        d["old"] = ("another", 10**30)
        d.increment("count", 2**70)
        d.compare_and_set("old", ("another", 10**30), frozenset("abc"))
        d.update({f"k{i}": i for i in range(40)})
        d.clear()

    def failed(d):
        assert len(list(d)) == len(d)
        d["works"] = 1
        assert d["works"] == 1

    made = {"make": lambda: SharedDict(old=1), "failed": failed}
    assert each_allocation_fails(scenario, **made, silent=True)[1] > 20
