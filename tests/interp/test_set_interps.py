"""SharedSet and several interpreters, each with a GIL of its own."""

import pickle
from collections import Counter

import pytest
from interps import Sub, in_thread

from sharedobj import AtomicInt, Channel, SharedDict, SharedSet


def test_it_is_the_same_set_everywhere():
    s = SharedSet(["a", 1, ("t", 2.5)])
    with Sub() as sub:
        sub.run(
            """if 1:
            import pickle, sharedobj as so
            assert type(s) is so.SharedSet and s == {"a", 1, ("t", 2.5)} and so.attach(s.id) is s
            assert s.add("here") and not s.add("a") and s.discard(1)
            assert list(s) == ["a", ("t", 2.5), "here"] and pickle.loads(pickle.dumps(s)) is s
            s |= {"more"}
            assert repr(s) == "SharedSet({'a', ('t', 2.5), 'here', 'more'})"
            s = so = None
            """,
            s=s,
        )
    assert list(s) == ["a", ("t", 2.5), "here", "more"]


def test_by_every_road():
    s, d, channel = SharedSet("ab"), SharedDict(), Channel(1)
    d["s"] = s
    channel.send({"s": [s]})
    with Sub() as sub:
        sub.run(
            f"""if 1:
            import pickle, sharedobj as so
            s = d["s"]
            assert type(s) is so.SharedSet and s is pickle.loads({pickle.dumps(s)!r})
            assert channel.recv()["s"][0] is s is so.attach({s.id})
            d = channel = s = so = None
            """,
            d=d,
            channel=channel,
        )


def test_in_an_interpreter_that_cannot_import_the_package():
    s = SharedSet("ab")
    with Sub() as sub:
        sub.run("import sys; sys.path[:] = []; sys.modules.pop('sharedobj', None)")
        sub.run(
            "assert s == {'a', 'b'} and s.add('c') and s <= {'a', 'b', 'c', 'd'}; s = None", s=s
        )
    assert s == set("abc")


def test_it_outlives_the_interpreter_that_made_it():
    d = SharedDict()
    with Sub() as sub:
        sub.run(
            """if 1:
            import sharedobj as so
            d["made"] = so.SharedSet([b"x" * 500, so.Channel(), ("n", 10**30)])
            d = so = None
            """,
            d=d,
        )
    s = d["made"]
    bytes_, channel, numbers = s
    assert bytes_ == b"x" * 500 and channel.try_send(1) and numbers == ("n", 10**30)
    assert channel in s and s.discard(channel) and len(s) == 2
    del s, channel
    d.clear()


RACE = """if 1:
    import random
    rng = random.Random(n)
    added, gone, popped = [], [], []
    for i in range(4000):
        item = rng.randrange(12)
        item = item if item % 2 else "item %d" % item
        kind = rng.randrange(5)
        if kind < 2 and s.add(item):
            added.append(item)
        elif kind == 2 and s.discard(item):
            gone.append(item)
        elif kind == 3:
            try:
                s.remove(item)
                gone.append(item)
            except KeyError:
                pass
        elif kind == 4 and i % 4 == 0:
            try:
                gone.append(s.pop())
            except KeyError:
                pass
    out.send((added, gone))
    s = out = None
"""


def test_each_add_is_matched_by_one_removal():
    s, out = SharedSet(), Channel(8)
    with Sub() as one, Sub() as two:
        running = [
            in_thread(sub.run, f"n = {n}\n{RACE}", s=s, out=out) for n, sub in enumerate((one, two))
        ]
        running.append(in_thread(exec, RACE, {"n": 2, "s": s, "out": out}))
        for thread in running:
            thread.join()
    added, gone = Counter(), Counter()
    for _ in range(3):
        mine = out.recv(timeout=0)
        added.update(mine[0])
        gone.update(mine[1])
    assert added == gone + Counter(s) and added.total() > 1000


def test_pop_gives_no_item_twice():
    s, out = SharedSet((i, "x" * 20) for i in range(4000)), Channel(2)
    drain = """if 1:
        mine = []
        while True:
            try:
                mine.append(s.pop()[0])
            except KeyError:
                break
        out.send(mine)
        s = out = None
    """
    with Sub() as one, Sub() as two:
        for thread in [in_thread(sub.run, drain, s=s, out=out) for sub in (one, two)]:
            thread.join()
    assert sorted(out.recv(timeout=0) + out.recv(timeout=0)) == list(range(4000)) and not s


def test_snapshot_and_replace_are_one_moment():
    s, stop = SharedSet(range(40)), AtomicInt()
    read = """if 1:
        while not stop.get():
            content = s.snapshot()
            assert len(content) == 40 and max(content) - min(content) == 39, content
            assert len(s) == 40
        s = stop = content = None
    """
    write = """if 1:
        for generation in range(1000, 1150):
            s.replace(range(generation * 40, generation * 40 + 40))
        s = None
    """
    with Sub() as one, Sub() as two:
        reader = in_thread(one.run, read, s=s, stop=stop)
        writer = in_thread(two.run, write, s=s)
        try:
            for generation in range(150):
                s.replace(range(generation * 40, generation * 40 + 40))
            writer.join()
        finally:
            stop.set(1)
        reader.join()


def test_freeze_is_seen_everywhere():
    s = SharedSet()
    write = """if 1:
        try:
            while True:
                for i in range(20):
                    s.add(i)
                    s.discard(i - 1)
        except TypeError as error:
            assert "frozen" in str(error) and s.frozen
        s = error = None
    """
    with Sub() as one, Sub() as two:
        writer = in_thread(one.run, write, s=s)
        while 19 not in s:
            pass
        two.run("s.freeze(); content = s.snapshot(); s = None", s=s)
        assert s.frozen
        first = s.snapshot()
        writer.join()
        assert s.snapshot() == first
        with pytest.raises(TypeError, match="frozen"):
            s.add(0)
        two.run("assert s.snapshot() == content; s = content = None", s=s)


def test_interpreters_end_while_others_use_it():
    s = SharedSet(range(300))
    stop = AtomicInt()

    def churn():
        i = 0
        while not stop.get():
            s.add(("main", i % 50))
            s.discard(("main", (i * 7) % 50))
            assert i % 20 or len(s.snapshot()) >= 300
            i += 1

    running = in_thread(churn)
    try:
        for i in range(4):
            with Sub() as sub:
                sub.run(
                    f"""if 1:
                    kept = s.copy()
                    walk = iter(s)
                    next(walk)
                    s |= {{("sub", {i}, j) for j in range(100)}}
                    s.difference_update(("sub", {i}, j) for j in range(100))
                    """,
                    s=s,
                )
    finally:
        stop.set(1)
    running.join()
    assert {x for x in s if isinstance(x, int)} == set(range(300))


def test_it_is_used_while_its_interpreter_is_torn_down():
    """By what outlives the modules: nothing may crash, and the set lives on."""
    s = SharedSet(range(10))
    with Sub() as sub:
        sub.run(
            """if 1:
            import sys, sharedobj as so

            class Late:
                s, walk, make = s, iter(s), so.SharedSet

                def __del__(self):
                    s = self.s
                    for action in (
                        lambda: s.add("late"),
                        lambda: s | {1},
                        lambda: {1} & s,
                        lambda: s.snapshot(),
                        lambda: s.copy(),
                        lambda: repr(s),
                        lambda: list(self.walk),
                        lambda: self.make([1]),
                        lambda: s.difference_update([object()]),
                        lambda: {1} in s,
                        lambda: s.__ior__(5),
                        lambda: s.local(),
                    ):
                        try:
                            action()
                        except Exception:
                            pass

            sys.late = so._sharedobj.late = late = Late()
            late.me = late
            del late, s
            """,
            s=s,
        )
    assert set(range(10)) <= s
