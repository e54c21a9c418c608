"""fileno(): channels among the things that selectors and event loops wait for."""

import errno
import os
import resource
import select
import selectors
import signal
import threading

import pytest

import sharedobj as so
from sharedobj import Channel, Queue


def readable(*things):
    return select.select(things, [], [], 0)[0]


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def drain(ch):
    return list(iter(lambda: ch.try_recv(ch), ch))


@pytest.mark.parametrize("make", [Channel, lambda: Channel(3), lambda: Channel().split()[1]])
def test_readable_when_a_receive_may_succeed(make):
    if type(ch := make()) is so.Receiver:
        s, ch = Channel().split()
    else:
        s = ch
    assert type(ch.fileno()) is int and ch.fileno() == ch.fileno() and not readable(ch)
    s.send(1)
    assert readable(ch) == [ch]
    s.send(2)
    assert ch.recv() == 1 and readable(ch) and ch.recv_nowait() == 2
    with pytest.raises(so.ChannelEmpty):
        ch.recv_nowait()
    assert not readable(ch)
    s.send(3)
    assert readable(ch) and drain(ch) == [3] and not readable(ch)
    with pytest.raises(so.ChannelEmptyTimeout):
        ch.recv(timeout=0)
    s.close()
    assert readable(ch)
    with pytest.raises(so.ChannelClosed):
        ch.recv_nowait()
    assert readable(ch)


def test_queue():
    q = Queue(1)
    assert not readable(q)
    q.put(1)
    assert readable(q) and q.get_nowait() == 1
    with pytest.raises(so.ChannelEmpty):
        q.get_nowait()
    assert not readable(q)
    q.shutdown()
    assert readable(q)


def test_no_descriptor_of_a_sender():
    s, _ = Channel().split()
    assert not hasattr(s, "fileno")


SELECTORS = {  # those of this system, and the best of them under a name of its own
    selectors.SelectSelector,
    selectors.DefaultSelector,
    getattr(selectors, "PollSelector", selectors.DefaultSelector),
}


@pytest.mark.parametrize("kind", sorted(SELECTORS, key=lambda kind: kind.__name__))
def test_selectors(kind):
    channels = [Channel() for _ in range(5)]
    with kind() as selector:
        for number, ch in enumerate(channels):
            selector.register(ch, selectors.EVENT_READ, number)
        assert selector.select(0) == []
        got = []

        def send():
            for i in range(500):
                channels[i % 5].send(i)
            for ch in channels:
                ch.close()

        thread = threading.Thread(target=send)
        thread.start()
        while selector.get_map():
            for key, _ in selector.select():
                try:
                    while True:
                        got.append(key.fileobj.recv_nowait())
                except so.ChannelEmpty:
                    pass
                except so.ChannelClosed:
                    selector.unregister(key.fileobj)
        thread.join()
    assert sorted(got) == list(range(500))


def test_one_for_each_thread_and_handle():
    ch, fds = Channel(), []
    mine = ch.fileno()

    def work(ch):
        fds.append(ch.fileno())
        assert fds[-1] == ch.fileno()
        assert is_open(fds[-1])

    for _ in range(3):
        thread = threading.Thread(target=work, args=(ch,))
        thread.start()
        thread.join()
    while any(map(is_open, set(fds) - {mine})):
        pass  # the system ends a thread after join() has returned
    assert mine not in fds and ch.fileno() == mine
    other = ch.local()
    fd = other.fileno()
    assert fd != mine
    del other
    assert not is_open(fd) and is_open(mine)
    ch.send(1)
    assert readable(ch)
    del ch
    assert not is_open(mine)


def test_many_threads_leave_nothing():
    ch = Channel()
    before = len(os.listdir("/dev/fd"))
    for _ in range(50):
        thread = threading.Thread(target=ch.fileno)
        thread.start()
        thread.join()
    ch.fileno()
    while len(os.listdir("/dev/fd")) > before + 1:
        pass
    ch.send(1)
    assert readable(ch)


def test_all_are_told():
    ch = Channel()
    ready, go = threading.Barrier(5), threading.Barrier(5)
    got = []

    def work():
        assert not readable(ch)
        ready.wait()
        select.select([ch], [], [])
        go.wait()
        got.append(ch.try_recv())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    ch.send("once")
    go.wait()
    for thread in threads:
        thread.join()
    assert sorted(got, key=str) == [None, None, None, "once"]


def test_no_descriptor_to_be_had():
    ch = Channel()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError) as caught:
            ch.fileno()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
    ch.send(1)
    assert ch.recv() == 1 and not readable(ch)


@pytest.mark.parametrize("after", range(5))
def test_no_memory(after):
    ch = Channel()
    so._sharedobj._fail_allocation(after)
    try:
        ch.fileno()
    except MemoryError:
        pass
    finally:
        so._sharedobj._fail_allocation(-1)
    ch.send(1)
    assert readable(ch) and ch.recv() == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork():
    """The child has its own under the same number; what one clears the other still has."""
    ch = Channel()
    fd = ch.fileno()
    ch.send(1)
    child = os.fork()
    if child == 0:
        good = ch.fileno() == fd and bool(readable(ch)) and drain(ch) == [1]
        good = good and not readable(ch) and ch.send(2) and bool(readable(ch))
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert readable(ch) and drain(ch) == [1] and not readable(ch)


def test_a_signal_does_not_disturb():
    ch, seen = Channel(), []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(ch.try_recv()))
    try:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        threading.Timer(0.1, lambda: ch.send("sent")).start()
        select.select([ch], [], [])
        assert ch.recv_nowait() == "sent" and seen == [None]
    finally:
        signal.signal(signal.SIGUSR1, before)
