"""SharedArray and several interpreters, each with a GIL of its own."""

import gc
import pickle
import sys

import pytest
from interps import Sub, in_thread, std_queue

import sharedobj as so
from sharedobj import Channel, SharedArray, SharedDict


def test_it_is_the_same_array_everywhere():
    a = SharedArray("q", [1, 2, 3])
    with Sub() as sub:
        sub.run(
            """if 1:
            import pickle, sharedobj as so
            assert type(a) is so.SharedArray and a.tolist() == [1, 2, 3] and so.attach(a.id) is a
            assert a.increment(0) == 2 and a.compare_and_set(1, 2, 9) and a.exchange(-1, 7) == 3
            a[0:1] = memoryview(a)[1:2]
            assert pickle.loads(pickle.dumps(a)) is a and a == a.copy()
            assert repr(a) == "SharedArray('q', [9, 9, 7])"
            a = so = None
            """,
            a=a,
        )
    assert a.tolist() == [9, 9, 7]


def test_by_every_road():
    a, d, channel, queue = SharedArray("d", [0.5]), SharedDict(), Channel(1), std_queue()
    d["a"] = a
    channel.send({"a": [a]})
    queue.put(a)
    with Sub() as sub:
        sub.run(
            f"""if 1:
            import pickle, sharedobj as so
            a = d["a"]
            assert type(a) is so.SharedArray and a is pickle.loads({pickle.dumps(a)!r})
            assert channel.recv()["a"][0] is a is so.attach({a.id}) is queue.get()
            a[0] += 1
            queue.put(so.SharedArray("b", [5]))
            d = channel = a = so = None
            """,
            d=d,
            channel=channel,
            queue=queue,
        )
        other = queue.get()
    assert a[0] == 1.5 and other.tolist() == [5] and other.increment(0) == 6


def test_in_an_interpreter_that_cannot_import_the_package():
    a = SharedArray("B", [1, 2])
    with Sub() as sub:
        sub.run("import sys; sys.path[:] = []; sys.modules.pop('sharedobj', None)")
        sub.run("assert a[1] == 2 and a.increment(0) == 2 and bytes(a) == b'\\2\\2'; a = None", a=a)
    assert a.tolist() == [2, 2]


def test_it_outlives_the_interpreter_that_made_it():
    d = SharedDict()
    with Sub() as sub:
        sub.run(
            """if 1:
            import sharedobj as so
            d["made"] = so.SharedArray("d", range(1000))
            d = so = None
            """,
            d=d,
        )
    a = d["made"]
    view = memoryview(a)
    d.clear()
    del a
    gc.collect()
    so.collect()
    assert view.tolist() == list(range(1000))


def test_a_view_of_an_interpreter_ends_with_it():
    a = SharedArray("q", [1, 2])
    with Sub() as sub:
        sub.run("import sys; view = sys.kept = memoryview(a); view[0] = 5", a=a)
    assert a.tolist() == [5, 2]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="memoryviews cross since 3.14")
def test_a_memoryview_that_crosses():
    a, queue = SharedArray("i", [1, 2, 3]), std_queue()
    queue.put(memoryview(a))
    with Sub() as sub:
        sub.run("v = queue.get(); v[1] = 7; assert v.tolist() == [1, 7, 3]; v = None", queue=queue)
    assert a.tolist() == [1, 7, 3]


COUNT = """if 1:
    for i in range(20000):
        a.increment(i % 4)
        h.increment(i % 4, 0.5)
        if not i % 3:
            a.fetch_max(4, i)
        while not a.compare_and_set(5, old := a[5], old + 2):
            pass
    a = h = None
"""


def test_sums_of_all_interpreters_and_threads():
    a, h = SharedArray("Q", 6), SharedArray("f", 4)
    with Sub() as one, Sub() as two:
        running = [in_thread(sub.run, COUNT, a=a, h=h) for sub in (one, two)]
        running += [in_thread(exec, COUNT, {"a": a, "h": h}) for _ in range(2)]
        for thread in running:
            thread.join()
    assert a.tolist() == [20000] * 4 + [19998, 2 * 80000] and h.tolist() == [10000] * 4


def test_no_wrong_value_is_seen_elsewhere():
    a, done = SharedArray("b", [120]), SharedArray("b", 1)
    look = """if 1:
        while not done[0]:
            assert 120 <= a[0] <= 127, a[0]
        a = done = None
        """
    with Sub() as one, Sub() as two:
        running = [in_thread(sub.run, look, a=a, done=done) for sub in (one, two)]
        refused = 0
        for _ in range(50000):
            try:
                a.increment(0)
            except OverflowError:
                refused += 1
                a[0] = 120
        done[0] = 1
        for thread in running:
            thread.join()
    assert refused > 5000


def test_teardown_while_it_is_used(run_python):
    """Handles and views that are still there when interpreters and the process end."""
    run_python(
        """if 1:
        import builtins, sys, threading
        import sharedobj as so

        class Late:
            def __init__(self, a):
                self.a, self.view = a, memoryview(a)
            def __del__(self):
                self.a.increment(0)
                self.view[1] = 7
                self.a[:2], self.a.copy

        a = so.SharedArray("q", 3)
        builtins.kept = Late(a)
        sys.modules["late"] = Late(a.local())
        """
    )
    a = SharedArray("q", 3)
    with Sub() as sub:
        sub.run(
            """if 1:
            import builtins, sys
            class Late:
                def __init__(self, a):
                    self.a, self.view = a, memoryview(a)
                def __del__(self):
                    self.a.increment(0)
                    self.view[1] = 7
            builtins.kept = sys.modules["late"] = Late(a)
            """,
            a=a,
        )
    assert a.tolist() == [1, 7, 0]
