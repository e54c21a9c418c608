"""SharedDict as a whole: snapshot, replace, freeze, copies; and what user code does in them."""

import copy
import gc
import os

import pytest
from memory import each_allocation_fails

import sharedobj as so
from sharedobj import MISSING, AtomicInt, Channel, NotShareableError, SharedDict

# ---- snapshot


def test_snapshot_is_a_plain_dict_of_that_moment():
    d = SharedDict({"a": 1, 2: "two", ("t", 1.5): b"x" * 40_000, None: 2**100})
    plain = dict(d.items())
    snapshot = d.snapshot()
    assert type(snapshot) is dict and snapshot == plain and list(snapshot) == list(plain)
    d["a"] = 5
    del d[2]
    assert snapshot == plain
    snapshot["own"] = []
    assert "own" not in d
    assert SharedDict().snapshot() == {}


def test_keys_come_out_as_given_and_in_order():
    d = SharedDict()
    d[1.0] = "float"
    d[True] = "still 1.0"
    d[frozenset("ab")] = 1
    d["z"] = 2
    d["a"] = 3
    del d["z"]
    d["z"] = 4
    assert list(map(repr, d.snapshot())) == ["1.0", repr(frozenset("ab")), "'a'", "'z'"]
    assert list(map(repr, d.copy())) == ["1.0", repr(frozenset("ab")), "'a'", "'z'"]


def test_containers_among_the_values_stay_handles():
    inner, channel = SharedDict(x=1), Channel()
    d = SharedDict(inner=inner, number=AtomicInt(3), pair=(inner, 1))
    d[channel] = "key"
    d["self"] = d
    snapshot = d.snapshot()
    assert snapshot["inner"] is inner and snapshot["pair"][0] is inner
    assert snapshot["self"] is d and snapshot[channel] == "key"
    inner["x"] = 2
    assert snapshot["inner"]["x"] == 2, "their content is that of now"
    shallow = d.copy()
    assert shallow["self"] is d and shallow["inner"] is inner and shallow == d
    assert repr(d).count("SharedDict({...})") == 1
    del d["self"], shallow["self"], snapshot["self"]  # or it would live for ever


def test_what_snapshots_leave_behind_is_nothing():
    d = SharedDict({i: "v" * 100 for i in range(2000)})
    size = d.nbytes
    for _ in range(20):
        d.snapshot()
        for i in range(2000):
            d[i] = "w" * 100
            del d[i]
            d[i] = "v" * 100
    d.snapshot()
    assert d.nbytes < 2 * size


# ---- replace


@pytest.mark.parametrize(
    "source",
    [
        {"a": 1, "b": "two"},
        [("a", 1), ["b", "two"]],
        (pair for pair in [("a", 1), ("b", "two")]),
        SharedDict(a=1, b="two"),
        SharedDict(a=1, b="two").items(),
    ],
    ids=["dict", "pairs", "generator", "SharedDict", "view"],
)
def test_replace_takes_what_dict_takes(source):
    d = SharedDict(old=1, a=0)
    assert d.replace(source) is None
    assert d == {"a": 1, "b": "two"} and list(d) == ["a", "b"]
    d["c"] = 3
    assert len(d) == 3


def test_replace_by_a_mapping_with_keys():
    class Mapping:
        def keys(self):
            return iter(["x", "y"])

        def __getitem__(self, key):
            return key * 2

    d = SharedDict(old=1)
    d.replace(Mapping())
    assert d == {"x": "xx", "y": "yy"}
    d.replace({})
    assert d == {} and len(d) == 0
    d["again"] = 1
    assert d == {"again": 1}


def test_replace_by_itself_and_by_what_holds_it():
    d = SharedDict(a=1)
    d.replace(d)
    assert d == {"a": 1}
    d.replace({"me": d, "a": 2})
    assert d["me"] is d and d["a"] == 2
    d.replace({})


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ({"a": 1, "b": []}, NotShareableError),
        ([("a", 1), ("b", object())], NotShareableError),
        ({"a": 1, 3 + 4j: 2, (1, ()): 3, "z": ([],)}, NotShareableError),
        ([("a", 1), ([], 1)], TypeError),
        ([("a", 1), ("b",)], ValueError),
        ([("a", 1), 5], TypeError),
        (5, TypeError),
        ((1 // 0 for _ in "x"), ZeroDivisionError),
    ],
)
def test_an_error_leaves_the_dict_as_it_was(source, error):
    d = SharedDict(old=1)
    iterator = iter(d.items())
    with pytest.raises(error):
        d.replace(source)
    assert d == {"old": 1} and list(iterator) == [("old", 1)]


def test_replace_arguments():
    d = SharedDict(old=1)
    for wrong in [lambda: d.replace(), lambda: d.replace({}, {}), lambda: d.replace(a=1)]:
        with pytest.raises(TypeError):
            wrong()
    assert d == {"old": 1}


def test_iterations_end_with_the_content():
    d = SharedDict({i: i for i in range(10)})
    keys, view = iter(d), d.items()
    assert next(keys) == 0
    d.replace({i: -i for i in range(10)})
    assert list(keys) == [] and list(view) == [(i, -i) for i in range(10)]


# ---- freeze


def test_frozen():
    d = SharedDict(a=1, n=AtomicInt(1))
    handle, snapshot = d.local(), d.snapshot()
    assert d.frozen is False and d.freeze() is None and d.freeze() is None
    assert d.frozen is True and handle.frozen
    with pytest.raises(AttributeError):
        d.frozen = False
    changes = [
        lambda: d.__setitem__("a", 2),
        lambda: d.__setitem__("b", 2),
        lambda: d.__delitem__("a"),
        lambda: d.pop("a"),
        lambda: d.pop("b", None),
        lambda: d.setdefault("b", 1),
        lambda: d.add("a", 1),
        lambda: d.exchange("a", 1),
        lambda: d.compare_and_set("a", 1, 2),
        lambda: d.compare_and_set("b", MISSING, MISSING),
        lambda: d.increment("a"),
        lambda: d.increment("a", 2**70),
        lambda: d.tally("a"),
        lambda: d.update(a=2),
        lambda: d.update({"b": 1}),
        lambda: d.clear(),
        lambda: d.replace({}),
    ]
    for change in changes:
        with pytest.raises(TypeError, match=r"frozen.*copy\(\)"):
            change()
    assert d == snapshot and d["a"] == 1 and d.get("b") is None and "b" not in d
    assert d.setdefault("a", 5) == 1, "nothing to change"
    d["n"].increment()
    assert d["n"].get() == 2, "what it holds can be changed"


def test_copies_of_a_frozen_dict_are_not_frozen():
    d = SharedDict(a=1)
    d.freeze()
    for other in [d.copy(), copy.copy(d), copy.deepcopy(d), SharedDict(d)]:
        assert not other.frozen and other == d
        other["b"] = 2
    assert d == {"a": 1}


# ---- copies


def test_copies():
    d = SharedDict({f"key {i}": ("v", i, "w" * i) for i in range(300)})
    for other in [d.copy(), copy.copy(d)]:
        assert type(other) is SharedDict and other is not d and other.id != d.id
        assert other == d and list(other.items()) == list(d.items())
    other["new"] = 1
    assert "new" not in d


def test_deepcopy_of_a_dict_that_holds_itself():
    d = SharedDict(inner=SharedDict(x=1))
    d["me"] = d
    other = copy.deepcopy(d)
    assert other["me"] is other and other["inner"] == d["inner"]
    assert other["inner"] is not d["inner"]
    del d["me"], other["me"]


# ---- whatever the user's code does meanwhile


def test_fork_while_others_take_snapshots(run_python):
    """In the child the dict is whole, its gate open, nobody's snapshot is left."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    run_python(
        """if 1:
        import os, threading
        import sharedobj as so

        values = {i: (i, "x" * 30) for i in range(100)}
        d, stop = so.SharedDict(values), threading.Event()

        def write():
            own = dict(values)
            while not stop.is_set():
                for i in range(0, 100, 3):
                    d[i] = own[i]

        def read():
            own = dict(values)
            while not stop.is_set():
                assert d.snapshot() == own == d.copy().snapshot()

        def child():
            assert d.snapshot() == values == dict(d)
            d["new"] = 1
            del d[0]
            assert len(d.snapshot()) == len(d) == 100
            d.replace({"a": 1})
            d.freeze()
            assert d == {"a": 1}

        threads = [threading.Thread(target=t) for t in (write, read)]
        for t in threads:
            t.start()
        for _ in range(6):
            if (pid := os.fork()) == 0:
                try:
                    child()
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        stop.set()
        for t in threads:
            t.join()
        """
    )


def test_tally_of_a_list_that_others_change(run_python):
    """Whoever has woken somebody may have had to wait for a fork, without the GIL: the list
    may be another one after that."""
    run_python(
        """if 1:
        import subprocess, textwrap, threading, time
        from sharedobj import SharedDict, interpreters

        tally = '''
            import threading

            known = [f"key {i}" for i in range(15)]
            row = [*known, "too long for the cache " * 20] * 8
            items = list(row)
            for _ in range(50):
                d.tally(known)

            def change():
                while "end" not in stop:
                    for _ in range(50):
                        items.clear()
                        items.extend(row)

            thread = threading.Thread(target=change)
            thread.start()
            while "end" not in stop:
                for _ in range(100):
                    d.tally(items)
            thread.join()
        '''
        d, stop = SharedDict({f"key {i}": 0 for i in range(15)}), SharedDict()
        waiter = threading.Thread(target=d.wait_for, args=("key 0", lambda _: "end" in stop))
        waiter.start()
        other = interpreters.create()  # its GIL is not the one that a fork holds
        other.prepare_main(d=d, stop=stop)
        runner = threading.Thread(target=other.exec, args=(textwrap.dedent(tally),))
        runner.start()
        subprocess._USE_VFORK = False
        end = time.monotonic() + 2
        while time.monotonic() < end:
            subprocess.check_call(["true"])
        stop["end"] = True
        d["key 0"] = 0
        for thread in (runner, waiter):
            thread.join()
        other.close()
        """,
        env={**os.environ, "PYTHONMALLOC": "debug"},
    )


def test_the_source_may_use_the_dict():
    d = SharedDict(a=1)

    def pairs():
        yield "x", len(d)
        d["b"] = 2
        d.replace({"c": 3})
        yield "y", d.snapshot().get("c")
        d.freeze()

    with pytest.raises(TypeError, match="frozen"):
        d.replace(pairs())
    assert d == {"c": 3}


def find_unfinished(known):
    """The dict that replace() is filling, as code that searches the memory finds it."""
    return [x for x in gc.get_objects() if type(x) is SharedDict and x.id not in known]


@pytest.mark.parametrize("what", ["keep", "freeze", "snapshot", "write"])
def test_the_unfinished_content_is_found_in_the_memory(what):
    """It is emptied, or replace() is refused; nothing else."""
    d = SharedDict(a=1)
    known, found = {d.id, so.registry.id}, []
    found.extend(find_unfinished(known))
    known.update(x.id for x in found)
    found.clear()

    def pairs():
        yield "x", 1
        found.extend(find_unfinished(known))
        assert len(found) == 1 and found[0] == {"x": 1}
        if what == "freeze":
            found[0].freeze()
        yield "y", 2

    if what == "freeze":
        with pytest.raises(TypeError, match="frozen"):
            d.replace(pairs())
        assert d == {"a": 1}
        return
    d.replace(pairs())
    assert d == {"x": 1, "y": 2} and found[0] == {}
    found[0]["z"] = 3
    assert found[0] == {"z": 3} and "z" not in d and len(found[0].snapshot()) == 1


class Named:
    """A key by which nothing can be stored, and whose methods meddle."""

    def __init__(self, d):
        self.d = d

    def __hash__(self):
        self.d.replace({"meddled": 1})
        return 1

    def __repr__(self):
        self.d.clear()
        return "Named"


def test_keys_that_meddle():
    d = SharedDict(a=1)
    with pytest.raises(TypeError):
        d.replace([("x", 1), (Named(d), 2)])
    with pytest.raises(TypeError):
        d.replace({"x": 1, "y": Named(d)})
    assert d in ({}, {"a": 1}, {"meddled": 1})


# ---- memory


def test_allocation_failures_of_the_whole():
    def scenario(d):
        snapshot = d.snapshot()
        assert len(snapshot) == len(d)
        other = d.copy()
        assert len(other) == len(snapshot)
        d.replace({f"k{i}": "v" * i for i in range(40)})
        d.replace(other)
        d.freeze()

    before = {i: (i, "text that needs a blob") for i in range(30)}

    def failed(d):
        assert d == before or set(d) == {f"k{i}" for i in range(40)}
        d["works"] = 1
        assert d.snapshot()["works"] == 1

    made = {"make": lambda: SharedDict(before), "failed": failed}
    assert each_allocation_fails(scenario, **made, silent=True)[1] > 20
