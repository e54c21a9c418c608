"""Channel: many messages in one call, and what happens when there is no room."""

import dataclasses
import inspect
import itertools
import queue
import signal
import sys
import threading

import pytest
from threads import run

import sharedobj as so
from sharedobj import Channel

POLICIES = "block", "drop_new", "drop_old", "error"

# ---- overflow


def filled(maxsize, overflow):
    channel = Channel(maxsize, overflow=overflow)
    for i in range(maxsize):
        assert channel.send(i) is True
    return channel


def test_overflow_is_a_keyword_with_four_values():
    assert Channel().overflow == Channel(3).overflow == "block"
    for policy in POLICIES:
        channel = Channel(maxsize=2, overflow=policy)
        assert channel.overflow == policy
        shown = "" if policy == "block" else f" overflow={policy}"
        assert repr(channel) == f"<Channel id={channel.id} maxsize=2{shown} qsize=0 open>"
    with pytest.raises(AttributeError):
        channel.overflow = "block"
    with pytest.raises(TypeError):
        Channel(1, "block")
    for bad in ("", "Block", "drop-old", "block\0", "\udc80"):
        with pytest.raises(ValueError, match="'block', 'drop_new', 'drop_old' or 'error'"):
            Channel(1, overflow=bad)
    for bad in (None, 1, b"block"):
        with pytest.raises(TypeError, match=f"not {type(bad).__name__}"):
            Channel(1, overflow=bad)


@pytest.mark.parametrize("maxsize", [1, 2, 7, 100])
def test_drop_new(maxsize):
    channel = filled(maxsize, "drop_new")
    assert channel.send("new") is False
    assert channel.send("new", timeout=None) is False
    assert channel.send_nowait("new") is False
    assert channel.try_send("new") is False
    assert channel.send_many(["new"] * 5) == 0
    assert channel.recv() == 0
    assert channel.send_many(["one", "two"]) == 1
    assert channel.recv_many(maxsize + 1) == [*range(1, maxsize), "one"]


@pytest.mark.parametrize("maxsize", [1, 2, 7, 100])
def test_drop_old(maxsize):
    channel = filled(maxsize, "drop_old")
    for i in range(maxsize, 3 * maxsize):
        send = (channel.send, channel.send_nowait, channel.try_send)[i % 3]
        assert send(i) is True
        assert channel.qsize() == maxsize
    assert channel.recv_many(1000) == list(range(2 * maxsize, 3 * maxsize))
    assert channel.send_many(range(1000)) == 1000
    channel.close()
    with pytest.raises(so.ChannelClosed):
        channel.send("new")
    assert list(channel) == list(range(1000 - maxsize, 1000))


@pytest.mark.parametrize("maxsize", [1, 2, 7, 100])
def test_error(maxsize):
    channel = filled(maxsize, "error")
    for send in (channel.send, channel.send_nowait):
        with pytest.raises(so.ChannelFull, match="overflow is 'error'") as caught:
            send("new")
        assert not isinstance(caught.value, so.ChannelTimeout)
    assert channel.try_send("new") is False
    with pytest.raises(so.ChannelFull) as caught:
        channel.send_many(["a", "b"])
    assert caught.value.sent == 0
    assert channel.recv() == 0
    with pytest.raises(queue.Full) as caught:
        channel.send_many(["a", "b"])
    assert caught.value.sent == 1
    assert channel.recv_many(1000) == [*range(1, maxsize), "a"]


@pytest.mark.parametrize("overflow", POLICIES)
def test_an_unlimited_channel_is_never_full(overflow):
    channel = filled(0, overflow)
    assert channel.send_many(range(1000)) == 1000
    assert channel.recv_many(5000) == list(range(1000))


@pytest.mark.parametrize("overflow", POLICIES[1:])
def test_nobody_waits_for_room(overflow):
    """Arguments are looked at all the same."""
    channel = filled(1, overflow)
    with pytest.raises(ValueError, match="negative"):
        channel.send(1, timeout=-1)
    channel.close(immediate=True)
    for send in (channel.send, channel.send_nowait, channel.try_send):
        with pytest.raises(so.ChannelClosed):
            send(1)


def test_what_is_dropped_is_let_go_of():
    """The fixture counts what is left alive."""
    for overflow in ("drop_old", "drop_new"):
        channel = Channel(2, overflow=overflow)
        for i in range(20):
            channel.send([so.Channel(), so.SharedDict({"n": i}), "x" * 100])
        channel.send_many([{"channel": so.Channel()} for _ in range(200)])
        assert channel.qsize() == 2


# ---- send_many


@pytest.mark.parametrize("maxsize", [0, 1000])
def test_send_many_takes_any_iterable(maxsize):
    channel = Channel(maxsize)
    sources = (
        list(range(200)), tuple("abc"), range(5), {1, 2, 3}, {"k": "v"}, "text", b"bytes", [], (),
        iter([1, 2]), (i * i for i in range(70)), map(str, range(3)), {"a": 1}.items(),
    )  # fmt: skip
    for source in sources:
        if iter(source) is source:
            source, expected = itertools.tee(source)
        else:
            expected = source
        expected = list(expected)
        assert channel.send_many(source) == len(expected)
        if expected:
            assert channel.recv_many(1000) == expected
    assert channel.qsize() == 0
    assert channel.send_many(iterable=[1], timeout=None) == 1
    assert str(inspect.signature(Channel.send_many)) == "(self, /, iterable, timeout=None)"


def test_send_many_checks_its_arguments():
    channel = Channel()
    for call in (
        lambda: channel.send_many(),
        lambda: channel.send_many(5),
        lambda: channel.send_many([1], 2, 3),
        lambda: channel.send_many([1], max=2),
        lambda: channel.send_many([1], timeout="1"),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="negative"):
        channel.send_many([1], -1)
    assert channel.qsize() == 0


@pytest.mark.parametrize("where", [0, 1, 63, 64, 65, 127, 128, 200])
@pytest.mark.parametrize("kind", [list, iter])
def test_an_item_that_cannot_be_sent(where, kind):
    channel = Channel()
    items = [*range(where), threading.Lock(), *range(50)]
    with pytest.raises(so.NotShareableError) as caught:
        channel.send_many(kind(items))
    assert caught.value.sent == where == channel.qsize()
    if where:
        assert channel.recv_many(1000) == list(range(where))


def test_an_iterable_that_raises():
    channel = Channel()

    def items():
        yield from range(100)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more") as caught:
        channel.send_many(items())
    assert caught.value.sent == channel.qsize() == 100

    class Slotted(Exception):
        sent = property()

    def slotted():
        yield 1
        raise Slotted

    with pytest.raises(Slotted):  # it takes no attribute: it comes without
        channel.send_many(slotted())
    assert channel.qsize() == 101


def test_a_batch_that_does_not_fit_in_time():
    channel = Channel(10)
    with pytest.raises(so.ChannelFullTimeout, match="send_many") as caught:
        channel.send_many(range(25), timeout=0.001)
    assert caught.value.sent == 10
    assert channel.recv_many(100) == list(range(10))
    with pytest.raises(so.ChannelTimeout) as caught:
        channel.send_many(iter(range(25)), timeout=0)
    assert caught.value.sent == 10


def test_close_in_the_middle_of_a_batch():
    channel = Channel()

    def items():
        for i in range(10):
            if i == 5:
                channel.close()
            yield i

    with pytest.raises(so.ChannelClosed) as caught:
        channel.send_many(items())
    assert caught.value.sent == 5
    assert list(channel) == list(range(5))
    with pytest.raises(so.ChannelClosed) as caught:
        channel.send_many([1, 2])
    assert caught.value.sent == 0


def test_two_reasons_to_end():
    """The messages before the one that cannot be sent do not fit either."""
    channel = Channel(3)
    with pytest.raises(so.ChannelFullTimeout) as caught:
        channel.send_many([1, 2, 3, 4, threading.Lock()], timeout=0.001)
    assert caught.value.sent == 3
    assert isinstance(caught.value.__context__, so.NotShareableError)
    channel.recv()
    with pytest.raises(KeyboardInterrupt) as caught:  # that one waits for nothing
        channel.send_many(map([5, 6, 7].__getitem__, Stops()))
    assert caught.value.sent == 1


class Stops:
    """Gives 0, and then what ends the program."""

    def __iter__(self):
        yield 0
        raise KeyboardInterrupt


class Pressed:
    """Is pickled until somebody presses Ctrl-C."""

    def __init__(self, before):
        self.before = before

    def __reduce__(self):
        self.before()
        raise KeyboardInterrupt


def test_what_ends_the_program_stays_the_error():
    """The messages before it do not fit, or come too late; whoever expects that goes on."""
    full, closed = Channel(2), Channel()
    for channel, before in ((full, full.qsize), (closed, closed.close)):
        with pytest.raises(KeyboardInterrupt) as caught:
            channel.send_many([1, 2, 3, Pressed(before)])
        assert caught.value.sent == channel.qsize()
    assert full.qsize() == 2 and closed.qsize() == 0


def test_an_iterable_may_wait_for_an_answer():
    there, back = Channel(), Channel()

    def questions():
        yield 0
        while (answer := back.recv()) < 20:
            yield answer

    def answer():
        for number in there:
            back.send(number + 1)

    def ask():
        assert there.send_many(questions()) == 20
        there.close()

    run(ask, answer)


def test_an_iterable_may_use_the_channel():
    channel = Channel(4, overflow="drop_old")

    def items():
        for i in range(30):
            channel.send_many([i, i])
            assert channel.recv_many(1)
            yield i

    assert channel.send_many(items()) == 30
    assert channel.qsize() == 4


# ---- recv_many


def test_recv_many_waits_for_one_and_takes_what_is_there():
    channel = Channel()
    channel.send_many(range(300))
    assert channel.recv_many(1) == [0]
    assert channel.recv_many(max=3, timeout=0) == [1, 2, 3]
    assert channel.recv_many(64) == list(range(4, 68))
    assert channel.recv_many(sys.maxsize + 1) == list(range(68, 300))
    with pytest.raises(so.ChannelEmptyTimeout, match="recv_many"):
        channel.recv_many(5, 0.001)
    got = []
    run(lambda: got.extend(channel.recv_many(5)), lambda: channel.send_many([1]))
    assert got == [1]
    channel.send("last")
    channel.close()
    assert channel.recv_many(5) == ["last"]
    with pytest.raises(so.ChannelClosed):
        channel.recv_many(5)
    assert str(inspect.signature(Channel.recv_many)) == "(self, /, max, timeout=None)"


def test_recv_many_checks_its_arguments():
    channel = Channel()
    channel.send(1)
    for bad in (0, -1, -(10**30)):
        with pytest.raises(ValueError, match="at least 1"):
            channel.recv_many(bad)
    for call in (
        lambda: channel.recv_many(),
        lambda: channel.recv_many("1"),
        lambda: channel.recv_many(1.0),
        lambda: channel.recv_many(1, 2, 3),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="negative"):
        channel.recv_many(1, -1)
    assert channel.qsize() == 1


class Spoilt:
    """Can be pickled, and not unpickled."""

    def __init__(self, text):
        self.text = text

    def __reduce__(self):
        return int, (self.text,)


def test_a_message_of_a_batch_that_cannot_be_decoded():
    channel = Channel()
    channel.send_many([1, 2, Spoilt("no number"), 3, [4], Spoilt("5")])
    with pytest.raises(ValueError, match="no number") as caught:
        channel.recv_many(100)
    assert caught.value.received == [1, 2, 3, [4], 5]
    assert channel.qsize() == 0
    channel.send_many([Spoilt("one"), Spoilt("two"), 6])
    others = []
    before, sys.unraisablehook = sys.unraisablehook, lambda u: others.append(str(u.exc_value))
    try:
        with pytest.raises(ValueError, match="one") as caught:
            channel.recv_many(100)
    finally:
        sys.unraisablehook = before
    assert caught.value.received == [6]
    assert len(others) == 1 and "two" in others[0]


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    number: int


class Closed(Exception):
    """Takes neither attribute."""

    sent = received = property()


def throw(error, *args):
    raise error(*args)


class Throws:
    """Raises when it is unpickled."""

    def __init__(self, *error):
        self.error = error

    def __reduce__(self):
        return throw, self.error


def test_errors_that_take_no_attributes():
    """What has come is not lost."""
    channel = Channel()
    channel.send_many([1, Throws(Frozen, 5), 2])
    with pytest.raises(Frozen) as caught:
        channel.recv_many(10)
    assert caught.value.received == [1, 2]
    with pytest.raises(Frozen) as caught:
        channel.send_many(throw(Frozen, n) if n else n for n in range(2))
    assert caught.value.sent == 1 == len(channel.recv_many(10))

    others = []
    before, sys.unraisablehook = sys.unraisablehook, lambda u: others.append(u.exc_type)
    try:
        channel.send_many([1, Throws(Closed), 2])
        assert channel.recv_many(10) == [1, 2]
        assert others == [Closed]
        channel.send(Throws(Closed))
        with pytest.raises(Closed):
            channel.recv_many(10)
    finally:
        sys.unraisablehook = before
    assert others == [Closed]


class Again:
    """Sends another one when it is received."""

    def __init__(self, channel, left):
        self.channel, self.left = channel, left

    def __reduce__(self):
        return send_again, (self.channel, self.left)


def send_again(channel, left):
    if left:
        channel.send(Again(channel, left - 1))
    return left


@pytest.mark.parametrize("n", [1, 64, 128, 150])
def test_recv_many_ends_though_more_messages_come(n):
    channel = Channel()
    channel.send_many([Again(channel, 20)] * n)
    for left in range(20, -1, -1):
        assert channel.recv_many(sys.maxsize) == [left] * n
    assert channel.qsize() == 0


# ---- threads


@pytest.mark.parametrize("maxsize", [0, 1, 7, 64])
def test_batches_of_many_threads(maxsize):
    channel, results, each = Channel(maxsize), [], 2000
    left = so.AtomicInt(3)

    def send(number):
        for begin in range(0, each, 100):
            messages = [(number, i) for i in range(begin, begin + 100)]
            assert channel.send_many(messages if number else iter(messages)) == 100
        if left.decrement() == 0:
            channel.close()

    def receive():
        got = []
        try:
            while True:
                got += channel.recv_many(150)
        except so.ChannelClosed:
            results.append(got)

    run(*[lambda n=n: send(n) for n in range(3)], receive, receive)
    assert sorted(itertools.chain(*results)) == [(n, i) for n in range(3) for i in range(each)]
    for got in results:
        for number in range(3):
            own = [i for n, i in got if n == number]
            assert own == sorted(own)


def test_drop_old_with_threads_never_loses_what_was_got():
    channel, each = Channel(5, overflow="drop_old"), 3000
    got, left = [], so.AtomicInt(2)

    def send(number):
        for i in range(each):
            assert channel.send((number, i, "x" * 50))
        if left.decrement() == 0:
            channel.close()

    def receive():
        got.append([message[:2] for message in channel])

    run(lambda: send(0), lambda: send(1), receive, receive)
    together = [*got[0], *got[1]]
    assert len(set(together)) == len(together)
    for part in got:
        for number in (0, 1):
            own = [i for n, i in part if n == number]
            assert own == sorted(own)
    assert max(together) == (1, each - 1) or (0, each - 1) in together


def test_a_signal_ends_a_batch_that_waits(run_python):
    run_python(
        """if 1:
        import os, signal, threading
        from sharedobj import Channel
        channel, over = Channel(10), threading.Event()
        def once(*args):
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
            channel.send_many(range(100))
        except KeyboardInterrupt as error:
            over.set()
            assert error.sent == 10 == channel.qsize()
        else:
            raise SystemExit(1)
        finally:
            over.set()
            thread.join()
        """
    )


def test_a_signal_ends_a_batch_without_an_end():
    channel = Channel(1, overflow="drop_old")

    class Stop(Exception):
        pass

    def stop(*args):
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Stop) as caught:
            channel.send_many(itertools.count())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caught.value.sent >= 1 and channel.recv() == caught.value.sent - 1


def test_failing_memory():
    """Wherever an allocation fails, what was sent is there and nothing else."""
    failures = 0
    for after in itertools.count():
        channel = Channel()
        so._sharedobj._fail_allocation(after)
        try:
            channel.send_many(["x" * 50] * 130)
        except MemoryError as error:
            failures += 1
            assert error.sent == channel.qsize()
        else:
            assert channel.qsize() == 130
        if so._sharedobj._fail_allocation(-1) >= 0:
            break
    assert failures >= 2
