"""SharedDict.get_or_set, wait_for and compute, and DELETE: one thread."""

import copy
import gc
import math
import pickle

import pytest

from sharedobj import (
    DELETE,
    MISSING,
    AtomicInt,
    Channel,
    NotShareableError,
    SharedDict,
    _sharedobj,
    explain,
    is_shareable,
)


def fail():
    raise AssertionError("must not be called")


# ---- get_or_set


def test_makes_what_is_absent():
    d, value = SharedDict(a=1), "made " * 10
    assert d.get_or_set("a", fail) == 1
    assert d.get_or_set("b", lambda: value) is value
    assert d == {"a": 1, "b": value}
    assert d.get_or_set("b", fail) == value
    assert d.get_or_set(key="c", factory=tuple, timeout=None) == () and d["c"] == ()
    assert d.get_or_set("d", AtomicInt, 0) is d["d"]


@pytest.mark.parametrize(
    "key",
    [1, 1.0, True, "", "\u20ac" * 3, b"x", None, math.nan, 2**80, ("a", (1, 2.0)), (Channel(),)],
)
def test_keys_of_all_kinds(key):
    d = SharedDict()
    assert d.get_or_set(key, lambda: 5) == 5 and d[key] == 5
    assert list(d) == [key] or key != key
    assert type(next(iter(d))) is type(key)  # as it was given
    with pytest.raises(RuntimeError) as error:
        d.get_or_set("x", lambda: d.get_or_set(("y", key), lambda: d.get_or_set("x", fail)))
    assert "'x'" in str(error.value)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_factory_that_raises(error):
    d = SharedDict()

    def factory():
        raise error("no")

    for _ in range(3):
        with pytest.raises(error, match="no"):
            d.get_or_set("a", factory)
    assert d == {}
    assert d.get_or_set("a", lambda: 1) == 1


def test_a_value_that_cannot_be_shared():
    d = SharedDict()
    with pytest.raises(NotShareableError, match="list"):
        d.get_or_set("a", list)
    assert d == {} and d.get_or_set("a", int) == 0


def test_an_earlier_value_wins():
    d = SharedDict()

    def factory():
        d["a"] = "theirs"
        return "ours"

    assert d.get_or_set("a", factory) == "theirs" and d == {"a": "theirs"}

    def gone():
        d["b"] = "theirs"
        del d["b"]
        return "ours"

    assert d.get_or_set("b", gone) == "ours" and d["b"] == "ours"


def test_a_flight_is_invisible():
    d = SharedDict(a=1)

    def factory():
        assert "b" not in d and len(d) == 1 and list(d) == ["a"] and d == {"a": 1}
        assert d.get("b") is None and d.pop("b", 7) == 7
        assert d.snapshot() == {"a": 1} and d.copy() == {"a": 1}
        d.clear()
        return 2

    assert d.get_or_set("b", factory) == 2 and d == {"b": 2}


def test_factories_in_factories():
    d = SharedDict()

    def fibonacci(n):
        return (
            n
            if n < 2
            else d.get_or_set(n - 1, lambda: fibonacci(n - 1))
            + d.get_or_set(n - 2, lambda: fibonacci(n - 2))
        )

    assert fibonacci(60) == 1548008755920
    assert len(d) == 60


def test_waiting_for_oneself():
    d, e = SharedDict(), SharedDict()
    with pytest.raises(RuntimeError, match=r"get_or_set\('a'\).*would wait for itself"):
        d.get_or_set("a", lambda: d.get_or_set("a", fail))
    with pytest.raises(RuntimeError, match="wait for itself"):
        d.get_or_set("a", lambda: d.get_or_set("b", lambda: d.get_or_set("a", fail, 5)))
    with pytest.raises(RuntimeError, match="wait for itself"):
        d.get_or_set("a", lambda: e.get_or_set("a", lambda: d.get_or_set("a", fail, timeout=0)))
    assert d == e == {}

    # Who handles it goes on.
    def factory():
        with pytest.raises(RuntimeError):
            d.get_or_set("a", fail)
        return e.get_or_set("a", lambda: 1)

    assert d.get_or_set("a", factory) == 1 and d == e == {"a": 1}


def test_arguments():
    d = SharedDict(a=1)
    for name in ("get_or_set", "wait_for", "compute"):
        method = getattr(d, name)
        for arguments in ((), ("a",), ("a", int, 1, 2)):
            with pytest.raises(TypeError, match=name):
                method(*arguments)
        for key in ("a", "b"):
            with pytest.raises(TypeError, match=f"{name}: .* must be callable, not int"):
                method(key, 5)
        with pytest.raises(TypeError, match="unhashable"):
            method([], fail)
        with pytest.raises(NotShareableError):
            method(object(), fail)
    for name in ("get_or_set", "wait_for"):
        for key in ("a", "b"):
            for timeout, error in ((-1, ValueError), (math.nan, ValueError), ("1", TypeError)):
                with pytest.raises(error, match="timeout"):
                    getattr(d, name)(key, fail, timeout)
    assert d == {"a": 1}


def test_the_dict_may_vanish():
    class Owner:
        pass

    owner = Owner()
    owner.d = SharedDict()

    def factory():
        del owner.d
        gc.collect()
        return 5

    assert owner.d.get_or_set("a", factory) == 5


def test_out_of_memory():
    """Whatever fails, it is a MemoryError, and the key is absent or has its value."""
    d, key, value = SharedDict(), ("k" * 50, 2.5), ("v" * 50, 1)
    steps = {
        "get_or_set": lambda: d.get_or_set(key, lambda: value),
        "compute": lambda: d.compute(key, lambda v: value),
        "wait_for": lambda: d.wait_for(key, lambda v: True, 0),
    }
    for name, step in steps.items():
        for after in range(60):
            d.clear()
            if name == "wait_for":
                d[key] = value
            try:
                _sharedobj._fail_allocation(after)
                assert step() == value
            except MemoryError:
                assert name == "wait_for" or d == {}
                continue
            finally:
                left = _sharedobj._fail_allocation(-1)
            assert d == {key: value}
            if left >= 0:
                break
        else:
            pytest.fail(f"{name} never gets through")
        assert after > 0


# ---- wait_for


def test_what_is_so_already():
    d = SharedDict(a=1)
    assert d.wait_for("a", lambda v: v == 1) == 1
    assert d.wait_for("a", lambda v: [v], timeout=0) == 1  # true is what is not false
    d["b"] = handle = AtomicInt(3)
    assert d.wait_for(key="b", predicate=lambda v: v.get() == 3) is handle


@pytest.mark.parametrize("timeout", [0, 0.01, 1e-9])
def test_timeout(timeout):
    d, calls = SharedDict(a=1), []
    with pytest.raises(TimeoutError, match=rf"wait_for\('a'\).*within {timeout} seconds"):
        d.wait_for("a", lambda v: calls.append(v), timeout)
    assert set(calls) == {1}
    with pytest.raises(TimeoutError, match=r"wait_for\('b'\)"):
        d.wait_for("b", fail, timeout)  # an absent key has no value to ask about


def test_a_value_that_always_changes_and_never_pleases():
    d = SharedDict(a=0)
    with pytest.raises(TimeoutError):
        d.wait_for("a", lambda v: d.increment("a") < 0, 0.01)
    assert d["a"] > 0


def test_a_predicate_that_makes_it_so():
    d = SharedDict(a=0)
    assert d.wait_for("a", lambda v: v == 5 or not d.increment("a")) == 5


def test_a_predicate_that_raises():
    d = SharedDict(a=0)

    class Unclear:
        def __bool__(self):
            raise LookupError("neither")

    with pytest.raises(ZeroDivisionError):
        d.wait_for("a", lambda v: 1 / v)
    with pytest.raises(LookupError, match="neither"):
        d.wait_for("a", lambda v: Unclear())
    assert d == {"a": 0}


def test_a_signal_between_two_looks(run_python):
    """It is not slept through, even if no Python code runs that would see it."""
    run_python(
        """if 1:
        import _thread, signal, sharedobj
        signal.signal(signal.SIGINT, signal.default_int_handler)
        d = sharedobj.SharedDict(a=int(signal.SIGINT))
        try:
            d.wait_for("b", bool, 0.001)  # the first wait registers hooks, which is Python code
        except TimeoutError:
            pass
        try:
            d.wait_for("a", _thread.interrupt_main)
        except KeyboardInterrupt:
            pass
        """
    )


# ---- compute


def test_compute():
    d = SharedDict(a=1)
    assert d.compute("a", lambda v: v + 1) == 2 and d["a"] == 2
    assert d.compute("b", lambda v: v + 1, 10) == 11 and d["b"] == 11
    assert d.compute(key="c", function=lambda v: v is MISSING) is True
    assert d.compute("c", lambda v: v, default=fail) is True
    assert d == {"a": 2, "b": 11, "c": True}
    assert d.compute("e", lambda v: (*v, 1), ()) == (1,)
    assert d.compute("e", lambda v: (*v, 2), ()) == (1, 2)
    marker = object()  # a default need not be shareable
    assert d.compute("f", lambda v: v is marker, marker) is True


def test_compute_deletes():
    d = SharedDict(a=1)
    assert d.compute("a", lambda v: DELETE) is MISSING and d == {}
    assert d.compute("a", lambda v: DELETE) is MISSING and d == {}
    assert d.compute("a", lambda v: DELETE, 5) is MISSING and d == {}


def test_compute_that_fails():
    d = SharedDict(a=1)
    with pytest.raises(ZeroDivisionError):
        d.compute("a", lambda v: v / 0)
    with pytest.raises(NotShareableError, match="list"):
        d.compute("a", lambda v: [v])
    with pytest.raises(NotShareableError, match="MISSING, which stands for an absent key"):
        d.compute("b", lambda v: v)
    with pytest.raises(KeyboardInterrupt):
        d.compute("a", lambda v: (_ for _ in ()).throw(KeyboardInterrupt))
    assert d == {"a": 1}


@pytest.mark.parametrize("value", [1, "x" * 100, 10**30, (1, "a"), None])
def test_compute_runs_again_when_it_was_overtaken(value):
    d, seen = SharedDict(), []
    d["a"] = "first"

    def function(v):
        seen.append(v)
        if len(seen) == 1:
            d["a"] = value
        elif len(seen) == 2:
            del d["a"]
        elif len(seen) == 3:
            d["a"] = value
        return len(seen)

    assert d.compute("a", function) == 4 and d["a"] == 4
    assert seen == ["first", value, MISSING, value]


def test_compute_that_changes_nothing_and_one_that_cannot_tell():
    """A value that went away and came back is the same value."""
    d = SharedDict(a="x" * 40)

    def function(v):
        d["a"] = 5
        d["a"] = "x" * 40
        return v + "!"

    assert d.compute("a", function) == "x" * 40 + "!"
    d["h"] = handle = AtomicInt(1)
    assert d.compute("h", lambda v: v) is handle
    assert d.compute("h", lambda v: v.increment() and v) is handle and handle.get() == 2
    assert d.compute("n", lambda v: math.nan) != 0
    assert math.isnan(d.compute("n", lambda v: v))


def test_compute_in_compute():
    d = SharedDict(a=1)
    assert d.compute("a", lambda v: v + d.compute("b", lambda w: w + 1, 0)) == 2
    assert d == {"a": 2, "b": 1}


# ---- frozen dicts


def test_frozen():
    d = SharedDict(a=1)
    with pytest.raises(TypeError, match="is frozen"):
        d.get_or_set("b", lambda: d.freeze() or 5)  # frozen while the factory runs
    with pytest.raises(TypeError, match="is frozen"):
        d.get_or_set("b", fail)  # it is not even called
    with pytest.raises(TypeError, match="is frozen"):
        d.compute("a", lambda v: v + 1)
    with pytest.raises(TypeError, match="is frozen"):
        d.compute("a", lambda v: DELETE)
    assert d.get_or_set("a", fail) == d.compute("a", lambda v: v) == 1
    assert d.wait_for("a", lambda v: v == 1) == 1 and d == {"a": 1}


# ---- DELETE


def test_delete():
    assert repr(DELETE) == "DELETE" and DELETE != MISSING
    for same in (copy.copy(DELETE), copy.deepcopy(DELETE), pickle.loads(pickle.dumps(DELETE))):
        assert same is DELETE
    for sentinel in (DELETE, MISSING):
        assert not is_shareable(sentinel)
        assert explain((1, sentinel)).startswith(f"value[1] is {sentinel}, which")
        with pytest.raises(NotShareableError, match=f"is {sentinel}, which"):
            SharedDict(a=sentinel)
        with pytest.raises(NotShareableError, match=f"is {sentinel}, which"):
            SharedDict()[sentinel] = 1
        with pytest.raises(TypeError):
            type(sentinel)()
