"""Queue and batches between interpreters: tasks, shutdown, deaths, every road."""

import sys

from interps import Sub, destroy_queue, in_thread, std_queue

import sharedobj as so
from sharedobj import AtomicInt, Channel, Queue, SharedDict

WORK = """if 1:
    import sharedobj
    while True:
        try:
            number = tasks.get()
        except sharedobj.ChannelClosed:
            break
        results.put((number, number * number))
        tasks.task_done()
"""


def test_workers_in_interpreters():
    tasks, results = Queue(4), Queue()
    subs = [Sub() for _ in range(3)]
    threads = [in_thread(sub.run, WORK, tasks=tasks, results=results) for sub in subs]
    for number in range(300):
        tasks.put(number)
    tasks.join()
    assert results.qsize() == 300 and tasks.unfinished_tasks == 0
    assert sorted(results.get() for _ in range(300)) == [(n, n * n) for n in range(300)]
    tasks.shutdown()
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()


def test_a_limit_is_everybodys():
    q, go = Queue(1), AtomicInt()
    q.put(0)
    with Sub() as sub:
        thread = in_thread(sub.run, "go += 1\nfor i in range(1, 5): q.put(i)", q=q, go=go)
        go.wait(0)
        q.maxsize = 10
        thread.join()
        sub.run("assert q.maxsize == 10 and q.qsize() == 5; q.maxsize = -1", q=q)
    assert q.maxsize == -1 and [q.get() for _ in range(5)] == list(range(5))


def test_a_dead_interpreter_loses_nothing():
    q, channel = Queue(), Channel()
    with Sub() as sub:
        sub.run(
            "for i in range(500): q.put([i, 'x' * 50])\n"
            "q.get(); q.task_done()\n"
            "channel.send_many([n, {'n': n}] for n in range(300))\n"
            "channel.send_many([[n] for n in range(300)])\n",
            q=q,
            channel=channel,
        )
    assert q.unfinished_tasks == 499
    assert [q.get()[0] for _ in range(499)] == list(range(1, 500))
    got = channel.recv_many(1000)
    assert [n for n, _ in got[:300]] == list(range(300)) == [n for (n,) in got[300:]]


def test_roads():
    q, d = Queue(3), SharedDict()
    q.put("item")
    d["queue"] = q
    road = std_queue()
    road.put(q)
    with Sub() as sub:
        sub.run(
            "a, b = road.get(), d['queue']\n"
            "assert a is b is q and type(q).__name__ == 'Queue'\n"
            "assert q.get() == 'item' and q.maxsize == 3\n"
            "q.put([q])\n"
            "import sharedobj\n"
            "d['new'] = sharedobj.Queue(7)\n"
            "d['new'].put(1)\n",
            road=road,
            d=d,
            q=q,
        )
    destroy_queue(road)
    (got,) = q.get()
    assert got is q
    assert d["new"].get() == 1 and d["new"].maxsize == 7


STREAM = """if 1:
    for begin in range(0, total, 500):
        assert channel.send_many(range(begin, begin + 500)) == 500
    channel.close()
"""


def test_a_stream_of_batches():
    for maxsize in (0, 100, 1024):
        channel, total, got = Channel(maxsize), 20000, []
        with Sub() as sub:
            thread = in_thread(sub.run, STREAM, channel=channel, total=total)
            try:
                while True:
                    got += channel.recv_many(700)
            except so.ChannelClosed:
                thread.join()
        assert got == list(range(total))


def test_an_interpreter_that_ends_ends_its_waits():
    q, batch = Queue(1), Channel(1)
    started, ended = AtomicInt(), AtomicInt()
    error = "PythonFinalizationError" if sys.version_info >= (3, 13) else "RuntimeError"
    q.put("taken")
    batch.send("taken")
    sub = Sub()
    sub.run(
        """if 1:
        import threading
        def work(operation, *args):
            started.increment()
            try:
                operation(*args)
            except Exception as error:
                assert type(error).__name__ == expected, repr(error)
                ended.increment()
        for call in ((q.put, 1), (q.join,), (batch.send_many, [1, 2])):
            threading.Thread(target=work, args=call).start()
        while (n := started.get()) < 3:
            started.wait(n)
        """,
        q=q,
        batch=batch,
        started=started,
        ended=ended,
        expected=error,
    )
    sub.close()
    assert ended.get() == 3
    assert q.qsize() == batch.qsize() == 1
