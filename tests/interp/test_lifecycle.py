"""Interpreters that come and go while others work with the same objects."""

import gc
import pickle
import threading

import pytest
from interps import Sub, destroy_queue, in_thread, std_queue

import sharedobj
from sharedobj import AtomicInt, _sharedobj, attach, stats


def test_the_creator_goes_first():
    queue = std_queue()
    with Sub() as sub:
        sub.run("import sharedobj; queue.put(sharedobj.AtomicInt(41))", queue=queue)
        a = queue.get()
    assert a.increment() == 42
    with Sub() as other:
        other.run("a += 1; a = None", a=a)
    assert a.get() == 43


def test_objects_die_with_the_last_interpreter_that_has_them():
    shared = AtomicInt(0)
    with Sub() as sub:
        sub.run("import sharedobj; mine = sharedobj.AtomicInt(1); a.set(mine.id)", a=shared)
        attach(shared.get())
    sharedobj.collect()
    with pytest.raises(LookupError):
        attach(shared.get())


ITEMS = 2000  # far more than CPython's queue of pending calls holds


@pytest.fixture
def settled():
    """Returns: how many more objects and tickets there are than when the test began."""

    def figures():
        sharedobj.collect()
        now = stats()
        return now["objects"], now["tickets"]

    before = figures()
    return lambda: tuple(now - then for now, then in zip(figures(), before, strict=True))


def test_received_items_leave_nothing_behind(settled):
    """An idle sender frees nothing, and CPython loses its frees: there are none to do."""
    queue = std_queue()
    with Sub() as sub:
        sub.run(
            f"import sharedobj\nfor i in range({ITEMS}): queue.put(sharedobj.AtomicInt(i))",
            queue=queue,
        )
        assert settled() == (ITEMS, ITEMS)
        assert sum(queue.get().get() for _ in range(ITEMS)) == sum(range(ITEMS))
        assert settled() == (0, 0)  # and the sender lives


def test_unreceived_items_go_with_their_sender(settled):
    queue = std_queue()
    with Sub() as sub:
        sub.run(
            f"import sharedobj\nfor i in range({ITEMS}): queue.put(sharedobj.AtomicInt(i))",
            queue=queue,
        )
        assert settled()[0] == ITEMS
        destroy_queue(queue)
    assert settled() == (0, 0)


def test_items_of_a_dead_sender_keep_nothing(settled):
    queue = std_queue()
    with Sub() as sub:
        sub.run(
            "import sharedobj\nfor i in range(100): queue.put(sharedobj.AtomicInt(i))",
            queue=queue,
        )
    assert settled() == (0, 0)


def test_pickles_of_a_dead_sender_keep_nothing(settled):
    a, queue = AtomicInt(0), std_queue()
    with Sub() as sub:
        sub.run(
            """if 1:
            import pickle, sharedobj
            queue.put(pickle.dumps([sharedobj.AtomicInt(1), a]))
            """,
            a=a,
            queue=queue,
        )
        data = queue.get()
        assert settled() == (2, 2)
    assert settled() == (1, 0)
    with pytest.raises(LookupError, match="gone"):
        pickle.loads(data)


WORK = """if 1:
    def work():
        for _ in range(n):
            a.increment()
        b = a.local()
        for _ in range(n):
            b += 1
        import sharedobj
        for _ in range(n // 10):
            sharedobj.attach(a.id).update(lambda v: v + 1)
            sharedobj.AtomicInt(1).increment()
"""


def each(n):
    """What one call of work() adds."""
    return 2 * n + n // 10


def test_threads_and_interpreters_count_exactly():
    a, n = AtomicInt(), 3000
    subs = [Sub() for _ in range(3)]

    def drive(sub):
        sub.run(
            WORK + "import threading\n"
            "threads = [threading.Thread(target=work) for _ in range(2)]\n"
            "for t in threads: t.start()\n"
            "for t in threads: t.join()\n",
            a=a,
            n=n,
        )

    def here():
        space = {"a": a, "n": n}
        exec(WORK, space)
        space["work"]()

    threads = [in_thread(drive, sub) for sub in subs] + [in_thread(here) for _ in range(2)]
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()
    assert a.get() == (3 * 2 + 2) * each(n)


def test_interpreters_come_and_go():
    """24 interpreters in 3 threads, each made, used and destroyed while the main one and
    the others work with the same object."""
    a, n, stop = AtomicInt(), 500, threading.Event()

    def churn():
        for _ in range(8):
            with Sub() as sub:
                sub.run(WORK + "work()", a=a, n=n)

    def hammer():
        count = 0
        while not stop.is_set():
            handle = attach(a.id)
            handle += 1
            count += 1
        return count

    busy = in_thread(hammer)
    threads = [in_thread(churn) for _ in range(3)]
    try:
        for thread in threads:
            thread.join()
    finally:
        stop.set()
    mine = busy.join()
    assert mine > 0 and a.get() == 3 * 8 * each(n) + mine


def test_nothing_grows():
    """Of ours, that is: 3.12 and 3.13 lose memory with every interpreter by themselves."""
    a, queue = AtomicInt(), std_queue()

    def cycle():
        with Sub() as sub:
            sub.run(
                """if 1:
                import sharedobj, pickle, gc
                keep = [sharedobj.AtomicInt(i) for i in range(50)]
                cycle = [a, keep]
                cycle.append(cycle)
                queue.put(a)
                pickle.dumps(keep)
                try:
                    keep[0].wait(0, 0)
                except TimeoutError:
                    pass
                """,
                a=a,
                queue=queue,
            )
            assert queue.get() is a
        gc.collect()
        sharedobj.collect()
        return _sharedobj._counts()

    cycle()
    assert cycle() == cycle()


def test_two_modules_in_one_interpreter():
    a = AtomicInt(1)
    with Sub() as sub:
        sub.run(
            """if 1:
            import gc, sys, sharedobj
            first = sharedobj
            for name in [n for n in sys.modules if n.startswith("sharedobj")]:
                del sys.modules[name]
            del sharedobj
            gc.collect()
            """
        )
        sub.run("a += 1; assert type(a) is first.AtomicInt", a=a)
        sub.run("import sharedobj; assert sharedobj.AtomicInt is not first.AtomicInt")
        sub.run("assert type(a) is sharedobj.AtomicInt; a += 1", a=a)
    assert a.get() == 3
