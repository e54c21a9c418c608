"""Snapshots, replace and freeze of a SharedDict while other interpreters write."""

import threading

import pytest
from interps import Sub, in_thread

import sharedobj
from sharedobj import AtomicInt, SharedDict

WRITE = """if 1:
    i = 0
    while not stop.get():
        d.increment((w, "a"))
        d.increment((w, "b"))
        d[w, "token", (i + 1) % 5] = "x" * 50
        del d[w, "token", i % 5]
        i += 1
    d = stop = None
"""


def check(content, writers):
    for w in writers:
        a, b = content[w, "a"], content[w, "b"]
        assert b <= a <= b + 1
        assert sum((w, "token", i) in content for i in range(5)) in (1, 2)


@pytest.mark.parametrize("threads", [1, 2], ids=["interpreters", "threads in them"])
def test_writers_in_two_interpreters(threads):
    d, stop = SharedDict(), AtomicInt(0)
    writers = list(range(2 * threads))
    for w in writers:
        d.update({(w, "a"): 0, (w, "b"): 0, (w, "token", 0): "x" * 50})
    with Sub() as one, Sub() as two:
        subs = [one, two] if threads == 1 else [one, two, None, None]
        running = []
        for w, sub in zip(writers, subs, strict=True):
            if sub is not None:
                running.append(in_thread(sub.run, f"w = {w}\n{WRITE}", d=d, stop=stop))
            else:
                code = compile(f"w = {w}\n{WRITE}", "writer", "exec")
                running.append(in_thread(exec, code, {"d": d, "stop": stop}))
        try:
            while any(d[w, "a"] == 0 for w in writers):
                pass  # until all are at work
            for _ in range(100):
                check(d.snapshot(), writers)
                check(d.copy(), writers)
        finally:
            stop.set(1)
        for thread in running:
            thread.join()
    assert all(d[w, "a"] == d[w, "b"] > 0 for w in writers)


def test_snapshots_in_several_interpreters():
    """The same check runs there, on the same dict, while this one writes."""
    d, stop = SharedDict(a=0, b=0), AtomicInt(0)
    read = """if 1:
        while not stop.get():
            content = d.snapshot()
            assert content["b"] <= content["a"] <= content["b"] + 1, content
        d = stop = content = None
    """
    with Sub() as one, Sub() as two:
        running = [in_thread(sub.run, read, d=d, stop=stop) for sub in (one, two)]
        try:
            for _ in range(3000):
                d.increment("a")
                d.increment("b")
        finally:
            stop.set(1)
        for thread in running:
            thread.join()


def test_replace_is_seen_as_a_whole_everywhere():
    d, stop = SharedDict(dict.fromkeys(range(40), -1)), AtomicInt(0)
    read = """if 1:
        while not stop.get():
            content = d.snapshot()
            assert len(content) == 40 and len(set(content.values())) == 1, content
            assert len(d) == 40 and 39 in d
        d = stop = content = None
    """
    write = """if 1:
        for generation in range(150):
            d.replace(dict.fromkeys(range(40), "there %d" % generation))
        d = None
    """
    with Sub() as one, Sub() as two:
        reader = in_thread(one.run, read, d=d, stop=stop)
        writer = in_thread(two.run, write, d=d)
        try:
            for generation in range(150):
                d.replace(dict.fromkeys(range(40), generation))
            writer.join()
        finally:
            stop.set(1)
        reader.join()


def test_freeze_in_another_interpreter():
    d = SharedDict({i: 0 for i in range(20)})
    write = """if 1:
        try:
            while True:
                for i in range(20):
                    d.increment(i)
        except TypeError as error:
            assert "frozen" in str(error) and d.frozen
        d = error = None
    """
    with Sub() as one, Sub() as two:
        writer = in_thread(one.run, write, d=d)
        while d[19] < 5:
            pass
        two.run("d.freeze(); content = d.snapshot(); d = None", d=d)
        assert d.frozen
        first = d.snapshot()
        writer.join()
        assert d.snapshot() == first
        with pytest.raises(TypeError, match="frozen"):
            d[0] = 1
        two.run("assert d.snapshot() == content; d = content = None", d=d)


def test_interpreters_end_while_others_take_snapshots():
    """Their last act is a snapshot, a change during one of ours, a replace."""
    values = {i: (i, "x" * 100) for i in range(300)}
    d, stop = SharedDict(values), threading.Event()

    def read():
        while not stop.is_set():
            assert d.snapshot() == values

    readers = [in_thread(read) for _ in range(2)]
    try:
        for i in range(4):
            with Sub() as sub:
                sub.run(
                    f"""if 1:
                    kept = d.snapshot()
                    for k in range(0, 300, 3):
                        d[k] = kept[k]
                    other = d.copy()
                    if {i} % 2:
                        d.replace(other)
                    """,
                    d=d,
                )
    finally:
        stop.set()
    for reader in readers:
        reader.join()
    assert d == values
    sharedobj.collect()


def test_content_from_another_interpreter_outlives_it():
    d = SharedDict(old=1)
    with Sub() as sub:
        sub.run("import sharedobj as so; d.replace({'t': 'x' * 500, 'n': so.AtomicInt(3)})", d=d)
    assert d["t"] == "x" * 500 and d["n"].increment() == 4
    assert list(d.snapshot()) == ["t", "n"]
