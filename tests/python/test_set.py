"""SharedSet in one thread."""

import collections
import copy
import datetime
import gc
import inspect
import math
import operator
import pickle
import sys
import uuid
from collections.abc import MutableSet, Set

import pytest
from values import identical

import sharedobj
from sharedobj import AtomicInt, Channel, NotShareableError, SharedDict, SharedSet

# ---- single items


def test_construct():
    assert SharedSet() == set() and list(SharedSet("abca")) == ["a", "b", "c"]
    assert SharedSet({1, 2}) == {1, 2} and SharedSet(SharedSet([3])) == {3}
    assert list(SharedSet(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(SharedSet({"k": 1, "l": 2})) == ["k", "l"]
    for wrong in ((1,), ([], []), ([[]],)):
        with pytest.raises(TypeError):
            SharedSet(*wrong)
    with pytest.raises(TypeError, match="no keyword arguments"):
        SharedSet(iterable=())
    with pytest.raises(ZeroDivisionError):
        SharedSet(1 // x for x in (1, 0))
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Mine", (SharedSet,), {})


def test_construct_again():
    """As set.__init__: it is emptied first."""
    s = SharedSet("ab")
    s.__init__("bc")
    assert s == {"b", "c"}
    s.__init__()
    assert s == set()
    assert SharedSet.__new__(SharedSet, "ignored, as by set") == set()


def test_add_and_discard_say_what_they_did():
    s = SharedSet()
    assert s.add("a") is True and s.add("a") is False
    assert s.discard("a") is True and s.discard("a") is False
    assert s.add("a") is True and s.remove("a") is None
    with pytest.raises(KeyError) as caught:
        s.remove(("a", 1))
    assert caught.value.args == (("a", 1),)
    with pytest.raises(TypeError):
        s.add()
    with pytest.raises(TypeError):
        s.add("a", "b")


def test_pop_takes_the_last():
    s = SharedSet("abc")
    s.discard("a")
    s.add("a")
    assert [s.pop(), s.pop(), s.pop()] == ["a", "c", "b"]
    with pytest.raises(KeyError, match="empty"):
        s.pop()


def test_pop_gives_back_what_was_added():
    channel = Channel()
    items = [("k", 1.0), "x" * 20_000, b"b", (1, (2, "é")), 10**30, 2.5, None, "\ud800", channel]
    s = SharedSet(items)
    assert all(identical(s.pop(), item) for item in reversed(items))


def test_items_are_keys():
    given = [datetime.date(2024, 2, 29), uuid.UUID(int=7), (datetime.timedelta(1), "x")]
    assert list(SharedSet(given)) == given
    s = SharedSet([1, 1.0, True, 1 + 0j, 0.0, -0.0, math.nan, -math.nan])
    assert len(s) == 3 and identical(list(s)[:2], [1, 0.0]), "the first spelling stays"
    assert math.nan in s and True in s
    for wrong in (range(3), ..., object(), (1, range(2))):
        with pytest.raises(NotShareableError, match="cannot be in a set"):
            s.add(wrong)
        for action in (s.discard, s.remove, s.__contains__):
            with pytest.raises(NotShareableError):
                action(wrong)
    for wrong in ([], {}, bytearray(), ([],), AtomicInt(), SharedDict()):
        for action in (s.add, s.discard, s.remove, s.__contains__):
            with pytest.raises(TypeError, match="unhashable"):
                action(wrong)
    with pytest.raises(TypeError, match="unhashable"):
        s.add(set())
    with pytest.raises(TypeError, match="use its id"):
        s.add(s)
    assert len(s) == 3


def test_a_set_that_is_looked_for_stands_for_a_frozenset():
    class Mine(set):
        def __iter__(self):
            raise AssertionError

    s = SharedSet([frozenset("ab"), frozenset(), "x"])
    for same in (set("ab"), SharedSet("ab"), Mine("ab"), frozenset("ba")):
        assert same in s
    assert set("abc") not in s and SharedSet([1]) not in s and set() in s
    key = SharedSet([1])
    with pytest.raises(KeyError) as caught:
        s.remove(key)
    assert caught.value.args[0] is key
    s.remove(set("ab"))
    assert s.discard(SharedSet()) is True and s.discard(set()) is False
    assert s == {"x"}
    for wrong in ({object()}, {(1, ...)}):
        with pytest.raises(NotShareableError):
            s.discard(wrong)
    assert s.discard(s) is False


# ---- as a container


def test_what_it_is():
    s = SharedSet([1])
    assert isinstance(s, MutableSet) and isinstance(s, Set) and not isinstance(s, set)
    assert bool(s) and not SharedSet()
    assert SharedSet[str].__origin__ is SharedSet and SharedSet[str]([1]) == {1}
    assert SharedSet.__hash__ is None
    with pytest.raises(TypeError, match=r"unhashable type: 'sharedobj\.SharedSet'.*use its id"):
        hash(s)
    for name in dir(set):
        assert hasattr(SharedSet, name), name
    assert sys.getsizeof(s) > s.nbytes > 0
    before = s.nbytes
    s.update(range(10_000))
    assert s.nbytes > before + 10_000 * 8
    with pytest.raises(TypeError):
        reversed(s)
    with pytest.raises(AttributeError):
        s.other = 1


def test_signatures():
    for name in dir(SharedSet):
        member = getattr(SharedSet, name)
        if callable(member) and not name.startswith("_"):
            assert "self" in inspect.signature(member).parameters, name


def test_repr():
    assert repr(SharedSet()) == "SharedSet()"
    assert repr(SharedSet([1, "a", (2,), frozenset()])) == "SharedSet({1, 'a', (2,), frozenset()})"
    assert repr(SharedDict(s=SharedSet("a"))) == "SharedDict({'s': SharedSet({'a'})})"
    assert str(SharedSet([b"x"])) == "SharedSet({b'x'})"


def test_iteration_in_order_with_changes():
    s = SharedSet(range(100))
    seen = []
    for x in s:
        seen.append(x)
        s.discard(x)
        s.add(x)  # at the end now, which is no longer shown
        s.discard(x + 1)
    assert seen == list(range(0, 100, 2))
    walk = iter(SharedSet("abc"))
    assert next(walk) == "a" and operator.length_hint(walk) == 2
    assert list(pickle.loads(pickle.dumps(walk))) == list(walk) == ["b", "c"]
    walk = iter(s)
    s.clear()
    s.add("new")
    assert list(walk) == []


def test_grows_and_shrinks():
    s, oracle = SharedSet(), set()
    for i in range(30_000):
        x = (i * 7919) % 6000
        if i % 3:
            assert s.add(x) is (x not in oracle)
            oracle.add(x)
        else:
            assert s.discard(x) is (x in oracle)
            oracle.discard(x)
    assert s == oracle and len(s) == len(oracle) and s.snapshot() == oracle
    for x in list(oracle):
        s.remove(x)
    assert not s and s.nbytes < 1_000_000


# ---- operators

OPERATORS = [operator.or_, operator.and_, operator.sub, operator.xor]
IN_PLACE = [operator.ior, operator.iand, operator.isub, operator.ixor]
METHODS = ["union", "intersection", "difference", "symmetric_difference"]
UPDATES = ["update", "intersection_update", "difference_update", "symmetric_difference_update"]
COMPARISONS = [operator.eq, operator.ne, operator.le, operator.lt, operator.ge, operator.gt]
CONTENTS = ["", "a", "ab", "abc", "bcd", "xyz", "abcdefgh"]
KINDS = [
    set,
    frozenset,
    SharedSet,
    lambda items: dict.fromkeys(items).keys(),
    lambda items: SharedDict.fromkeys(items).keys(),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", range(4))
def test_operators(n, kind):
    for left in CONTENTS:
        for right in CONTENTS:
            expected = OPERATORS[n](set(left), set(right))
            mine = SharedSet(left)
            result = OPERATORS[n](mine, kind(right))
            assert type(result) is SharedSet and result == expected and result.id != mine.id
            result = OPERATORS[n](kind(right), mine)
            assert set(result) == OPERATORS[n](set(right), set(left))
            first = {frozenset: frozenset, SharedSet: SharedSet}.get(kind, set)
            assert type(result) is first, "the left operand decides"
            assert mine == set(left)
            same = mine
            same = IN_PLACE[n](same, kind(right))
            assert same is mine and mine == expected
            others = [right, list(right), kind(right), iter(right), dict.fromkeys(right)]
            for other in others:
                mine = SharedSet(left)
                result = getattr(mine, METHODS[n])(other)
                assert type(result) is SharedSet and result == expected and mine == set(left)
            others = [right, list(right), kind(right), iter(right), dict.fromkeys(right)]
            for other in others:
                mine = SharedSet(left)
                assert getattr(mine, UPDATES[n])(other) is None and mine == expected


def test_methods_with_several_or_no_arguments():
    s = SharedSet("abcd")
    assert s.union("x", ["y"], SharedSet("z")) == set("abcdxyz")
    assert s.intersection("abc", iter("bcd"), {"c", "b", "x"}) == {"b", "c"}
    assert s.difference("a", ["b"], SharedSet("c")) == {"d"}
    for name in METHODS[:3]:
        result = getattr(s, name)()
        assert result == s and result.id != s.id and type(result) is SharedSet
        getattr(s, UPDATES[METHODS.index(name)])()
    assert s == set("abcd")
    s.update("e", "f")
    s.difference_update("a", "e")
    s.intersection_update("bcdf", iter("bcf"))
    assert list(s) == ["b", "c", "f"]
    for name in METHODS[3], UPDATES[3], "issubset", "issuperset", "isdisjoint":
        with pytest.raises(TypeError):
            getattr(s, name)()


def test_with_itself():
    s = SharedSet("abc")
    twin = s.local()
    assert (s | twin) == (s & twin) == s and (s - twin) == (s ^ twin) == set()
    s |= twin
    s &= twin
    s.update(s, s)
    s.intersection_update(s)
    assert s == set("abc") and s.union(s, twin) == s
    s -= twin
    assert s == set()
    s.update("abc")
    s ^= twin
    assert s == set() == twin
    s.update("abc")
    s.difference_update(s)
    assert s == set()


@pytest.mark.parametrize("kind", KINDS)
def test_comparisons(kind):
    for left in CONTENTS:
        for right in CONTENTS:
            mine, plain = SharedSet(left), set(left)
            for compare in COMPARISONS:
                assert compare(mine, kind(right)) is compare(plain, set(right))
                assert compare(kind(right), mine) is compare(set(right), plain)
            for other in (right, list(right), kind(right), dict.fromkeys(right)):
                assert mine.issubset(other) is plain.issubset(right)
                assert mine.issuperset(other) is plain.issuperset(right)
                assert mine.isdisjoint(other) is plain.isdisjoint(right)
            assert set(right).issuperset(mine) is set(right).issuperset(plain)


def test_comparisons_with_other_things():
    s = SharedSet("ab")
    for other in (5, None, "ab", ["a", "b"], {"a": 1, "b": 2}, SharedDict(a=1, b=2)):
        assert (s != other) is True and (s == other) is False
        for compare in COMPARISONS[2:]:
            with pytest.raises(TypeError):
                compare(s, other)
        for function in OPERATORS:
            with pytest.raises(TypeError):
                function(s, other)
            with pytest.raises(TypeError):
                function(other, s)
        for function in IN_PLACE:
            with pytest.raises(TypeError):
                function(s, other)
    twin = s.local()
    assert twin is not s and twin == s and (twin != s) is False and twin <= s and not twin < s
    assert s == {"a", "b"} and SharedSet([1]) == {True} == SharedSet([1.0])


class Written(Set):
    """A set that somebody has written in Python; its operators make one of the same kind."""

    def __init__(self, items):
        self.items = list(items)

    def __contains__(self, item):
        return item in self.items

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)


def test_sets_written_in_python():
    s, other = SharedSet("abc"), Written("bcd")
    for function in OPERATORS:
        expected = function(set("abc"), set("bcd"))
        assert type(function(s, other)) is Written and set(function(s, other)) == expected
        assert set(function(other, s)) == function(set("bcd"), set("abc"))
    assert s <= Written("abcd") and Written("abcd") > s and s == Written("cba")
    for function, in_place in zip(OPERATORS, IN_PLACE, strict=True):
        s = mine = SharedSet("abc")
        s = in_place(s, other)
        assert s is mine and s == function(set("abc"), set("bcd")), "it stays the shared one"


def test_what_cannot_be_a_key_is_in_no_set():
    thing = object()
    s = SharedSet("ab")
    mixed = {"a", thing, ("a", thing), range(2)}
    assert s & mixed == {"a"} and s - mixed == {"b"} and mixed & s == {"a"}
    assert mixed - s == {thing, ("a", thing), range(2)} and mixed | s == {*mixed, "b"}
    assert not s.isdisjoint(mixed) and s.isdisjoint([thing, "x"]) and not s.issuperset(mixed)
    assert not s <= mixed and not mixed <= s and s != mixed and s.issubset([*mixed, "b"])
    s.difference_update([thing, "a"])
    s &= {thing, "b"}
    assert s == {"b"}
    for action in (
        lambda: s | mixed,
        lambda: s ^ mixed,
        lambda: s.symmetric_difference_update([thing]),
        lambda: s.update([thing]),
        lambda: s.replace([thing]),
    ):
        with pytest.raises(NotShareableError):
            action()
    assert s == {"b"}
    for name in METHODS + UPDATES + ["issubset", "issuperset", "isdisjoint"]:
        if name != "issuperset":
            s.add("b")
        with pytest.raises(TypeError, match="unhashable"):
            getattr(s, name)([[]])
    assert s == {"b"}


def test_updates_that_fail():
    def items():
        yield "x"
        yield "y"
        raise ZeroDivisionError

    for name, left in zip(UPDATES, ("abxy", "ab", "ab", "ab"), strict=True):
        s = SharedSet("ab")
        with pytest.raises(ZeroDivisionError):
            getattr(s, name)(items())
        assert s == set(left), "update() adds what came before the error"
    s = SharedSet("xz")
    with pytest.raises(ZeroDivisionError):
        s.difference_update(items())
    assert s == {"z"}


def test_symmetric_difference_counts_an_item_once():
    s = SharedSet([1, "a"])
    s.symmetric_difference_update([1.0, True, "b", "b", math.nan, -math.nan])
    assert list(s)[:2] == ["a", "b"] and len(s) == 3 and math.nan in s


def test_operands_that_change_the_set():
    s = SharedSet(range(50))

    def meanwhile(items):
        for item in items:
            s.discard(item + 1)
            s.add(("new", item))
            yield item

    s.update(meanwhile(range(0, 50, 2)))
    assert {x for x in s if isinstance(x, int)} == set(range(0, 50, 2))
    s.difference_update(meanwhile(range(0, 50, 4)))
    s.symmetric_difference_update(meanwhile(range(2)))
    s.replace(meanwhile(range(3)))
    assert s == {0, 1, 2}

    class Item:
        def __eq__(self, other):
            s.clear()
            s.update("abc")
            return NotImplemented

        def __hash__(self):
            return hash(7)

    s.replace(range(20))
    assert s - {Item()} and not s <= {Item(), *range(19)} and s & {Item()} == set()
    s &= {Item(), 3, "a"}
    assert s <= {3, "a", "b", "c"}


# ---- the whole


def test_snapshot_and_copy():
    s = SharedSet([3, "a", (1, 2.0)])
    plain, twin = s.snapshot(), s.copy()
    assert type(plain) is set and plain == {3, "a", (1, 2.0)}
    assert type(twin) is SharedSet and twin == s and twin.id != s.id and list(twin) == list(s)
    s.add("later")
    assert "later" not in plain and "later" not in twin
    assert copy.copy(s) == s and copy.copy(s).id != s.id
    assert SharedSet().snapshot() == set()
    with pytest.raises(TypeError):
        s.snapshot(1)


def test_deepcopy():
    channel = Channel()
    s = SharedSet([1, channel])
    a, b, c = copy.deepcopy([s, s.local(), {"s": s}])
    assert a == {1, channel} and a.id == b.id == c["s"].id != s.id
    d = SharedDict(one=s, two=s)
    made = copy.deepcopy(d)
    assert made["one"] is made["two"] and made["one"] == s and made["one"].id != s.id
    assert copy.deepcopy(SharedSet()).snapshot() == set()


def test_replace():
    s = SharedSet("ab")
    assert s.replace("cd") is None and list(s) == ["c", "d"]
    s.replace(SharedSet([1, 2]))
    assert list(s) == [1, 2]
    s.replace(s)
    s.replace(s.local())
    s.replace(iter(s))
    assert list(s) == [1, 2]
    for wrong in (5, ["x", []], ["x", range(2)], (1 // x for x in (1, 0))):
        with pytest.raises((TypeError, ZeroDivisionError)):
            s.replace(wrong)
        assert s == {1, 2}
    s.replace(())
    assert len(s) == 0
    s.replace({"k": 1})
    assert s == {"k"}
    s.replace(SharedDict(d=1))
    assert s == {"d"}
    d = SharedDict()
    d.replace(SharedSet([("key", "value")]))
    assert d == {"key": "value"}


def test_freeze():
    s = SharedSet("ab")
    assert s.frozen is False and s.freeze() is None and s.frozen is True
    s.freeze()
    for action in (
        lambda: s.add("c"),
        lambda: s.add("a"),
        lambda: s.discard("a"),
        lambda: s.remove("a"),
        s.pop,
        s.clear,
        lambda: s.replace("x"),
        lambda: s.update("x"),
        lambda: s.difference_update("a"),
        lambda: s.difference_update(s),
        lambda: s.intersection_update("b"),
        lambda: s.symmetric_difference_update("a"),
        lambda: s.__init__("x"),
        lambda: operator.ior(s, {"x"}),
        lambda: operator.ixor(s, s),
    ):
        with pytest.raises(TypeError, match="frozen"):
            action()
    assert list(s) == ["a", "b"] and "a" in s and s | {"c"} == set("abc") and s - {"a"} == {"b"}
    thawed = s.copy()
    assert not thawed.frozen and thawed.add("c")
    with pytest.raises(AttributeError):
        s.frozen = False


def test_clear():
    s = SharedSet(range(1000))
    assert s.clear() is None and len(s) == 0 and list(s) == []
    s.clear()
    s.add(1)
    assert s == {1}


# ---- as a shared object


def test_handles():
    s = SharedSet("ab")
    assert sharedobj.attach(s.id) is s and type(sharedobj.attach(s.id)) is SharedSet
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(s, protocol)) is s
    load, token = s.__reduce__()
    assert token[2] == "SharedSet" and load(*token) is s
    d = SharedDict(s=s)
    assert d["s"] is s and sharedobj.is_shareable(s) and sharedobj.is_shareable((1, s))
    channel = Channel(1)
    channel.send([s, {"s": s}])
    received = channel.recv()
    assert received[0] is received[1]["s"] is s
    assert d.compare_and_set("s", s, 5)
    key = SharedSet([channel])
    assert channel in key and list(key) == [channel] and next(iter(key)) is channel


def test_a_pickle_of_another_kind_is_refused():
    s, d = SharedSet(), SharedDict()
    load, token = s.__reduce__()
    with pytest.raises(LookupError, match="another kind"):
        load(*token[:3], d.id, 0)
    assert load(*token) is s
    sharedobj.collect()


def test_what_it_holds_lives_and_dies_with_it():
    before = sharedobj.stats()["objects"]
    s = SharedSet([Channel(), (Channel(), 1)])
    twin = s.copy()
    s.clear()
    del s
    gc.collect()
    sharedobj.collect()
    assert sharedobj.stats()["objects"] == before + 3
    del twin
    sharedobj.collect()
    assert sharedobj.stats()["objects"] == before


def test_errors_name_the_set():
    assert "SharedSet" in sharedobj.explain({1})
    with pytest.raises(NotShareableError, match=r"is a set; use frozenset\(x\) or a SharedSet"):
        SharedDict(a=set())


def test_views_and_sets_meet():
    s, d = SharedSet("ab"), SharedDict(b=1, c=2)
    assert s | d.keys() == set("abc") and type(s | d.keys()) is SharedSet
    assert d.keys() | s == set("abc") and type(d.keys() | s) is set
    assert s & d.keys() == d.keys() & s == {"b"} and d.keys() > SharedSet("b")
    assert SharedSet([("b", 1)]) <= d.items() and d.items() - SharedSet([("b", 1)]) == {("c", 2)}
    assert s.isdisjoint(SharedDict(x=1)) and not d.keys().isdisjoint(s)
    assert d.keys() == SharedSet("cb") and SharedSet("bc") == d.keys()
    assert collections.Counter(s) == {"a": 1, "b": 1} and sorted(s) == ["a", "b"]


# ---- looking with the same objects again and again, which the handle remembers

CHANGES = {
    "discard": (lambda s, item: s.discard(item), False),
    "discard, set of it": (lambda s, item: s.difference_update({item}), False),
    "discard and add": (lambda s, item: (s.discard(item), s.add(item)), True),
    "toggle": (lambda s, item: s.symmetric_difference_update({item}), False),
    "toggle twice": (lambda s, item: [s.symmetric_difference_update({item}) for _ in "12"], True),
    "clear": (lambda s, item: s.clear(), False),
    "clear and add": (lambda s, item: (s.clear(), s.add(item)), True),
    "replace": (lambda s, item: s.replace([1]), False),
    "replace, with it": (lambda s, item: s.replace([item]), True),
    "pop": (lambda s, item: s.pop(), False),
    "grow and shrink": (
        lambda s, item: (s.update(range(999)), s.difference_update(range(999))),
        True,
    ),
}


@pytest.mark.parametrize("who", ["this handle", "another one"])
@pytest.mark.parametrize("how", CHANGES)
def test_looking_again_shows_changes(who, how):
    item = "".join(["the ", "item"])
    s = SharedSet(["another", item])
    change, there = CHANGES[how]
    for _ in range(3):
        assert all(item in s and "absent" not in s for _ in range(50))
        change(s if who == "this handle" else s.local(), item)
        assert [item in s for _ in range(50)] == [there] * 50
        assert s.add(item) is not there


def test_what_it_remembers_counts():
    items = [f"item number {n}" for n in range(1000)]
    s = SharedSet(items)
    table = s.nbytes
    before = s.__sizeof__()
    assert all(item in s for _ in range(50) for item in items)
    assert s.__sizeof__() > before and s.nbytes == table
    s.clear()
    assert s.__sizeof__() < before


def test_nobody_finds_arguments_half_done():
    found = []

    def items():
        tuples = [t for t in gc.get_objects() if type(t) is tuple]
        found.extend(len(t) for t in tuples if len(gc.get_referents(t)) < len(t))
        yield from "ab"

    s = SharedSet("abc")
    s.intersection_update(items(), items(), {"b"})
    assert s == {"b"} and not found
    s.intersection_update()
    assert not gc.is_tracked(())
