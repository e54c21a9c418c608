"""Many senders and receivers, in interpreters that end at any moment: nothing is lost, nothing
comes twice, and what one sender has sent comes to each receiver in the order of the sending."""

import random

import pytest
from interps import Sub, in_thread

from sharedobj import AtomicInt, Channel, Queue, SharedDict

# Both end when `stop` says so, when the channel is closed, or when their interpreter ends.
WORK = """if 1:
    import itertools, random, threading, sharedobj

    def send_all(name, rng):
        n = 0
        while not stop and n < 3000:
            row = [(name, n + i) for i in range(rng.choice((1, 1, 1, 7, 70)))]
            try:
                if len(row) > 1:
                    n += channel.send_many(row)
                else:
                    n += channel.send(row[0])
            except Exception as error:
                if type(error).__name__ not in ends.split():
                    wrong[name] = repr(error)
                n += getattr(error, "sent", 0)
                break
        sent[name] = n

    def receive_all(name, rng):
        mine = []
        while not stop:
            try:
                if rng.random() < 0.3:
                    mine += channel.recv_many(rng.choice((1, 5, 100)))
                else:
                    mine.append(channel.recv())
            except Exception as error:
                if type(error).__name__ not in ends.split():
                    wrong[name] = repr(error)
                break
        got[name] = tuple(mine)

    def start(where, seed):
        rng = random.Random(seed)
        for i in range(2):
            for work in (send_all, receive_all):
                name = f"{where} {work.__name__} {i}"
                thread = threading.Thread(target=work, args=(name, random.Random(rng.random())))
                thread.start()
                running.append(thread)
    running = []
    start(where, seed)
"""
ENDS = "ChannelClosed PythonFinalizationError RuntimeError"  # the last one on 3.12


def check(sent, got, wrong):
    assert not dict(wrong)
    arrived = []
    for messages in got.values():
        last = {}
        for name, n in messages:
            assert last.get(name, -1) < n
            last[name] = n
        arrived += messages
    expected = [(name, n) for name, count in sent.items() for n in range(count)]
    assert sorted(arrived) == sorted(expected)


@pytest.mark.parametrize("maxsize", [0, 3, 1000])
def test_interpreters_end_while_they_send_and_receive(maxsize):
    seed = random.randrange(10**9)
    print("seed", seed)  # pytest shows it when the test fails
    rng = random.Random(seed)
    channel, names = Channel(maxsize), iter(range(10**6))
    everything = {
        "channel": channel,
        "sent": SharedDict(),
        "got": SharedDict(),
        "wrong": SharedDict(),
        "ends": ENDS,
    }

    def open_one():
        sub, stop, where = Sub(), AtomicInt(), f"interpreter {next(names)}"
        sub.run(WORK, stop=stop, where=where, seed=rng.randrange(10**9), **everything)
        return sub, stop

    def close_one(sub, stop):
        stop.set(1)  # who does not wait would not hear that the interpreter ends
        sub.close()

    here = {**everything, "stop": AtomicInt(), "where": "here", "seed": 1}
    exec(WORK, here)
    subs = [open_one() for _ in range(3)]
    for _ in range(12):
        closer = in_thread(close_one, *subs.pop(rng.randrange(len(subs))))
        subs.append(open_one())
        closer.join()
    if maxsize != 3:
        channel.close()  # while everybody is at it
    for sub in subs:
        close_one(*sub)
    here["stop"].set(1)
    channel.close()
    for thread in here["running"]:
        thread.join()
    everything["got"]["left"] = tuple(channel)
    check(everything["sent"], everything["got"], everything["wrong"])


def test_a_queue_that_is_shut_down_in_a_storm():
    """The tasks of a Queue are those that were sent, whatever becomes of who sent them."""
    queue = Queue(5)
    counted, stop = SharedDict(), AtomicInt()
    code = """if 1:
        import sharedobj, threading
        def put():
            n = 0
            try:
                while not stop:
                    queue.put((name, n))
                    n += 1
            except (sharedobj.ChannelClosed, RuntimeError):
                pass
            counted.increment("put", n)
        def get():
            n = 0
            try:
                while not stop:
                    queue.get()
                    queue.task_done()
                    n += 1
            except (sharedobj.ChannelClosed, RuntimeError):
                pass
            counted.increment("got", n)
        for work in (put, get, put, get):
            threading.Thread(target=work).start()
    """
    for generation in range(4):
        subs = [Sub() for _ in range(2)]
        stop = AtomicInt()
        for sub in subs:
            sub.run(code, queue=queue, counted=counted, stop=stop, name=generation)
        for n in range(200):
            queue.put(("here", n))
        counted.increment("put", 200)
        stop.set(1)
        for sub in subs:
            sub.close()
    left = queue.qsize()
    assert counted["put"] - counted["got"] == left == queue.unfinished_tasks
    queue.shutdown()
