"""Channel(rendezvous=True), in one interpreter."""

import asyncio
import select as system_select
import threading
import time

import pytest
from threads import run

import sharedobj as so
from sharedobj import Channel


def test_construction():
    channel = Channel(rendezvous=True)
    assert channel.rendezvous and not Channel().rendezvous and not Channel(1).rendezvous
    assert channel.maxsize == 0 and channel.overflow == "block" and channel.qsize() == 0
    assert repr(channel) == f"<Channel id={channel.id} rendezvous open>"
    assert Channel(0, overflow="block", rendezvous=True).rendezvous
    assert not Channel(rendezvous=False).rendezvous
    with pytest.raises(ValueError, match="leave maxsize away"):
        Channel(1, rendezvous=True)
    for overflow in ("drop_new", "drop_old", "error"):
        with pytest.raises(ValueError, match="leave overflow away"):
            Channel(overflow=overflow, rendezvous=True)
    with pytest.raises(TypeError):
        Channel(0, "block", True)


def test_alone():
    channel = Channel(rendezvous=True)
    assert channel.try_send(1) is False
    assert channel.try_recv("nothing") == "nothing"
    with pytest.raises(so.ChannelFull, match="no receiver waits"):
        channel.send_nowait(1)
    with pytest.raises(so.ChannelEmpty):
        channel.recv_nowait()
    with pytest.raises(so.ChannelFullTimeout, match=r"no receiver came within 0\.01 s"):
        channel.send(1, timeout=0.01)
    with pytest.raises(so.ChannelEmptyTimeout, match="no message came within 0 s"):
        channel.recv(timeout=0)
    with pytest.raises(so.ChannelFullTimeout) as caught:
        channel.send_many([1, 2], timeout=0.01)
    assert caught.value.sent == 0
    with pytest.raises(so.ChannelEmptyTimeout):
        channel.recv_many(5, timeout=0.01)
    assert channel.try_recv() is None and channel.try_send(1) is False


def test_a_send_returns_when_it_was_received():
    channel, steps = Channel(rendezvous=True), []

    def send():
        for i in range(100):
            channel.send([i])
            steps.append(i)

    def receive():
        for i in range(100):
            # At most the send of the last message has returned.
            assert len(steps) <= i
            assert channel.recv() == [i]

    run(send, receive)
    assert steps == list(range(100))


def test_batches():
    channel = Channel(rendezvous=True)
    sent, received = [], []

    def receive():
        for _ in range(50):
            received.append(channel.recv())
        try:
            while True:
                received.extend(channel.recv_many(7))
        except so.ChannelClosed:
            pass

    def send():
        sent.append(channel.send_many(range(100)))
        sent.append(channel.send_many(iter(range(100, 150))))
        channel.close()

    run(receive, send)
    assert sent == [100, 50] and received == list(range(150))


def test_a_batch_takes_from_everybody_who_waits():
    channel = Channel(rendezvous=True)
    threads = [threading.Thread(target=channel.send, args=(i,)) for i in range(5)]
    for thread in threads:
        thread.start()
    received = []
    while len(received) < 5:
        received += channel.recv_many(10)
    for thread in threads:
        thread.join()
    assert sorted(received) == list(range(5))


def test_a_batch_takes_from_as_many_as_wait():
    """Also if that is more than a block of them."""
    channel, count = Channel(rendezvous=True), 100
    for pause in (0.1, 1, 10):
        threads = [threading.Thread(target=channel.send, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        time.sleep(pause)  # until all are asleep
        first = received = channel.recv_many(1000)
        while len(received) < count:
            received = received + channel.recv_many(1000)
        for thread in threads:
            thread.join()
        assert sorted(received) == list(range(count))
        if len(first) == count:
            return
    pytest.fail(f"the first {len(first)} only")


def test_close():
    channel, errors = Channel(rendezvous=True), []

    def attempt(function, *args):
        try:
            function(*args)
        except so.ChannelClosed:
            errors.append(function.__name__)

    calls = [(channel.send, "lost"), (channel.send_many, [1, 2])]
    threads = [threading.Thread(target=attempt, args=call) for call in calls * 3]
    for thread in threads:
        thread.start()
    channel.close()
    for thread in threads:
        thread.join()
    assert sorted(errors) == ["send"] * 3 + ["send_many"] * 3
    assert channel.closed
    for function, *args in [*calls, (channel.try_send, 1), (channel.recv,), (channel.try_recv,)]:
        with pytest.raises(so.ChannelClosed):
            function(*args)
    assert list(channel) == []


def test_close_wakes_receivers():
    channel, ends = Channel(rendezvous=True), []
    threads = [threading.Thread(target=lambda: ends.append(list(channel))) for _ in range(4)]
    for thread in threads:
        thread.start()
    channel.send(1)
    channel.close()
    for thread in threads:
        thread.join()
    assert sorted(ends) == [[], [], [], [1]]


def test_timeouts_lose_nothing():
    """A send that has timed out was not received, all others were."""
    channel = Channel(rendezvous=True)
    sent, received = [], []

    def send():
        for i in range(400):
            try:
                channel.send(i, timeout=i % 5 * 0.00005)
            except so.ChannelTimeout:
                continue
            sent.append(i)
        channel.close()

    def receive():
        while True:
            try:
                received.append(channel.recv(timeout=len(received) % 3 * 0.0001))
            except so.ChannelTimeout:
                time.sleep(0)
            except so.ChannelClosed:
                return

    run(send, receive)
    assert sent == received


def test_fileno():
    channel = Channel(rendezvous=True)
    number = channel.fileno()
    assert channel.try_recv() is None
    assert not system_select.select([number], [], [], 0)[0]
    thread = threading.Thread(target=channel.send, args=("met",))
    thread.start()
    assert system_select.select([number], [], [])[0]
    assert channel.recv_nowait() == "met"
    thread.join()
    channel.close()
    assert system_select.select([number], [], [], 0)[0]


def test_event_loops():
    channel = Channel(rendezvous=True)

    async def receive():
        received = [await channel.arecv() for _ in range(20)]
        with pytest.raises(so.ChannelClosed):
            await channel.arecv()
        return received

    def send():
        channel.send_many(range(20))
        channel.close()

    thread = threading.Thread(target=send)
    thread.start()
    assert asyncio.run(receive()) == list(range(20))
    thread.join()


def test_unpicklable_waits_for_nobody():
    with pytest.raises(so.NotShareableError, match=r"^message is a function"):
        Channel(rendezvous=True).send(lambda: 0)


def test_a_handle_in_an_offer():
    channel, inner = Channel(rendezvous=True), so.SharedDict(a=1)
    thread = threading.Thread(target=channel.send, args=({"d": inner},))
    thread.start()
    assert channel.recv()["d"] is inner
    thread.join()
