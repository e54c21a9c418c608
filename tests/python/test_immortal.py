"""immortal(): which objects, one for each content, in containers, limits, failures.

What Python does with such objects, on pages that cannot be written to: in
tests/interp/test_immortal_interps.py.
"""

import ast
import itertools
import math
import os
import pickle
import sys

import immortals
import pytest
import values
from values import identical

import sharedobj as so
from sharedobj import _sharedobj

pytestmark = pytest.mark.skipif(
    not immortals.SUPPORTED, reason="immortal() returns obj itself here"
)
numbers = itertools.count(10**6)


def fresh():
    """A text that no other test has."""
    return f"immortal {next(numbers)} {os.getpid()}"


def again(value):
    """An equal object that is not the same one."""
    return pickle.loads(pickle.dumps(value))


FLAT = [value for value in values.LEAVES if not isinstance(value, range)]


def label(value):
    """Some ints are too long to print."""
    return type(value).__name__


def test_equal_bit_for_bit_and_the_same_each_time():
    for value in FLAT:
        first = so.immortal(value)
        assert identical(first, value)
        assert so.immortal(value) is first and so.immortal(again(value)) is first
        assert so.immortal(first) is first
        assert sys.getrefcount(first) > 2**30


def test_type_and_content_tell_apart():
    million, other_nan = 10**6, values.double(0x7FF8000000000001)
    distinct = [
        million, float(million), complex(million), 0.0, -0.0, math.nan, other_nan, -math.nan,
        complex(0.0, 0.0), complex(-0.0, 0.0), "ab", b"ab", -million, "\xe9x", "\u20acx",
        2**70, -(2**70), 2.0**70,
    ]  # fmt: skip
    made = [so.immortal(v) for v in distinct]
    assert len({id(v) for v in made}) == len(distinct)
    assert all(identical(a, b) for a, b in zip(made, distinct, strict=True))


def test_tuples_are_left_alone():
    text = fresh()
    before = so.stats()["immortal"]
    for ordinary in ((text, 2**90, 1.5), (text, (text.encode(), None, ...)), ((),)):
        assert so.immortal(ordinary) is ordinary and sys.getrefcount(ordinary) < 1000
    assert so.stats()["immortal"] == before
    parts = tuple(map(so.immortal, (again(text), 2**90)))
    channel = so.Channel()
    channel.send(parts)
    received = channel.recv()
    assert received == parts and all(a is b for a, b in zip(received, parts, strict=True))


def test_the_compiler_writes_into_tuples():
    """Why they are left alone. An item that equals another constant is exchanged for it; where
    that does not happen any more, tuples may become immortal."""
    text = fresh()
    for leaf in (text, text.encode(), 10.5**20, 7**90, 2.5j):
        mine = so.immortal((so.immortal(leaf), None))
        held = [mine[0], again(leaf)]
        constants = [ast.Constant(held[1]), ast.Constant(mine), ast.Name("x", ast.Load())]
        tree = ast.Expression(ast.Tuple(constants, ast.Load()))
        code = compile(ast.fix_missing_locations(tree), "x", "eval")
        assert eval(code, {"x": 0}) == (leaf, (leaf, None), 0)
        assert mine[0] is held[1] and identical(held[0], leaf)


def test_what_python_has_already():
    singletons = [
        None,
        True,
        False,
        ...,
        NotImplemented,
        "",
        chr(97),
        chr(255),
        b"",
        bytes([7]),
        (),
    ]
    for value in [*singletons, 0, -5, 256]:
        assert so.immortal(value) is value
    assert so.immortal("".join(["__ca", "ll__"])) is sys.intern("__call__")


def test_equal_names_are_one_object():
    """Whether CPython has a name of its own for it or not, and whichever came first."""
    for name in ("append", "encoding", "no_such_name", "__repr__", "__no_such_name__"):
        one = so.immortal("".join(list(name)))
        assert so.immortal(sys.intern(name)) is one is so.immortal(again(name))


def test_names_of_slots():
    immortals.slots(so.immortal)


def test_a_refused_value_leaves_nothing():
    text = fresh()
    before = so.stats()["immortal"]
    with pytest.raises(TypeError):
        so.immortal((text, [1]))
    assert so.stats()["immortal"] == before


# ---- in containers


def stored():
    """Values whose cell is not the value itself."""
    text = fresh()
    yield from (text, text.encode(), "\xe9" + text, "\u20ac" + text, "\U0001f600" + text)
    yield from ("\ud800" + text, text * 3000, text.encode() * 3000, "append")
    yield from (2**64, -(2**200), -0.0, math.inf, math.nan, 5e-324, 1 + 2j)


@pytest.mark.parametrize("value", list(stored()), ids=label)
def test_as_a_value(value):
    one = so.immortal(value)
    d = so.SharedDict(k=one, other=again(value))
    assert d["k"] is one and d.get("k") is one and d.get_many(["k"])[0] is one
    assert d["other"] is not one and identical(d["other"], value)
    assert next(iter(d.values())) is one and d.snapshot()["k"] is one and d.copy()["k"] is one
    assert d.exchange("k", one) is one and d.setdefault("k", 1) is one
    # The same value as any equal one.
    assert d.compare_and_set("k", again(value), again(value)) and d["k"] is not one
    assert d.compare_and_set("k", one, one) and d["k"] is one
    assert d.compare_and_set("other", one, 1) and not d.compare_and_set("other", one, 1)
    assert _sharedobj._same(one, again(value)) and not _sharedobj._same(one, (value, value))
    assert d.wait_for("k", lambda v: v is one) is one
    assert d.get_or_set("new", lambda: one) is one and d["new"] is one
    assert d.compute("new", lambda v: v) is one
    assert d.pop("k") is one and d.popitem() == ("new", one)
    assert _sharedobj._take(one) is one and _sharedobj._roundtrip(one) is one


@pytest.mark.parametrize("value", list(stored()), ids=label)
def test_as_a_key(value):
    one = so.immortal(value)
    d = so.SharedDict({one: 1})
    assert next(iter(d)) is one and next(iter(d.items()))[0] is one
    assert next(iter(d.snapshot())) is one and next(iter(d.copy())) is one
    assert next(reversed(d)) is one and d.popitem()[0] is one
    d[one] = 2
    if value == value:
        assert again(value) in d and d[again(value)] == 2 and one in d
        d[again(value)] = 3
        assert d == {value: 3} and next(iter(d)) is one
        del d[again(value)]
        assert not d


def test_keys_that_were_there_before():
    """Of text the immortal object comes out, whoever stored the key; it is the same value."""
    text = fresh()
    d = so.SharedDict({text: 1, text.encode(): 2, text * 2: 3})
    one, data = so.immortal(text), so.immortal(text.encode())
    assert [k is x for k, x in zip(d, (one, data, text), strict=True)] == [True, True, False]


def test_equal_keys_of_other_types():
    d = so.SharedDict({so.immortal(float(10**6)): 1})
    assert next(iter(d)) is so.immortal(float(10**6)) and d[10**6] == 1
    d[10**6] = 2
    assert [type(k) for k in d] == [float]


def test_small_numbers_are_stored_by_value():
    d = so.SharedDict()
    for number in (10**6, 2**59, 1.5, -0.25):
        d["n"] = so.immortal(number)
        assert identical(d["n"], number) and d.increment("n") == number + 1
    one = so.immortal(2**61)  # too large for a cell, though not for a key
    d["n"] = one
    assert d["n"] is one and d.increment("n") == 2**61 + 1
    assert list(so.SharedDict({one: 1})) == [one]


@pytest.mark.parametrize("value", list(stored()), ids=label)
def test_in_messages(value):
    one = so.immortal(value)
    channel = so.Channel()
    channel.send(one)
    assert channel.recv() is one
    channel.send([one, {one: one}, (one, again(value)), one])
    first, table, pair, last = channel.recv()
    if not isinstance(value, float) or value != value or value in (math.inf, 5e-324):
        assert first is one and last is one and pair[0] is one
        assert next(iter(table)) is one and next(iter(table.values())) is one
    assert identical(pair[1], value) and (pair[1] is not one)
    shared = [one]
    channel.send((shared, shared, [1], one, "text" * 100, "text" * 100))
    a, b, _, c, d, e = channel.recv()
    assert a is b and a[0] is one and c is one and d is e


def test_parts_of_values_are_copies():
    text = so.immortal(fresh())
    d = so.SharedDict(v=(text, 1), f=frozenset({text}))
    assert d["v"] == (text, 1) and d["v"][0] is not text and d["f"] == {text}


def test_pickled_messages():
    text = so.immortal(fresh())
    channel = so.Channel()
    channel.send([text, range(3), Exception(text)])
    assert channel.recv()[0] == text


def test_frozen_and_shared_dicts():
    text = so.immortal(fresh())
    inner = so.SharedDict({text: text})
    inner.freeze()
    outer = so.SharedDict(inner=inner)
    assert outer["inner"][text] is text
    outer.replace({text: text})
    assert outer.snapshot() == {text: text} and next(iter(outer)) is text


# ---- figures, limits, failures


@pytest.fixture
def limit():
    """Sets a limit that leaves room for some bytes more; it is as before afterwards."""
    before = so.immortal_limit()
    yield lambda room: so.immortal_limit(so.stats()["immortal"]["bytes"] + room)
    so.immortal_limit(before)


def test_figures():
    before = so.stats()
    text = fresh() * 100
    one = so.immortal(text)
    so.immortal(2**80)
    after = so.stats()
    grown = {
        name: after["immortal"][name] - before["immortal"][name] for name in ("count", "bytes")
    }
    assert grown["count"] == 2
    assert len(text) < grown["bytes"] < len(text) + 20_000
    assert after["bytes"] - before["bytes"] == grown["bytes"]
    assert so.immortal(again(text)) is one
    assert so.stats()["immortal"] == after["immortal"]
    d = so.SharedDict(a=one)
    stored = so.stats()["immortal"]["bytes"] - after["immortal"]["bytes"]
    assert len(text) < stored < len(text) + 200
    d["b"] = one
    assert so.stats()["immortal"]["bytes"] - after["immortal"]["bytes"] == stored


def test_limit():
    assert so.immortal_limit() == so.stats()["immortal"]["limit"] == 64 * 2**20
    assert so.immortal_limit(10**9) == 64 * 2**20 and so.immortal_limit(None) == 10**9
    assert so.immortal_limit(2**80) == 10**9 and so.immortal_limit(64 * 2**20) == 2**63 - 1
    for wrong in (-1, -(2**80)):
        with pytest.raises(ValueError, match="0 or more"):
            so.immortal_limit(wrong)
    for wrong in (1.5, "1", b""):
        with pytest.raises(TypeError, match="number of bytes"):
            so.immortal_limit(wrong)
    with pytest.raises(TypeError):
        so.immortal_limit(1, 2)
    assert so.immortal_limit() == 64 * 2**20


def test_over_the_limit(limit):
    known = so.immortal(fresh())
    limit(1000)
    with pytest.raises(MemoryError, match=r"immortal_limit\(n\) sets the limit"):
        so.immortal("x" * 900 + fresh())
    so.immortal_limit(0)
    text = fresh()
    for value in (text, text.encode(), 2**300 + next(numbers), next(numbers) / 7):
        with pytest.raises(MemoryError):
            so.immortal(value)
    assert so.immortal(known) is known and so.immortal(again(known)) is known
    assert so.immortal(7) == 7 and so.immortal(()) == ()
    # Not stored before: there is no room for what a container keeps, so it is stored by value.
    d = so.SharedDict(k=known)
    assert (
        d["k"] == known and d["k"] is not known and next(iter(so.SharedDict({known: 1}))) is known
    )
    before = so.stats()["immortal"]
    limit(10_000)
    d["k"] = known
    assert d["k"] is known and so.stats()["immortal"]["bytes"] > before["bytes"]
    assert so.immortal(text) == text


def test_what_was_stored_often_before(limit):
    """How a str was stored when it was not yet immortal is not remembered."""
    d = so.SharedDict()
    for _ in range(4):
        d["k"] = "__subclasshook__"
    one = so.immortal("__subclasshook__")
    d["k"] = one
    assert d["k"] is one

    known = so.immortal(fresh())
    limit(0)
    for _ in range(4):
        d["k"] = known
    limit(10_000)
    d["k"] = known
    assert d["k"] is known


def test_bytes_stay_within_the_limit(limit):
    limit(20_000)
    made = []
    with pytest.raises(MemoryError):
        while True:
            made.append(so.immortal(fresh()))
    now = so.stats()["immortal"]
    assert len(made) > 20 and now["bytes"] <= now["limit"] + 16_384  # but for the tables
    assert all(so.immortal(again(text)) is text for text in made)


def test_failing_allocations():
    """Each allocation of the core, one after the other; what was made stays and is whole."""

    def scenario(text):
        number = 2**99 + int(text.split()[1])
        made = [so.immortal(v) for v in (text, text.encode(), "\u20ac" + text, number, 1 / number)]
        d = so.SharedDict()
        for one in made:
            d[one] = one
            assert d[one] == one
        return all(d[one] is key is one for key, one in zip(d, made[:4], strict=False))

    for after in range(1000):
        text = fresh()
        _sharedobj._fail_allocation(after)
        try:
            whole = scenario(text)
        except MemoryError:
            whole = None
        left = _sharedobj._fail_allocation(-1)
        so.collect()
        assert scenario(text)  # nothing is half made
        if left >= 0:
            assert whole
            break
    assert after > 10


def test_failing_python_allocations():
    testcapi = pytest.importorskip("_testcapi")
    for after in range(200):
        text = fresh()
        parts = (text, "\xe9" + text, b"x" + text.encode(), 2**70 + after, 1.5**50 + after)
        failed = True
        testcapi.set_nomemory(after, after + 1)
        try:
            made = [so.immortal(part) for part in parts]
            failed = False
        except MemoryError:
            pass
        finally:
            testcapi.remove_mem_hooks()
        assert [so.immortal(part) for part in parts] == [*parts]
        if not failed:
            assert all(so.immortal(part) is one for part, one in zip(parts, made, strict=True))
            break
    assert after >= 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_fork(run_python):
    """The child has the objects of its parent and makes its own."""
    run_python(
        """if 1:
        import os, threading, sharedobj as so
        one = so.immortal("before the fork, " + "x" * 50)
        d = so.SharedDict({one: one})
        over = threading.Event()
        def make():
            i = 0
            while not over.is_set():
                so.immortal(f"made while others fork {i}")
                i += 1
        threads = [threading.Thread(target=make) for _ in range(2)]
        for t in threads: t.start()
        import warnings
        warnings.simplefilter("ignore")
        for i in range(20):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    ok = d[one] is one and so.immortal("before the fork, " + "x" * 50) is one
                    mine = so.immortal(f"in the child {i}")
                    d["mine"] = mine
                    ok = ok and d["mine"] is mine and so.immortal(f"in the child {i}") is mine
                    code = not ok
                finally:
                    os._exit(code)
            assert os.waitpid(pid, 0)[1] == 0
        over.set()
        for t in threads: t.join()
        """
    )


def test_at_the_end_of_the_process(run_python):
    """What holds such objects is torn down after the module is."""
    done = run_python(
        """if 1:
        import builtins, sys, sharedobj as so
        builtins.kept = [so.immortal(f"kept by builtins {i}") for i in range(100)]
        class Late:
            def __init__(self, one): self.one = one
            def __del__(self): print(len({self.one: 1}), self.one)
        sys.modules["late"] = Late(so.immortal("the last word"))
        so.registry[builtins.kept[0]] = builtins.kept
        """.replace("= builtins.kept\n", "= builtins.kept[1]\n")
    )
    assert done.stdout == "1 the last word\n" and done.stderr == ""
