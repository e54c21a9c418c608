"""Queue: that it is a queue.Queue; its own cases are run by tests/stdlib."""

import concurrent.futures
import copy
import functools
import heapq
import inspect
import logging
import logging.handlers
import pickle
import queue
import signal
import sys
import threading

import pytest
from threads import run

import sharedobj as so
from sharedobj import Queue

BOTH = pytest.mark.parametrize("make", [Queue, queue.Queue])


@BOTH
def test_limits(make):
    for maxsize in (0, -1, -(10**9), 1, 3, 10**12, sys.maxsize, True):
        q = make(maxsize)
        assert q.maxsize == maxsize and q.empty() and not q.full() and q.qsize() == 0
    q = make(maxsize=2)
    assert q.put(1) is None and q.put_nowait(item=2) is None
    assert q.full() and q.qsize() == 2 and not q.empty()
    for call in (
        lambda: q.put_nowait(3),
        lambda: q.put(3, False),
        lambda: q.put(3, block=False, timeout=-1),
        lambda: q.put(3, timeout=0),
        lambda: q.put(item=3, timeout=0.001),
    ):
        with pytest.raises(queue.Full):
            call()
    with pytest.raises(ValueError, match="negative"):
        q.put(3, timeout=-1)
    assert q.get() == 1 and q.get_nowait() == 2
    for call in (
        lambda: q.get_nowait(),
        lambda: q.get(False),
        lambda: q.get(block=False, timeout=-1),
        lambda: q.get(timeout=0),
        lambda: q.get(True, 0.001),
    ):
        with pytest.raises(queue.Empty):
            call()
    with pytest.raises(ValueError, match="negative"):
        q.get(timeout=-1)
    q = make()
    q.put(1, timeout=-1)  # no limit: it cannot block
    assert q.get() == 1


@BOTH
def test_a_limit_can_be_set(make):
    q = make(3)
    for i in range(3):
        q.put(i)
    q.maxsize = 2
    assert q.maxsize == 2 and q.full() and q.qsize() == 3
    assert q.get() == 0
    with pytest.raises(queue.Full):
        q.put_nowait("no")
    q.maxsize = 0
    for i in range(3, 100):
        q.put_nowait(i)
    assert not q.full()
    assert [q.get() for _ in range(99)] == list(range(1, 100))


def test_a_higher_limit_wakes_who_waits():
    q, done = Queue(1), []
    q.put(0)

    def put(i):
        q.put(i)
        done.append(i)

    def raise_it():
        q.maxsize = 3

    run(lambda: put(1), lambda: put(2), raise_it)
    assert sorted(done) == [1, 2] and q.qsize() == 3


def test_bad_limits():
    q = Queue()
    for bad in (None, "1", 1.5):
        with pytest.raises(TypeError, match="maxsize"):
            Queue(bad)
        with pytest.raises(TypeError, match="maxsize"):
            q.maxsize = bad
    for bad in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match="64 bits"):
            q.maxsize = bad

    class Bad:
        def __index__(self):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        Queue(Bad())
    with pytest.raises(AttributeError):
        del q.maxsize
    for name in ("unfinished_tasks", "is_shutdown", "id"):
        with pytest.raises(AttributeError):
            setattr(q, name, 1)


@BOTH
def test_tasks(make):
    q = make()
    q.join()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()
    for i in range(5):
        q.put(i)
    assert q.unfinished_tasks == 5
    for _ in range(5):
        q.get()
    assert q.unfinished_tasks == 5
    for left in (4, 3, 2, 1, 0):
        q.task_done()
        assert q.unfinished_tasks == left
    q.join()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()


def test_join_waits_for_the_last_task():
    q, order = Queue(), []
    for i in range(20):
        q.put(i)

    def work():
        while True:
            try:
                q.get_nowait()
            except queue.Empty:
                return
            order.append("task")
            q.task_done()

    def join():
        q.join()
        order.append("join")

    run(work, work, join, join)
    assert order[20:] == ["join", "join"] and set(order[:20]) == {"task"}


def test_shutdown():
    q = Queue(5)
    q.put(1)
    q.put(2)
    assert q.is_shutdown is False
    q.shutdown()
    assert q.is_shutdown is True
    for call in (lambda: q.put(3), lambda: q.put_nowait(3), lambda: q.put(3, timeout=0)):
        with pytest.raises(so.ChannelClosed, match="shut down"):
            call()
    assert q.get() == 1 and q.unfinished_tasks == 2
    q.shutdown(immediate=True)
    assert q.qsize() == 0 and q.unfinished_tasks == 1
    with pytest.raises(so.ChannelClosed) as caught:
        q.get()
    if hasattr(queue, "ShutDown"):
        assert isinstance(caught.value, queue.ShutDown)
    q.task_done()
    q.join()
    q.shutdown()


def test_shutdown_wakes_everybody():
    empty, full, ended = Queue(), Queue(1), []
    full.put("taken")
    started = threading.Barrier(6)

    def wait(operation, *args):
        started.wait()
        try:
            operation(*args)
        except so.ChannelClosed:
            ended.append(operation)

    def end():
        started.wait()
        empty.shutdown()
        full.shutdown(True)

    run(*[lambda: wait(empty.get)] * 2, *[lambda: wait(full.put, 1)] * 2,
        lambda: wait(full.join), end)  # fmt: skip
    assert len(ended) == 4
    full.join()


def test_the_object():
    q, other = Queue(4), Queue(4)
    q.put(["any", {"thing": 1}])
    assert repr(q) == f"<Queue id={q.id} maxsize=4 qsize=1 unfinished_tasks=1>"
    q.shutdown(True)
    assert repr(q) == f"<Queue id={q.id} maxsize=4 qsize=0 unfinished_tasks=0 shut down>"
    assert q and q != other and q == q.local() and len({q, q.local(), other}) == 2
    assert copy.copy(q) is q and copy.deepcopy([q])[0] is q
    assert so.attach(q.id) is q and pickle.loads(pickle.dumps(q)) is q
    assert so.is_shareable(q) and so.explain(q) is None
    d = so.SharedDict({"queue": q, q: "as a key"})
    assert d["queue"] is q and d[q] == "as a key"
    assert so.stats()["types"]["Queue"] == 2
    channel = so.Channel()
    channel.send([q, q])
    assert channel.recv() == [q, q]
    assert repr(Queue[int]) == "sharedobj.Queue[int]"
    with pytest.raises(TypeError):

        class Sub(Queue):
            pass


def test_signatures_are_those_of_queue():
    for name in ("put", "get", "put_nowait", "get_nowait", "task_done", "join", "qsize", "empty",
                 "full", "shutdown"):  # fmt: skip
        ours = inspect.signature(getattr(Queue, name))
        if hasattr(queue.Queue, name):
            theirs = inspect.signature(getattr(queue.Queue, name))
            assert [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in ours.parameters.values()] == [
                *theirs.parameters.values()
            ], name
        assert inspect.getdoc(getattr(Queue, name))
    assert str(inspect.signature(Queue)) == "(maxsize=0)"


def test_an_item_that_cannot_be_put():
    q = Queue()
    with pytest.raises(so.NotShareableError):
        q.put(threading.Lock())
    assert q.empty() and q.unfinished_tasks == 0


def test_a_signal_ends_a_join():
    q = Queue()
    q.put(1)

    class Stop(Exception):
        pass

    def stop(*args):
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Stop):
            q.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert q.unfinished_tasks == 1


# ---- code that expects a queue


def test_worker_loops():
    tasks, results = Queue(8), Queue()

    def work():
        for number in iter(tasks.get, None):
            results.put(number * number)
            tasks.task_done()
        tasks.task_done()

    def feed():
        for number in range(200):
            tasks.put(number)
        for _ in range(3):
            tasks.put(None)
        tasks.join()

    run(work, work, work, feed)
    assert sorted(results.get() for _ in range(200)) == [n * n for n in range(200)]


def test_logging_through_it():
    """QueueHandler and QueueListener take any object with a queue's methods."""
    q, seen = Queue(), []

    class Keep(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    logger = logging.Logger("of a test")
    logger.addHandler(logging.handlers.QueueHandler(q))
    listener = logging.handlers.QueueListener(q, Keep())
    listener.start()
    for i in range(20):
        logger.warning("message %d", i)
    listener.stop()
    assert seen == [f"message {i}" for i in range(20)]


def test_executors_heapq_and_functools():
    q = Queue()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(functools.partial(q.put, block=False), range(50)))
        got = list(pool.map(lambda _: q.get(timeout=60), range(50)))
    assert sorted(got) == list(range(50))
    one, two = Queue(), Queue()
    for i in range(10):
        (one, two)[i % 2].put(i)
    one.put(None)
    two.put(None)
    assert list(heapq.merge(iter(one.get, None), iter(two.get, None))) == list(range(10))


def test_a_limit_that_comes_while_an_item_is_pickled():
    """The call blocks then, as it was asked to, though there was no limit when it began."""
    q = Queue()
    q.put(1)

    class Lowers:
        def __reduce__(self):
            q.maxsize = 1
            return int, ()

    with pytest.raises(so.ChannelFullTimeout):
        q.put(Lowers(), timeout=0.01)
    assert q.qsize() == 1
