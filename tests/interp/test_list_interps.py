"""SharedList and several interpreters, each with a GIL of its own."""

import pickle

import pytest
from interps import Sub, in_thread

from sharedobj import AtomicInt, Channel, SharedDict, SharedList


def test_it_is_the_same_list_everywhere():
    s = SharedList(["a", 1, ("t", 2.5)])
    with Sub() as sub:
        sub.run(
            """if 1:
            import copy, pickle, sharedobj as so
            assert type(s) is so.SharedList and s == ["a", 1, ("t", 2.5)] and so.attach(s.id) is s
            assert s.push("here") == 3 and s.pop(1) == 1 and s.exchange(0, "b") == "a"
            assert pickle.loads(pickle.dumps(s)) is s and copy.copy(iter(s)).__reduce__()[1] == (s,)
            s += ["more"]
            s.sort(key=str)
            assert repr(s) == "SharedList([('t', 2.5), 'b', 'here', 'more'])"
            s = so = None
            """,
            s=s,
        )
    assert s == [("t", 2.5), "b", "here", "more"]


def test_by_every_road():
    s, d, channel = SharedList("ab"), SharedDict(), Channel(1)
    d["s"] = (s, 1)
    holder = SharedList([s])
    channel.send({"s": [s]})
    with Sub() as sub:
        sub.run(
            f"""if 1:
            import pickle, sharedobj as so
            s = d["s"][0]
            assert type(s) is so.SharedList and s is pickle.loads({pickle.dumps(s)!r})
            assert channel.recv()["s"][0] is s is so.attach({s.id}) and holder[0] is s
            assert next(pickle.loads({pickle.dumps(iter(s))!r})) == "a"
            d = channel = s = so = holder = None
            """,
            d=d,
            channel=channel,
            holder=holder,
        )


def test_what_another_interpreter_changes_shows_at_once():
    """Here each item is read often enough to be known; there it grows, is removed and comes
    back, and goes to another place. No item is ever seen to become less."""
    s, done = SharedList([0] * 40), AtomicInt()
    with Sub() as sub:

        def change():
            sub.run(
                """if 1:
                for n in range(1, 6000):
                    for i in range(0, 40, 7):
                        s[i] = n if n % 2 else f"{n:08}"
                    s.pop()
                    s.append(n)
                    if n % 1000 == 0:
                        s.replace([n] * 40)
                        s.insert(3, n)
                        s.pop(3)
                done.set(1)
                s = done = None
                """,
                s=s,
                done=done,
            )

        changer = in_thread(change)
        seen = [0] * 41
        while not done and changer.is_alive():
            for _ in range(50):
                for i, value in enumerate(s):
                    assert int(value) >= seen[i]
                    seen[i] = int(value)
                for i in range(39):
                    assert int(s[i]) >= seen[i]
        changer.join()
    assert int(s[0]) == int(s[39]) == 5999


def test_in_an_interpreter_that_cannot_import_the_package():
    s = SharedList("ab")
    with Sub() as sub:
        sub.run("import sys; sys.path[:] = []; sys.modules.pop('sharedobj', None)")
        sub.run(
            "s.append('c'); assert s == ['a', 'b', 'c'] and s[::-1] + [1] != s; s.sort(reverse=1)\n"
            "s = None",
            s=s,
        )
    assert s == ["c", "b", "a"]


def test_it_outlives_the_interpreter_that_made_it():
    d = SharedDict()
    with Sub() as sub:
        sub.run(
            """if 1:
            import sharedobj as so
            d["made"] = so.SharedList([b"x" * 500, so.Channel(), ("n", 10**30)] * 100)
            d = so = None
            """,
            d=d,
        )
    s = d["made"]
    data, channel, numbers = s[-3:]
    assert data == b"x" * 500 and channel.try_send(1) and numbers == ("n", 10**30)
    assert s[1] is channel and len(s) == 300
    s.append(1)
    del s, channel
    d.clear()


WORK = """if 1:
    import random
    rng = random.Random(n)
    put, taken = [], []
    for i in range(3000):
        kind = rng.randrange(5)
        if kind < 2:
            s.append((n, i))
            put.append((n, i))
        elif kind == 2 and i % 5 == 0:
            s.insert(rng.randrange(-5, 5), (n, i, "x" * 20))
            put.append((n, i, "x" * 20))
        elif kind == 3:
            s.extend([(n, i, k) for k in range(3)])
            put += [(n, i, k) for k in range(3)]
        else:
            try:
                taken.append(s.pop() if i % 10 else s.pop(0))
            except IndexError:
                pass
    out.send((put, taken))
    s = out = None
"""


def test_nothing_is_lost_or_doubled():
    s, out = SharedList(), Channel(8)
    with Sub() as one, Sub() as two:
        running = [
            in_thread(sub.run, f"n = {n}\n{WORK}", s=s, out=out) for n, sub in enumerate((one, two))
        ]
        running.append(in_thread(exec, WORK, {"n": 2, "s": s, "out": out}))
        for thread in running:
            thread.join()
    put, gone = [], list(s)
    for _ in range(3):
        mine = out.recv(timeout=0)
        put += mine[0]
        gone += mine[1]
    assert sorted(put, key=repr) == sorted(gone, key=repr) and len(put) > 3000


def test_counting_beside_shifts():
    s, stop = SharedList([0, 0]), AtomicInt()
    count = """if 1:
        for i in range(1, 4000):
            assert s.increment(place) == i
        s = None
    """
    shift = """if 1:
        while not stop.get():
            s.insert(0, "x" * 30)
            s[:0] = ["y", 5]
            assert len(s.snapshot()) >= 5
            del s[:3]
        s = stop = None
    """
    with Sub() as one, Sub() as two:
        shifting = in_thread(two.run, shift, s=s, stop=stop)
        try:
            first = in_thread(one.run, f"place = -1\n{count}", s=s)
            exec(count, {"s": s, "place": -2})
            first.join()
        finally:
            stop.set(1)
        shifting.join()
    assert s == [3999, 3999]


def test_an_append_only_log():
    """A reader that follows by index sees each record once, in order."""
    log, done = SharedList(), AtomicInt()
    write = """if 1:
        for i in range(5000):
            log.append((who, i, "text" * (i % 50)))
        done.increment()
        log = done = None
    """
    with Sub() as one, Sub() as two:
        writers = [
            in_thread(sub.run, f"who = {n}\n{write}", log=log, done=done)
            for n, sub in enumerate((one, two))
        ]
        at, seen = 0, {0: [], 1: []}
        while True:
            ended = done.get() == 2
            while at < len(log):
                who, i, text = log[at]
                assert text == "text" * (i % 50)
                seen[who].append(i)
                at += 1
            if ended:
                break
        for thread in writers:
            thread.join()
    assert seen[0] == seen[1] == list(range(5000)) and len(log) == 10_000


def test_freeze_is_seen_everywhere():
    s = SharedList([0])
    write = """if 1:
        try:
            while True:
                s.increment(0)
                s.append("x" * 20)
                s.insert(1, "y")
                s.pop()
        except TypeError as error:
            assert "frozen" in str(error) and s.frozen
        s = error = None
    """
    with Sub() as one, Sub() as two:
        writer = in_thread(one.run, write, s=s)
        while s[0] < 20:
            pass
        two.run("s.freeze(); content = s.snapshot(); s = None", s=s)
        first = s.snapshot()
        writer.join()
        assert s.frozen and s.snapshot() == first
        with pytest.raises(TypeError, match="frozen"):
            s.append(0)
        two.run("assert s.snapshot() == content; s = content = None", s=s)


def test_sort_in_one_interpreter_with_appends_from_another():
    s, stop = SharedList(), AtomicInt()
    append = """if 1:
        for i in range(2000):
            s.append((i * 7919) % 2000)
        stop.set(1)
        s = stop = None
    """
    with Sub() as sub:
        writer = in_thread(sub.run, append, s=s, stop=stop)
        while not stop.get():
            try:
                s.sort(key=lambda x: -x)
            except ValueError:
                pass
        writer.join()
    s.sort()
    assert s == list(range(2000))


def test_interpreters_end_while_others_use_it():
    s, stop = SharedList(range(300)), AtomicInt()

    def churn():
        i = 0
        while not stop.get():
            s.append(("main", i))
            s.insert(0, ("main", i))
            s.remove(("main", i))
            s.remove(("main", i))
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
                    s += [("sub", {i}, j) for j in range(100)]
                    for j in range(100):
                        s.remove(("sub", {i}, j))
                    """,
                    s=s,
                )
    finally:
        stop.set(1)
    running.join()
    assert s == list(range(300))


def test_it_is_used_while_its_interpreter_is_torn_down():
    """By what outlives the modules: nothing may crash, and the list lives on."""
    s = SharedList(range(10))
    with Sub() as sub:
        sub.run(
            """if 1:
            import sys, sharedobj as so

            class Late:
                s, walk, back, make = s, iter(s), reversed(s), so.SharedList

                def __del__(self):
                    s = self.s
                    for action in (
                        lambda: s.append("late"),
                        lambda: s.append(object()),
                        lambda: s.extend([1, []]),
                        lambda: s + [1],
                        lambda: s * 2,
                        lambda: s[1:3],
                        lambda: s[99],
                        lambda: s.snapshot(),
                        lambda: s.copy(),
                        lambda: repr(s),
                        lambda: list(self.walk),
                        lambda: list(self.back),
                        lambda: iter(s),
                        lambda: reversed(s),
                        lambda: self.walk.__reduce__(),
                        lambda: self.make([1]),
                        lambda: s.sort(key=str),
                        lambda: s.__iadd__(5),
                        lambda: s.local(),
                        lambda: s.__deepcopy__({}),
                        lambda: s.index(77),
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
    assert {*range(10)} <= set(s)
