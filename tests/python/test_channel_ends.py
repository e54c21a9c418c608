"""Channel.split(): senders and receivers, and what their ends mean."""

import copy
import functools
import gc
import pickle
import sys
import threading

import pytest

import sharedobj as so
from sharedobj import Channel, Receiver, Sender, SharedDict, SharedList, _sharedobj


def test_halves():
    ch = Channel(3, overflow="drop_new")
    s, r = ch.split()
    assert type(s) is Sender and type(r) is Receiver
    assert s.send(1) and s.send_nowait(2) and s.try_send(3) and not s.send(4)
    assert s.qsize() == r.qsize() == 3 and s.maxsize == r.maxsize == 3
    assert s.overflow == r.overflow == "drop_new" and not s.closed and not r.closed
    assert [r.recv(), r.recv_nowait(), r.try_recv()] == [1, 2, 3] and r.try_recv(0) == 0
    assert s.send_many([5, 6]) == 2 and r.recv_many(9) == [5, 6]
    with s as same:
        assert same is s and s.send(7)
    assert s.closed and r.closed and ch.closed and list(r) == [7]
    with pytest.raises(so.ChannelClosed):
        r.recv()
    for half, others in ((s, "recv try_recv recv_nowait recv_many __iter__ split"), (r, "send")):
        assert not [name for name in others.split() if hasattr(half, name)]
    for kind in (Sender, Receiver):
        with pytest.raises(TypeError):
            kind()
        assert kind[int].__origin__ is kind


def test_handles():
    s, r = Channel(2).split()
    for end in (s, r):
        name = type(end).__name__
        assert so.attach(end.id) is end and pickle.loads(pickle.dumps(end)) is end
        assert copy.copy(end) is copy.deepcopy(end) is end
        assert end.local() == end and hash(end.local()) == hash(end) and end.local() is not end
        assert repr(end).startswith(f"<{name} id={end.id} channel=") and "open" in repr(end)
        assert so.is_shareable(end) and so.explain([end]) is not None
        assert so.stats()["types"][name] == 1 and end
    assert s != r and len({s, r}) == 2
    d = SharedDict(ends=(s, r))
    assert d["ends"][0] is s and d["ends"][1] is r


def test_the_last_sender():
    ch = Channel()
    s, r = ch.split()
    other = s.local()
    s.send("kept")
    del s
    assert not r.closed
    del other
    assert r.closed and ch.closed and list(r) == ["kept"]


def test_the_last_receiver():
    s, r = Channel().split()
    s.send("lost")
    del r
    assert s.closed and s.qsize() == 0
    with pytest.raises(so.ChannelClosed):
        s.send(1)


def test_the_channel_does_not_count():
    ch = Channel()
    s, r = ch.split()
    ch.send(1)
    s2, r2 = ch.split()
    assert r2.recv() == 1 and s2 != s
    del s
    ch.send(2)
    assert r.recv() == 2
    del s2
    assert ch.closed
    s, r3 = ch.split()
    with pytest.raises(so.ChannelClosed):
        s.send(3)
    del r, r2, r3


def holders():
    """name -> (what takes an object, what lets go of it); the holder is what take returns."""

    def in_dict(end):
        d = SharedDict()
        d["end"] = end
        return d

    def in_list(end):
        return SharedList([end, 1])

    def in_message(end):
        ch = Channel()
        ch.send({"end": [end]})
        return ch

    return {
        "dict: del": (in_dict, lambda d: d.pop("end")),
        "dict: overwrite": (in_dict, lambda d: d.update(end=1)),
        "dict: exchange": (in_dict, lambda d: d.exchange("end", None)),
        "dict: clear": (in_dict, lambda d: d.clear()),
        "dict: replace": (in_dict, lambda d: d.replace({})),
        "dict: gone": (in_dict, None),
        "dict in dict: del": (
            lambda end: SharedDict(inner=SharedDict(end=(1, (end,)))),
            lambda d: d.pop("inner"),
        ),
        "dict: read before": (in_dict, lambda d: [d["end"], d["end"], d.pop("end")]),
        "list: del": (in_list, lambda x: x.pop(0)),
        "list: overwrite": (in_list, lambda x: x.__setitem__(0, None)),
        "list: slice": (in_list, lambda x: x.__setitem__(slice(0, 2), [])),
        "list: insert, clear": (in_list, lambda x: [x.insert(0, 5), x.clear()]),
        "list: replace": (in_list, lambda x: x.replace([1])),
        "list: gone": (in_list, None),
        "message: received": (in_message, lambda ch: ch.recv()),
        "message: dropped": (in_message, lambda ch: ch.close(immediate=True)),
        "message: gone": (in_message, None),
        "python: cycle": (lambda end: (x := [end], x.append(x))[0], lambda x: x.clear()),
    }


@pytest.mark.parametrize("name", holders())
def test_wherever_the_last_reference_lies(name):
    take, let_go = holders()[name]
    s, r = Channel().split()
    holder = take(s)
    del s
    assert not r.closed
    if let_go is not None:
        let_go(holder)
    else:
        del holder
    assert r.closed
    with pytest.raises(so.ChannelClosed):
        r.recv()


def until_closed(operation, errors):
    try:
        while True:
            operation()
    except so.ChannelClosed as error:
        errors.append(error.with_traceback(None))


@pytest.mark.parametrize("sending", [False, True])
def test_closes_who_waits(sending):
    ch, errors = Channel(1), []
    s, r = ch.split()
    s.send(0)
    operation = functools.partial(s.send, 1) if sending else r.recv
    thread = threading.Thread(target=until_closed, args=(operation, errors))
    thread.start()
    if sending:
        del r
    else:
        while ch.qsize():
            pass
        del s
    thread.join()
    assert len(errors) == 1


def test_a_thread_that_ends():
    s, r = Channel().split()

    def work(s):
        s.send(1)
        raise OSError("the thread ends like this")

    seen = []
    before, threading.excepthook = threading.excepthook, lambda args: seen.append(args.exc_type)
    try:
        thread = threading.Thread(target=work, args=(s,))
        thread.start()
        del s
        assert list(r) == [1], "ends when the thread has"
        thread.join()
    finally:
        threading.excepthook = before
    assert seen == [OSError]


def test_a_pickle_counts_until_its_lease_ends():
    s, r = Channel().split()
    before = so.set_handle_lease(0.05)
    try:
        token = pickle.dumps(s)
        del s
        assert r.try_recv("open") == "open"
        with pytest.raises(so.ChannelClosed):
            r.recv()  # nobody else is there to sweep it
        with pytest.raises(LookupError):
            pickle.loads(token)
    finally:
        so.set_handle_lease(before)


def test_a_split_that_fails_closes_nothing():
    ch = Channel()
    for after in range(20):
        _sharedobj._fail_allocation(after)
        try:
            ends = ch.split()
        except MemoryError:
            ends = None
        finally:
            left = _sharedobj._fail_allocation(-1)
        assert not ch.closed and ch.send(after)
        if left >= 0:
            break
    assert ends is not None and after > 1
    del ends
    assert ch.closed


def test_a_receiver_in_its_own_channel():
    """It keeps itself alive, as documented; whoever has the Channel can end that."""
    ch = Channel()
    s, r = ch.split()
    s.send(r)
    del r
    gc.collect()
    assert not s.closed
    r = ch.recv()
    assert type(r) is Receiver
    del r
    assert s.closed


def test_at_exit(run_python):
    run_python(
        "import sharedobj as so, threading\n"
        "s, r = so.Channel().split()\n"
        "threading.Thread(target=lambda: print(list(r))).start()\n"
        "s.send(1)\n"
        "del s\n"
    )


def test_sizes():
    s, r = Channel().split()
    assert sys.getsizeof(s) == sys.getsizeof(r) > 0
