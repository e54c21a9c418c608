"""select(): one of several sends and receives, in one interpreter."""

import gc
import signal
import threading
import time
import weakref
from collections import Counter
from itertools import repeat

import pytest
from threads import run

import sharedobj as so
from sharedobj import Channel, Queue, select


def waits(ch):
    """Returns when somebody waits at a rendezvous to receive what is sent now."""
    while not ch.try_send("go"):
        time.sleep(0.001)


# ---- without waiting


def test_a_receive():
    a, b, c = Channel(), Queue(), Channel(2)
    b.put([1, {"x": 2}])
    assert select(a, b, c) == (1, [1, {"x": 2}])
    c.send(None)
    assert select(a, b, c) == (2, None)
    assert a.qsize() == b.qsize() == c.qsize() == 0


def test_a_send():
    full, room, queue = Channel(1), Channel(1), Queue(1)
    full.send(0)
    assert select((full, 1), (room, 2)) == (1, None)
    assert select((full, 1), (room, 2), (queue, 3)) == (2, None)
    assert (full.recv(), room.recv(), queue.get()) == (0, 2, 3)
    assert full.qsize() == room.qsize() == queue.qsize() == 0


def test_sends_and_receives_of_one_channel():
    channel = Channel(1)
    assert select(channel, (channel, "sent"), channel) == (1, None)
    index, value = select(channel, (channel, "other"), channel)
    assert index != 1 and value == "sent"


def test_default():
    channel, other = Channel(), Channel(1)
    other.send(1)
    marker = object()
    assert select(channel, default=marker) == (-1, marker)
    assert select(channel, (other, 2), default=None) == (-1, None)
    assert select(channel, default=None, timeout=1000) == (-1, None)
    assert select(channel, other, default=None) == (1, 1)
    with pytest.raises(so.SelectTimeout):
        select(channel, default=so.MISSING, timeout=0)
    with pytest.raises(ValueError):
        select(channel, default=None, timeout=-1)


def test_fairness():
    channels = [Channel() for _ in range(20)]
    ready = (0, 1, 2, 17)
    for i in ready:
        channels[i].send_many(range(4000))
    chosen = Counter(select(*channels)[0] for _ in range(4000))
    assert set(chosen) == set(ready)
    assert all(800 < n < 1200 for n in chosen.values()), chosen


def test_overflow():
    new = Channel(1, overflow="drop_new")
    old = Channel(1, overflow="drop_old")
    error = Channel(1, overflow="error")
    for channel in (new, old, error):
        channel.send("first")
    idle = Channel()
    assert select(idle, (new, "second")) == (1, False)
    assert select(idle, (old, "second")) == (1, None)
    with pytest.raises(so.ChannelFull, match=r"ops\[1\].*full, its maxsize is 1") as caught:
        select(idle, (error, "second"))
    assert caught.value.index == 1
    assert (new.recv(), old.recv(), error.recv()) == ("first", "second", "first")
    assert select((new, 3)) == (0, None)
    assert select(idle, (error, 3), default=None) == (1, None)


def test_closed():
    idle, channel, queue = Channel(), Channel(), Queue()
    channel.send("left")
    channel.close()
    assert select(idle, channel) == (1, "left")
    for ops in ((idle, channel), (channel, idle), (idle, (channel, 5)), (idle, idle, channel)):
        with pytest.raises(so.ChannelClosed) as caught:
            select(*ops)
        index = caught.value.index
        assert ops[index] is channel or ops[index][0] is channel
        assert f"ops[{index}]" in str(caught.value)
        with pytest.raises(so.ChannelClosed):
            select(*ops, default=None)
    queue.shutdown()
    with pytest.raises(so.ChannelClosed) as caught:
        select(idle, queue)
    assert caught.value.index == 1


# ---- what is refused


def test_no_operations():
    with pytest.raises(ValueError, match="at least one operation"):
        select()
    with pytest.raises(ValueError, match="at least one operation"):
        select(default=None)
    channel = Channel()
    with pytest.raises(ValueError, match="at most 65536"):
        select(*repeat(channel, 65537))
    assert select(*repeat(channel, 65536), default=1) == (-1, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda c: 5,
        lambda c: None,
        lambda c: [c, 1],
        lambda c: (c,),
        lambda c: (c, 1, 2),
        lambda c: (),
        lambda c: so.SharedDict(),
        lambda c: so.AtomicInt(),
        lambda c: (so.SharedList(), 1),
        lambda c: (5, c),
        lambda c: Channel,
        lambda c: c.split()[0],
        lambda c: (c.split()[1], 1),
    ],
)
def test_what_is_no_operation(make):
    channel = Channel()
    with pytest.raises(TypeError, match=r"ops\[1\](\[0\])? must be a Channel, Queue or "):
        select((channel, 1), make(channel))
    assert channel.qsize() == 0
    with pytest.raises(TypeError, match=r"not list; of a list say select\(\*channels\)"):
        select([channel, channel])


def test_arguments():
    channel = Channel()
    with pytest.raises(TypeError, match="unexpected keyword argument 'wait'"):
        select(channel, wait=3)
    for bad in (-1, -0.001, float("nan")):
        with pytest.raises(ValueError):
            select(channel, timeout=bad)
    with pytest.raises(TypeError, match="timeout must be a number"):
        select(channel, timeout="1")


def test_unpicklable():
    """Nothing is sent, and the path names the operation."""
    first, second = Channel(), Channel()
    with pytest.raises(so.NotShareableError, match=r"^ops\[1\]\[1\] is a function"):
        select((first, 1), (second, lambda: 0))
    with pytest.raises(so.NotShareableError, match=r"^ops\[1\]\[1\]\['a'\]\[2\] is a generator"):
        select((first, 1), (second, {"a": [1, 2, (x for x in "")]}))
    assert first.qsize() == second.qsize() == 0


class Poison:
    def __reduce__(self):
        return (int, ("not a number",))


def test_undecodable():
    channel, idle = Channel(), Channel()
    channel.send(Poison())
    channel.send("next")
    with pytest.raises(ValueError, match="invalid literal") as caught:
        select(idle, channel)
    assert caught.value.index == 1
    assert select(idle, channel) == (1, "next")


class Nested:
    """Uses select itself while it is pickled."""

    def __init__(self, channel):
        self.channel = channel

    def __reduce__(self):
        select((self.channel, "from inside"))
        return (str, ("nested",))


def test_reentrancy():
    a, b = Channel(), Channel(1)
    b.send(0)
    assert select((a, Nested(a)), (b, 1)) == (0, None)
    assert [a.recv(), a.recv()] == ["from inside", "nested"]

    class Index(float):
        def __float__(self):
            gc.collect()
            return 0.0

    with pytest.raises(so.SelectTimeout):
        select(a, timeout=Index())


def test_failing_allocations():
    a, b = Channel(1), Channel()
    a.send("full")
    idle = [Channel() for _ in range(20)]
    for after in range(30):
        so._sharedobj._fail_allocation(after)
        try:
            result = select((a, ["x" * 100]), (b, ["y" * 2000]), *idle, default="none")
        except MemoryError:
            assert b.qsize() == 0
        else:
            assert result == (1, None) and b.recv() == ["y" * 2000]
        if so._sharedobj._fail_allocation(-1) >= 0:
            break
    else:
        raise AssertionError("it never gets through")
    assert after > 1 and a.recv() == "full"


def test_nothing_is_kept():
    class Value:
        def __reduce__(self):
            return (str, ())

    channel, closed = Channel(1), Channel()
    channel.send(0)
    closed.close()
    value = Value()
    alive = weakref.ref(value)
    select((channel, value), default=None)
    with pytest.raises(so.ChannelClosed):
        select((channel, value), (closed, value))
    del value
    gc.collect()
    assert alive() is None


# ---- ends


def test_ends():
    channel, idle = Channel(1), Channel()
    sender, receiver = channel.split()
    assert select(idle, (sender, 5)) == (1, None)
    assert select((sender, 6), receiver, idle) == (1, 5)
    with pytest.raises(so.SelectTimeout):
        select(receiver, idle, timeout=0.01)
    results = []
    thread = threading.Thread(target=lambda r=receiver: results.append(end_of(r, idle)))
    thread.start()
    del sender  # the last one
    gc.collect()
    thread.join()
    assert results == [0]


def end_of(receiver, idle):
    try:
        return select(receiver, idle)
    except so.ChannelClosed as error:
        return error.index


def test_ends_of_a_rendezvous():
    sender, receiver = Channel(rendezvous=True).split()
    results = []
    thread = threading.Thread(target=lambda s=sender: results.append(select((s, "met"))))
    thread.start()
    assert receiver.recv() == "met"
    thread.join()
    assert results == [(0, None)]
    del thread
    waiting = threading.Thread(target=lambda r=receiver: results.append(next(r, "over")))
    waiting.start()
    del sender
    gc.collect()
    waiting.join()
    assert results == [(0, None), "over"]


# ---- waiting


@pytest.mark.parametrize("index", range(4))
def test_woken_by(index):
    full = Channel(1)
    full.send(0)
    ops = [Channel(), Queue(), (full, "sent"), Channel(rendezvous=True)]
    results = []
    thread = threading.Thread(target=lambda: results.append(select(*ops)))
    thread.start()
    if index == 2:
        assert full.recv() == 0
    elif index == 1:
        ops[1].put("sent")
    else:
        ops[index].send("sent")
    thread.join()
    assert results == [(index, None if index == 2 else "sent")]
    assert full.qsize() == 1


def test_timeout():
    full, empty, meet = Channel(1), Queue(), Channel(rendezvous=True)
    full.send(0)
    for timeout in (0, 0.01, 1e-9):
        begin = time.monotonic()
        with pytest.raises(so.SelectTimeout, match="no operation was possible within") as caught:
            select((full, 1), empty, (meet, 2), meet, timeout=timeout)
        assert time.monotonic() - begin >= timeout
    assert isinstance(caught.value, TimeoutError)
    assert not isinstance(caught.value, so.ChannelTimeout)
    assert full.qsize() == 1 and meet.try_recv() is None and not meet.try_send(3)


@pytest.mark.parametrize("which", range(3))
def test_close_wakes(which):
    full = Channel(1)
    full.send(0)
    channels = [Channel(), full, Channel(rendezvous=True)]
    errors = []

    def wait():
        try:
            select(channels[0], (full, 1), (channels[2], 2))
        except so.ChannelClosed as error:
            errors.append(error.index)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    channels[which].close()
    for thread in threads:
        thread.join()
    assert errors == [which] * 5 and full.qsize() == 1


class Stop(Exception):
    pass


def test_signals_end_a_wait_only_by_raising():
    channel, meet = Channel(), Channel(rendezvous=True)
    seen, over = [], threading.Event()

    def handler(number, frame):
        seen.append(number)
        if len(seen) == 5:
            raise Stop

    def interrupt():
        while not over.wait(0.005):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    thread = threading.Thread(target=interrupt)
    try:
        with pytest.raises(Stop):
            thread.start()
            select(channel, (meet, 1), meet)
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert len(seen) >= 5
    assert meet.try_recv() is None


def test_many_operations():
    channels = [Channel(rendezvous=i % 3 == 0) for i in range(500)]
    results = []
    thread = threading.Thread(target=lambda: results.append(select(*channels)))
    thread.start()
    channels[333].send("rendezvous")  # returns when the select has taken it
    thread.join()
    assert results == [(333, "rendezvous")]


def test_fan_in():
    """Selects share several channels: each message comes once, each sender's in order."""
    channels = [Channel(1), Channel(), Queue(2), Channel(rendezvous=True)]
    done = so.AtomicInt()
    received = [[] for _ in range(3)]

    def send(number):
        put = getattr(channels[number], "put", None) or channels[number].send
        for i in range(300):
            put((number, i))
        if done.increment() == len(channels):
            for channel in channels:
                getattr(channel, "close", None) and channel.close()
            channels[2].shutdown()

    def receive(mine):
        left = list(channels)
        while left:
            try:
                index, value = select(*left)
            except so.ChannelClosed as error:
                del left[error.index]
            else:
                assert left[index] is channels[value[0]]
                mine.append(value)

    run(
        *(lambda n=n: send(n) for n in range(len(channels))),
        *(lambda mine=mine: receive(mine) for mine in received),
    )
    for mine in received:
        for number in range(len(channels)):
            numbers = [i for n, i in mine if n == number]
            assert numbers == sorted(numbers)
    everything = sorted(value for mine in received for value in mine)
    assert everything == [(n, i) for n in range(len(channels)) for i in range(300)]


def test_selects_meet_selects():
    a, b = Channel(rendezvous=True), Channel(rendezvous=True)
    results = [[], []]

    def trade(me):
        for i in range(300):
            ops = [(a, (me, i)), b] if me else [a, (b, (me, i))]
            results[me].append(select(*(ops if i % 2 else reversed(ops)))[1])

    run(lambda: trade(0), lambda: trade(1))
    # Of each pair one has sent what the other one got.
    assert all((x is None) != (y is None) for x, y in zip(*results, strict=True))
    assert all(x == (1, i) for i, x in enumerate(results[0]) if x is not None)
    assert all(y == (0, i) for i, y in enumerate(results[1]) if y is not None)
