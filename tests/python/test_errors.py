"""The exceptions."""

import pickle
import queue
import re
import sys
from collections.abc import Hashable

import pytest

import sharedobj as so

NAMES = [name for name in so.__all__ if isinstance(getattr(so, name), type)
         and issubclass(getattr(so, name), BaseException)]  # fmt: skip


def test_bases():
    assert issubclass(so.NotShareableError, TypeError)
    assert issubclass(so.UnresolvedError, LookupError)
    assert issubclass(so.ChannelEmpty, queue.Empty) and issubclass(so.ChannelFull, queue.Full)
    assert issubclass(so.ChannelTimeout, TimeoutError)
    if hasattr(queue, "ShutDown"):
        assert issubclass(so.ChannelClosed, queue.ShutDown)
    if sys.version_info >= (3, 14):
        from concurrent import interpreters

        assert issubclass(so.NotShareableError, interpreters.NotShareableError)
    empty, full = so.ChannelEmptyTimeout, so.ChannelFullTimeout
    assert issubclass(empty, so.ChannelEmpty) and issubclass(empty, so.ChannelTimeout)
    assert issubclass(full, so.ChannelFull) and issubclass(full, so.ChannelTimeout)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_one_class_with_a_home(name):
    error = getattr(so, name)
    assert getattr(so, name) is error and getattr(so._sharedobj, name) is error
    assert error.__module__ == "sharedobj" and error.__name__ == name and error.__doc__
    with pytest.raises(error, match="reason") as info:
        raise error("reason")
    again = pickle.loads(pickle.dumps(info.value))
    assert type(again) is error and again.args == ("reason",)


def test_unknown_names():
    assert len(NAMES) == 9
    for module in (so, so._sharedobj):
        for name in ("ChannelBroken", "", "sharedobj.ChannelEmpty", "\udc80"):
            with pytest.raises(AttributeError):
                getattr(module, name)
        with pytest.raises(TypeError):
            getattr(module, 5)
    with pytest.raises(ImportError):
        from sharedobj import ChannelBroken  # noqa: F401


def full(overflow="block"):
    channel = so.Channel(1, overflow=overflow)
    channel.send(1)
    return channel


@pytest.mark.parametrize(
    "action, error, text",
    [
        (
            lambda: so.Channel().recv_nowait(),
            so.ChannelEmpty,
            "recv_nowait(): the channel is empty; recv() waits for a message, "
            "try_recv() returns None instead",
        ),
        (
            lambda: so.Channel().recv(0.25),
            so.ChannelEmptyTimeout,
            "recv(): no message came within 0.25 s; timeout=None waits until one comes",
        ),
        (
            lambda: full().send_nowait(2),
            so.ChannelFull,
            "send_nowait(): the channel is full, its maxsize is 1; send() waits for room, "
            "try_send() returns False instead",
        ),
        (
            lambda: so.select((full("error"), 2)),
            so.ChannelFull,
            "select(): ops[0]: the channel is full, its maxsize is 1; its overflow is 'error': "
            "'block' waits for room",
        ),
        (
            lambda: full().send(2, timeout=0),
            so.ChannelFullTimeout,
            "send(): the channel had no room within 0 s; timeout=None waits until it has",
        ),
        (
            lambda: so.AtomicInt(5).wait(5, timeout=1e-3),
            TimeoutError,
            "wait(): the value did not change within 0.001 s; timeout=None waits until it does",
        ),
        (
            lambda: hash(so.AtomicInt()),
            TypeError,
            "unhashable type: 'sharedobj.AtomicInt', because what it holds changes; "
            "use its id, or get() for the number",
        ),
        (
            lambda: hash(so.SharedDict().local()),
            TypeError,
            "unhashable type: 'sharedobj.SharedDict', because what it holds changes; use its id",
        ),
        (
            lambda: so.SharedDict().get((1, so.AtomicInt())),
            TypeError,
            "unhashable type: 'sharedobj.AtomicInt', because what it holds changes; "
            "use its id, or get() for the number",
        ),
        (
            lambda: so.SharedDict(x="s").tally(["x"]),
            TypeError,
            "tally: the value of 'x' is a str; only int and float have atomic increments "
            "(an AtomicInt has an increment() of its own; use compare_and_set for others)",
        ),
        (
            lambda: so.SharedList([1]).increment(0, "x"),
            TypeError,
            "increment: n must be an int or a float, not str",
        ),
        (
            lambda: so.set_handle_lease("x"),
            TypeError,
            "a lease is a number of seconds, 0 or more, not str",
        ),
        (
            lambda: so.set_handle_lease(-1),
            ValueError,
            "a lease is a number of seconds, 0 or more, not -1",
        ),
    ],
)
def test_messages_say_what_to_do(action, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$") as caught:
        action()
    assert type(caught.value) is error


def test_only_what_can_be_hashed_is_hashable():
    for handle in (so.AtomicInt(), so.SharedDict()):
        assert not isinstance(handle, Hashable) and type(handle).__hash__ is None
    assert isinstance(so.Channel(), Hashable)


def test_importing_stays_light(run_python):
    run_python(
        """if 1:
        import sys
        before = set(sys.modules)
        import sharedobj
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        assert new <= {"sharedobj", "__future__"}, new
        """
    )
