"""Senders and receivers in other interpreters: what their end closes."""

import pickle

import pytest
from interps import Sub, destroy_queue, in_thread, std_queue

import sharedobj as so
from sharedobj import Channel, SharedDict


def test_roads():
    s, r = Channel().split()
    road, d = std_queue(), SharedDict(ends=(s, r))
    road.put(s)
    with Sub() as sub:
        sub.run(
            "a, b = road.get(), d['ends'][0]\n"
            "assert a is b is s and type(s).__name__ == 'Sender'\n"
            "import pickle\n"
            "assert pickle.loads(pickle.dumps(r)) is r and pickle.loads(token) is s\n"
            "s.send(r)\n",
            s=s,
            r=r,
            d=d,
            road=road,
            token=pickle.dumps(s),
        )
        assert r.recv() is r
        del d["ends"]
        del s
        assert not r.closed, "the interpreter has one"
        sub.run("del s, a, b")
        assert r.closed
    destroy_queue(road)


@pytest.mark.parametrize(
    "where",
    [
        "kept = end",
        "import sys; sys.modules['here'] = end",
        "kept = [end]; kept.append(kept)",
        "import sharedobj; kept = sharedobj.SharedDict(end=(end,))",
        "import sharedobj; kept = sharedobj.Channel(); kept.send({'end': [end]})",
        "import threading; kept = threading.local(); kept.end = end",
    ],
)
@pytest.mark.parametrize("sending", [True, False])
def test_the_end_of_an_interpreter(where, sending):
    """Whoever waits for the other side is woken, whatever held the end."""
    s, r = Channel(1).split()
    s.send(0)
    sub = Sub()
    sub.run(where, end=s if sending else r)
    if sending:
        thread = in_thread(list, r)
        del s
    else:
        thread = in_thread(s.send_many, [1, 2])
        del r
    sub.close()
    if sending:
        assert thread.join() == [0]
    else:
        with pytest.raises(so.ChannelClosed):
            thread.join()


def test_an_exception_in_an_interpreter():
    s, r = Channel().split()
    with Sub() as sub:
        with pytest.raises(Exception, match="KeyError"):
            sub.run(
                "def work(s):\n    s.send(1)\n    raise KeyError('x')\n"
                "m = s; del s\n"
                "work(globals().pop('m'))\n",
                s=s,
            )
        del s
        assert list(r) == [1]


def test_tickets_of_a_dead_interpreter():
    """What an interpreter has put into a queue of the standard library goes with it."""
    s, r = Channel().split()
    road = std_queue()
    sub = Sub()
    sub.run("road.put(s); del s", s=s, road=road)
    del s
    assert not r.closed
    sub.close()
    assert r.closed
    destroy_queue(road)


def test_many_producers_one_dies():
    ch = Channel(4)
    s, r = ch.split()
    subs = [Sub() for _ in range(3)]
    threads = [
        in_thread(
            sub.run,
            "t, s = s, None\nfor i in range(100): t.send(i)\ndel t\n",
            s=s,
        )
        for sub in subs
    ]
    del s
    assert sorted(r) == sorted(list(range(100)) * 3)
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()
