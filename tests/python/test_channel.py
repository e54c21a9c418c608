"""Channel: the type, in one interpreter."""

import copy
import inspect
import queue
import signal
import threading
import time
from collections import Counter

import pytest
from threads import run

import sharedobj as so
from sharedobj import Channel

# ---- making one


def test_construction():
    assert Channel().maxsize == 0
    assert Channel(5).maxsize == 5
    assert Channel(maxsize=1).maxsize == 1
    assert Channel(True).maxsize == 1
    for bad in (-1, 2**31 + 1, 2**70):
        with pytest.raises((ValueError, OverflowError)):
            Channel(bad)
    for bad in ("5", 1.0, None):
        with pytest.raises(TypeError):
            Channel(bad)
    with pytest.raises(TypeError):
        Channel(1, 2)
    with pytest.raises(TypeError):
        Channel(size=1)
    with pytest.raises(TypeError):

        class Sub(Channel):
            pass


def test_identity():
    a, b = Channel(), Channel()
    assert a == a and a != b and hash(a) == hash(a)
    other = a.local()
    assert other is not a and other == a and hash(other) == hash(a)
    assert {a: 1}[other] == 1 and b not in {a}
    assert a != 1 and a != None and a != "x"  # noqa: E711
    assert bool(a) and bool(Channel(1))
    assert copy.copy(a) is a and copy.deepcopy([a])[0] is a
    assert so.attach(a.id) is a
    assert isinstance(a.id, int) and a.id > 0
    with pytest.raises(TypeError):
        a < b  # noqa: B015
    with pytest.raises(TypeError):
        len(a)
    with pytest.raises(AttributeError):
        a.id = 5
    with pytest.raises(AttributeError):
        a.other = 5
    assert repr(Channel[int]) == "sharedobj.Channel[int]"


def test_repr():
    channel = Channel(8)
    channel.send(1)
    channel.send(2)
    assert repr(channel) == f"<Channel id={channel.id} maxsize=8 qsize=2 open>"
    channel.close()
    assert repr(channel) == f"<Channel id={channel.id} maxsize=8 qsize=2 closed>"


def test_every_method_says_what_it_does():
    for name, member in vars(Channel).items():
        if name.startswith("__") and name not in ("__enter__", "__exit__", "__class_getitem__"):
            continue
        assert inspect.getdoc(member), name
        if callable(member) or isinstance(member, classmethod):
            assert inspect.signature(getattr(Channel, name)), name
    assert str(inspect.signature(Channel)) == "(maxsize=0, *, overflow='block', rendezvous=False)"
    assert str(inspect.signature(Channel.send)) == "(self, /, message, timeout=None)"
    assert str(inspect.signature(Channel.recv)) == "(self, /, timeout=None)"


# ---- sending and receiving


def test_first_in_first_out():
    for channel in (Channel(), Channel(100)):
        for i in range(100):
            assert channel.send(i) is True
        assert channel.qsize() == 100
        assert [channel.recv() for _ in range(100)] == list(range(100))
        assert channel.qsize() == 0


def test_the_ways_to_send():
    channel = Channel(1)
    assert channel.send_nowait("a") is True
    with pytest.raises(so.ChannelFull):
        channel.send_nowait("b")
    assert channel.try_send("b") is False
    with pytest.raises(so.ChannelFull) as caught:
        channel.send("b", 0.001)
    assert isinstance(caught.value, so.ChannelTimeout)
    with pytest.raises(so.ChannelTimeout):
        channel.send("b", timeout=0)
    assert channel.recv() == "a"
    assert channel.try_send("c") is True
    assert channel.recv_nowait() == "c"
    assert channel.send(message="d", timeout=None) is True
    assert channel.recv(timeout=5) == "d"


def test_the_ways_to_receive():
    channel = Channel()
    with pytest.raises(so.ChannelEmpty):
        channel.recv_nowait()
    assert channel.try_recv() is None
    assert channel.try_recv("default") == channel.try_recv(default="default") == "default"
    with pytest.raises(so.ChannelEmpty) as caught:
        channel.recv(0.001)
    assert isinstance(caught.value, so.ChannelTimeout)
    with pytest.raises(so.ChannelTimeout):
        channel.recv(timeout=0)
    channel.send(None)
    assert channel.try_recv("default") is None


def test_errors_are_those_of_queue():
    assert issubclass(so.ChannelEmpty, queue.Empty)
    assert issubclass(so.ChannelFull, queue.Full)
    assert issubclass(so.ChannelTimeout, TimeoutError)
    if hasattr(queue, "ShutDown"):
        assert issubclass(so.ChannelClosed, queue.ShutDown)
    # `except OSError` around input and output must not swallow an empty channel.
    with pytest.raises(so.ChannelEmpty) as caught:
        Channel().recv_nowait()
    assert not isinstance(caught.value, OSError)


def test_bad_arguments():
    channel = Channel(1)
    for bad in (-1, -0.001, float("nan")):
        with pytest.raises(ValueError):
            channel.send(1, bad)
        with pytest.raises(ValueError):
            channel.recv(bad)
    for bad in ("1", [], 1j):
        with pytest.raises(TypeError):
            channel.send(1, timeout=bad)
        with pytest.raises(TypeError):
            channel.recv(timeout=bad)
    for call in (
        lambda: channel.send(),
        lambda: channel.send(1, 2, 3),
        lambda: channel.send(1, time=1),
        lambda: channel.recv(1, 2),
        lambda: channel.recv(default=1),
        lambda: channel.try_recv(1, 2),
        lambda: channel.try_send(),
        lambda: channel.close(True, True),
    ):
        with pytest.raises(TypeError):
            call()
    assert channel.qsize() == 0


# ---- closing


def test_close():
    channel = Channel(4)
    channel.send(1)
    channel.send(2)
    assert channel.closed is False
    assert channel.close() is None
    assert channel.closed is True
    channel.close()
    for send in (channel.send, channel.send_nowait, channel.try_send):
        with pytest.raises(so.ChannelClosed):
            send(3)
    assert channel.recv() == 1
    assert channel.try_recv() == 2
    for receive in (channel.recv, channel.recv_nowait, channel.try_recv):
        with pytest.raises(so.ChannelClosed):
            receive()


def test_close_immediately():
    channel = Channel()
    inner = Channel()
    for i in range(100):
        channel.send([inner, i])
    channel.close(immediate=True)
    assert channel.qsize() == 0
    with pytest.raises(so.ChannelClosed):
        channel.recv()


def test_with_closes():
    with Channel() as channel:
        channel.send(1)
        assert not channel.closed
    assert channel.closed
    assert list(channel) == [1]
    with pytest.raises(ZeroDivisionError):
        with Channel() as channel:
            1 / 0  # noqa: B018
    assert channel.closed


def test_iteration():
    channel = Channel()
    for i in range(5):
        channel.send(i)
    channel.close()
    assert iter(channel) is channel
    assert list(channel) == [0, 1, 2, 3, 4]
    assert list(channel) == []
    assert next(channel, "end") == "end"


# ---- waiting


def test_recv_waits_for_send():
    channel, done = Channel(), []
    run(lambda: done.append(channel.recv()), lambda: channel.send("message"))
    assert done == ["message"]


def test_send_waits_for_room():
    channel = Channel(1)
    got = []

    def send():
        for i in range(200):
            channel.send(i)
        channel.close()

    run(send, lambda: got.extend(channel))
    assert got == list(range(200))


def test_ping_pong():
    there, back = Channel(1), Channel(1)

    def echo():
        for message in there:
            back.send(message)
        back.close()

    def ask():
        for i in range(500):
            there.send((i, "ball"))
            assert back.recv() == (i, "ball")
        there.close()

    run(echo, ask)


@pytest.mark.parametrize("maxsize", [0, 1, 3, 64])
def test_many_senders_and_receivers(maxsize):
    channel, results = Channel(maxsize), Channel()
    senders, each = 4, 500
    left = threading.Barrier(senders)

    def send(number):
        for i in range(each):
            channel.send((number, i))
        if left.wait() == 0:
            channel.close()

    def receive():
        last = {}
        for number, i in channel:
            assert last.get(number, -1) < i  # in order from each sender
            last[number] = i
            results.send((number, i))

    run(*[lambda n=n: send(n) for n in range(senders)], *[receive] * 3)
    results.close()
    assert Counter(results) == Counter((n, i) for n in range(senders) for i in range(each))


def test_close_wakes_everybody():
    empty, full = Channel(), Channel(1)
    full.send("taken")
    started = threading.Barrier(7)
    ended = []

    def wait(operation, *args):
        started.wait()
        try:
            operation(*args)
        except so.ChannelClosed:
            ended.append(operation)

    def close():
        started.wait()
        empty.close()
        full.close()

    run(*[lambda: wait(empty.recv)] * 3, *[lambda: wait(full.send, 1)] * 3, close)
    assert len(ended) == 6
    assert list(full) == ["taken"]


def test_timeouts_do_not_lose_messages():
    channel = Channel(2)
    got = []

    def send():
        for i in range(300):
            while True:
                try:
                    channel.send(i, timeout=0.0001)
                    break
                except so.ChannelFull:
                    pass
        channel.close()

    def receive():
        while True:
            try:
                got.append(channel.recv(timeout=0.0001))
            except so.ChannelEmpty:
                pass
            except so.ChannelClosed:
                return

    run(send, receive)
    assert got == list(range(300))


def test_a_waiting_thread_keeps_its_channel():
    channel = Channel()
    number = channel.id
    got = []
    thread = threading.Thread(target=lambda c: got.append(c.recv()), args=(channel,))
    thread.start()
    del channel
    so.attach(number).send("found")
    thread.join()
    assert got == ["found"]


def test_a_long_timeout_is_for_ever():
    channel = Channel()
    channel.send(1)
    for timeout in (1e9, 1e300, float("inf"), 2**62):
        channel.send(2, timeout=timeout)
        assert channel.recv(timeout=timeout) in (1, 2)


# ---- signals


class Stop(Exception):
    pass


@pytest.mark.parametrize("which", ["recv", "send", "next"])
def test_signals_end_a_wait_only_by_raising(which):
    channel = Channel(1)
    if which == "send":
        channel.send("taken")
    seen, over = [], threading.Event()

    def handler(number, frame):
        seen.append(number)
        if len(seen) == 5:
            raise Stop

    def interrupt():
        while not over.is_set():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            time.sleep(0.005)

    before = signal.signal(signal.SIGUSR1, handler)
    thread = threading.Thread(target=interrupt)
    try:
        with pytest.raises(Stop):
            thread.start()
            if which == "recv":
                channel.recv()
            elif which == "send":
                channel.send("other")
            else:
                next(channel)
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert len(seen) >= 5  # more may come before that thread has heard of it
    assert channel.qsize() == (which == "send")  # nothing was sent or received


def test_control_c(run_python):
    run_python(
        """if 1:
        import os, signal, threading
        from sharedobj import Channel
        channel, over = Channel(), threading.Event()
        def once(*args):  # the key is pressed again and again, but means it once
            signal.signal(signal.SIGINT, lambda *args: None)
            signal.default_int_handler(*args)
        def press():
            while not over.wait(0.05):
                os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=press)
        signal.signal(signal.SIGINT, lambda *args: None)
        thread.start()
        try:
            signal.signal(signal.SIGINT, once)
            channel.recv()
        except KeyboardInterrupt:
            over.set()
        else:
            raise SystemExit(1)
        thread.join()
        channel.send("works")
        assert channel.recv() == "works"
        """
    )


def test_no_memory():
    channel = Channel()
    sent = 0
    for after in range(200):
        so._sharedobj._fail_allocation(after % 4)
        try:
            channel.send([after])
            sent += 1
        except MemoryError:
            pass
        finally:
            so._sharedobj._fail_allocation(-1)
    assert 0 < sent < 200
    assert channel.qsize() == sent
    assert sum(1 for _ in iter(channel.try_recv, None)) == sent
