"""asend(), arecv() and async for, in the event loops that people use."""

import asyncio
import gc
import inspect
import itertools
import os
import random
import resource
import threading

import pytest
from loops import LIBRARIES, available
from threads import run

import sharedobj as so
from sharedobj import Channel, Queue


@pytest.fixture(params=LIBRARIES)
def library(request):
    return available(request.param)


def descriptors():
    gc.collect()
    return len(os.listdir("/dev/fd"))


def test_without_waiting(library):
    async def main():
        ch = Channel(3, overflow="drop_new")
        assert [await ch.asend(i) for i in range(4)] == [True, True, True, False]
        assert await ch.arecv() == 0
        ch.close()
        assert [v async for v in ch] == [1, 2]
        with pytest.raises(so.ChannelClosed):
            await ch.arecv()
        with pytest.raises(so.ChannelClosed):
            await ch.asend(1)
        with pytest.raises(so.ChannelFull):
            full = Channel(1, overflow="error")
            await full.asend(1)
            await full.asend(2)
        q = Queue(1)
        await q.asend(5)
        assert await q.arecv() == 5
        q.shutdown()
        with pytest.raises(so.ChannelClosed, match="cannot get: the queue"):
            await q.arecv()
        with pytest.raises(so.ChannelClosed, match="cannot put: the queue"):
            await q.asend(1)
        assert [v async for v in q] == []

    library.run(main)


@pytest.mark.parametrize(
    "make", [lambda: Channel(2), lambda: Queue(2), lambda: Channel(rendezvous=True)]
)
def test_many_tasks_of_one_loop(library, make):
    senders, receivers, each = 7, 5, 60

    async def send(ch, who, left):
        for i in range(each):
            assert await ch.asend((who, i)) is True
        left.append(who)
        if len(left) == senders:
            ch.close() if isinstance(ch, Channel) else ch.shutdown()

    async def receive(ch, out):
        async for message in ch:
            out.append(message)

    async def main():
        ch, outs, left = make(), [[] for _ in range(receivers)], []
        async with library.group() as group:
            for out in outs:
                group.spawn(receive, ch, out)
            for who in range(senders):
                group.spawn(send, ch, who, left)
        got = [message for out in outs for message in out]
        assert sorted(got) == sorted((who, i) for who in range(senders) for i in range(each))
        for out in outs:
            for who in range(senders):
                own = [i for w, i in out if w == who]
                assert own == sorted(own)

    before = descriptors()
    library.run(main)
    assert descriptors() == before


def test_a_loop_that_goes_on_keeps_no_descriptors(library):
    """Neither of channels that nobody waits for any more, nor readers of them; whoever keeps
    the tasks that were cancelled."""

    async def receive(ch, got):
        got.append(await ch.arecv())

    async def main():
        channels, got, cancelled = [Channel() for _ in range(8)], [], []
        before = descriptors()
        for _ in range(2):  # the second time the same numbers come again
            async with library.group() as group:
                for ch in channels:
                    group.spawn(receive, ch, got)
                    cancelled.append(group.spawn(receive, ch, got))
                    for _ in range(3):
                        await library.sleep(0)
                    cancelled[-1].cancel()
                assert descriptors() == before + len(channels)
                for i, ch in enumerate(channels):
                    ch.send(i)
            for _ in range(3):
                await library.sleep(0)
            assert descriptors() == before
        assert sorted(got) == sorted(2 * list(range(8)))

    library.run(main)


def test_first_come_first_served(library):
    async def receive(ch, number, order):
        message = await ch.arecv()
        order.append((number, message))

    async def main():
        ch, order = Channel(), []
        async with library.group() as group:
            for number in range(10):
                group.spawn(receive, ch, number, order)
                await library.sleep(0)
                await library.sleep(0)
            for i in range(10):
                ch.send(i)
        return order

    order = library.run(main)
    assert sorted(m for _, m in order) == list(range(10))
    if library.name != "trio" and "trio" not in library.name:  # that one shuffles its tasks
        assert order == [(i, i) for i in range(10)]


def test_closing_wakes_everybody(library):
    async def wait(ch, sending, ended):
        with pytest.raises(so.ChannelClosed):
            await (ch.asend(1) if sending else ch.arecv())
        ended.append(sending)

    async def main():
        empty, full, ended = Channel(), Channel(1), []
        full.send(0)
        async with library.group() as group:
            for _ in range(20):
                group.spawn(wait, empty, False, ended)
                group.spawn(wait, full, True, ended)
            await library.sleep(0.01)
            assert ended == []
            threading.Thread(target=lambda: (empty.close(), full.close())).start()
        assert len(ended) == 40

    library.run(main)


def test_ends_of_a_split_channel(library):
    async def send(s):
        for i in range(20):
            await s.asend(i)

    async def main():
        s, r = Channel(2).split()
        got = []

        async def receive():
            async for message in r:
                got.append(message)

        async with library.group() as group:
            group.spawn(receive)
            group.spawn(send, s)
            del s
        assert got == list(range(20)), "the last Sender went with its task"
        s, r2 = Channel(1).split()
        s.send(0)

        async def drop():
            nonlocal r2
            await library.sleep(0.005)
            del r2

        async with library.group() as group:
            group.spawn(drop)
            with pytest.raises(so.ChannelClosed):
                await s.asend(1)

    library.run(main)


def test_cancelled_receives_lose_nothing(library):
    """Receivers come and are cancelled at random while messages come from a thread."""
    rng = random.Random(5)

    async def receive(ch, got):
        while True:
            try:
                got.append(await ch.arecv())
            except so.ChannelClosed:
                return

    def send(ch, sent, stop):
        while not stop.is_set():
            ch.send(len(sent))
            sent.append(None)
        ch.close()

    async def main():
        ch, got, sent, stop = Channel(4), [], [], threading.Event()
        thread = threading.Thread(target=send, args=(ch, sent, stop))
        async with library.group() as group:
            tasks = [group.spawn(receive, ch, got) for _ in range(8)]
            thread.start()
            for _ in range(1000):
                await library.sleep(0 if rng.random() < 0.9 else 0.0005)
                tasks.append(group.spawn(receive, ch, got))
                for _ in range(rng.randrange(3)):
                    if len(tasks) > 1:
                        tasks.pop(rng.randrange(len(tasks))).cancel()
            stop.set()
        thread.join()
        assert sorted(got) == list(range(len(sent)))

    library.run(main)


def test_cancelled_sends_are_not_sent(library):
    rng = random.Random(6)

    async def send(ch, value, done):
        await ch.asend([value])
        done.append(value)

    def receive(ch, got):
        for (value,) in ch:
            got.append(value)

    async def main():
        ch, done, got, tasks = Channel(2), [], [], []
        thread = threading.Thread(target=receive, args=(ch, got))
        async with library.group() as group:
            for value in range(1500):
                if value == 100:  # until now there was room for two
                    thread.start()
                tasks.append(group.spawn(send, ch, value, done))
                if rng.random() < 0.3:
                    await library.sleep(0)
                if rng.random() < 0.3:
                    tasks.pop(rng.randrange(len(tasks))).cancel()
        ch.close()
        thread.join()
        assert sorted(got) == sorted(done) and 0 < len(done) < 1500

    library.run(main)


def test_a_task_that_always_finds_messages_lets_others_run(library):
    async def receive(ch, got):
        async for message in ch:
            got.append(message)

    async def main():
        ch, got = Channel(), []
        ch.send_many(range(1000))
        ch.close()
        async with library.group() as group:
            group.spawn(receive, ch, got)
            turns = 0
            while len(got) < 1000:
                await library.sleep(0)
                turns += 1
        assert turns > 5

    library.run(main)


def test_several_loops_and_threads(library):
    """Everybody takes from one channel; nobody sleeps while there is a message."""
    ch, back, total = Channel(3), Channel(), 3000

    async def receive():
        async for message in ch:
            await back.asend(message)

    async def main():
        async with library.group() as group:
            for _ in range(3):
                group.spawn(receive)

    def blocking():
        for message in ch:
            back.send(message)

    def send():
        for i in range(total):
            ch.send(i)
        ch.close()

    run(lambda: library.run(main), lambda: library.run(main), blocking, send)
    assert sorted(back.recv_many(total)) == list(range(total)) and back.qsize() == 0


def test_coroutines_meet(library):
    """Who sends goes on when the message was received, not before."""

    async def send(ch, log):
        for i in range(3):
            await ch.asend(i)
            log.append(("sent", i))
        ch.close()

    async def main():
        ch, log = Channel(rendezvous=True), []
        async with library.group() as group:
            group.spawn(send, ch, log)
            await library.sleep(0.01)
            assert log == [] and ch.qsize() == 0
            async for i in ch:
                assert ("sent", i) not in log
                log.append(("received", i))
        return log

    log = library.run(main)
    assert sorted(log) == sorted((how, i) for how in ("sent", "received") for i in range(3))


def test_rendezvous_of_loops_and_threads(library):
    ch, total = Channel(rendezvous=True), 400
    got, left, numbers = [], [], itertools.count()

    async def send(who):
        for i in range(total):
            await ch.asend((who, i))
        left.append(who)
        if len(left) == 5:
            ch.close()

    async def receive():
        async for message in ch:
            got.append(message)

    async def main():
        number = next(numbers)
        async with library.group() as group:
            for who in range(2):
                group.spawn(send, (number, who))
                group.spawn(receive)

    def sending():
        for i in range(total):
            ch.send((None, i))
        left.append(None)
        if len(left) == 5:
            ch.close()

    def receiving():
        for message in ch:
            got.append(message)

    run(lambda: library.run(main), lambda: library.run(main), sending, receiving)
    senders = [(number, who) for number in range(2) for who in range(2)]
    expected = [(who, i) for who in senders for i in range(total)]
    expected += [(None, i) for i in range(total)]
    assert sorted(got, key=repr) == sorted(expected, key=repr)


def test_cancelled_at_a_rendezvous(library):
    """What was received was received once, and what is sent no more is offered no more."""
    rng = random.Random(8)

    async def send(ch, value, done):
        await ch.asend([value])
        done.append(value)

    async def receive(ch, got):
        while True:
            try:
                got.extend(await ch.arecv())
            except so.ChannelClosed:
                return

    async def main():
        ch, done, got, senders, receivers = Channel(rendezvous=True), [], [], [], []
        async with library.group() as group:
            for value in range(1500):
                senders.append(group.spawn(send, ch, value, done))
                receivers.append(group.spawn(receive, ch, got))
                if rng.random() < 0.5:
                    await library.sleep(0 if rng.random() < 0.9 else 0.0005)
                for tasks in (senders, receivers):
                    if rng.random() < 0.8 and len(tasks) > 2:
                        tasks.pop(rng.randrange(len(tasks))).cancel()
            while len(done) < 100:
                await library.sleep(0)
            for task in senders:
                task.cancel()
            for _ in range(20):
                await library.sleep(0.001)
            assert ch.try_recv("nobody offers") == "nobody offers"
            ch.close()
        return done, got

    done, got = library.run(main)
    assert len(set(got)) == len(got) >= len(done) == len(set(done)) and set(done) <= set(got)


# ---- the rest needs one library only


def test_offers_end():
    """With what made them, by a close, and when their maker withdraws them."""

    def offer(message):
        coroutine = ch.asend(message)
        operation = coroutine.cr_frame.f_locals["operation"]
        coroutine.close()
        watch = operation.watch()
        assert operation.attempt(watch) is operation
        return operation, watch

    ch = Channel(rendezvous=True)
    gc.collect()
    so.collect()
    before = so.stats()["objects"]
    operation, watch = offer([1])
    assert ch.recv_nowait() == [1] and operation.attempt(watch) is True
    with pytest.raises(RuntimeError, match="already"):
        operation.attempt(watch)
    operation, watch = offer([2])
    operation.withdraw()
    operation.withdraw()
    assert ch.try_recv() is None
    assert operation.attempt(watch) is operation
    assert ch.recv_nowait() == [2]
    operation.withdraw()
    with pytest.raises(RuntimeError, match="already"):
        operation.attempt(watch)
    operation, watch = offer([3])
    del watch  # the operation has it
    gc.collect()
    assert ch.recv() == [3] and operation.attempt() is True
    operation, watch = offer([4])
    del operation
    assert ch.try_recv() is None
    operation, watch = offer([5, so.AtomicInt()])
    ch.close()
    with pytest.raises(so.ChannelClosed):
        operation.attempt(watch)
    with pytest.raises(TypeError, match="watch"):
        operation.attempt(5)
    with pytest.raises(TypeError, match="watch"):
        operation.attempt(watch, watch)
    del operation, watch
    gc.collect()
    so.collect()
    assert so.stats()["objects"] == before


def test_round_trips_with_threads():
    there, back = Channel(), Channel()

    def echo():
        for message in there:
            back.send(message)

    async def main():
        thread = threading.Thread(target=echo)
        thread.start()
        for i in range(300):
            await there.asend(i)
            assert await back.arecv() == i
        there.close()
        thread.join()

    asyncio.run(main())


def test_encoded_at_the_call():
    async def main():
        ch = Channel(1)
        message = [1]
        sending = ch.asend(message)
        message.append(2)
        await sending
        assert await ch.arecv() == [1]
        with pytest.raises(so.NotShareableError):
            ch.asend(lambda: None)
        ch.send(0)
        task = asyncio.create_task(ch.asend("second"))
        await asyncio.sleep(0)
        assert ch.recv() == 0 and await ch.arecv() == "second" and await task is True

    asyncio.run(main())


def test_undecodable(modules):
    made = modules("passing", "class Thing: pass", file=True)

    async def main():
        ch = Channel()
        first = asyncio.create_task(ch.arecv())
        second = asyncio.create_task(ch.arecv())
        await asyncio.sleep(0)
        ch.send(made.Thing())
        ch.send("good")
        del made.Thing
        with pytest.raises((AttributeError, LookupError)):
            await first
        assert await second == "good"

    asyncio.run(main())


def test_never_awaited():
    ch = Channel()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        coroutine = ch.asend("x" * 100)
        assert inspect.iscoroutine(coroutine)
        del coroutine
        gc.collect()
    assert ch.qsize() == 0


def test_without_a_loop():
    for coroutine in (Channel().arecv(), Channel().asend(1)):
        with pytest.raises(RuntimeError, match="event loop"):
            coroutine.send(None)


def test_a_loop_that_ends_with_tasks_that_wait():
    ch, before = Channel(), descriptors()

    async def main():
        tasks = [asyncio.create_task(ch.arecv()) for _ in range(5)]
        await asyncio.sleep(0)
        return len(tasks)

    for _ in range(3):
        asyncio.run(main())
        loop = asyncio.new_event_loop()
        waiting = [loop.create_task(ch.arecv()) for _ in range(3)]
        loop.run_until_complete(asyncio.sleep(0))
        for task in waiting:
            task._log_destroy_pending = False
        loop.close()
        del waiting, task, loop
    assert descriptors() == before
    ch.send(1)
    assert asyncio.run(ch.arecv()) == 1


def test_cancelled_when_already_woken():
    """The first in the line is told and cancelled in the same moment."""

    async def main():
        ch = Channel()
        tasks = [asyncio.create_task(ch.arecv()) for _ in range(4)]
        await asyncio.sleep(0)
        for victim in tasks[:3]:
            ch.send("message")
            for _ in range(2):
                await asyncio.sleep(0)
            victim.cancel()
        ch.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return results.count("message") + len(list(ch))

    for _ in range(20):
        assert asyncio.run(main()) == 3


def test_timeouts():
    async def main():
        ch = Channel()
        for _ in range(50):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ch.arecv(), 0.0002)
        ch.send(1)
        assert await asyncio.wait_for(ch.arecv(), 100) == 1

    asyncio.run(main())


def test_no_descriptor_to_be_had():
    async def main():
        ch = Channel()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(OSError):
                await ch.arecv()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        task = asyncio.create_task(ch.arecv())
        await asyncio.sleep(0)
        ch.send(1)
        assert await task == 1

    asyncio.run(main())


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts threads by /proc")
def test_no_thread_is_made():
    async def main():
        ch = Channel()
        task = asyncio.create_task(ch.arecv())
        await asyncio.sleep(0)
        threads = len(os.listdir("/proc/self/task"))
        ch.send(1)
        await task
        return threads

    before = len(os.listdir("/proc/self/task"))
    assert asyncio.run(main()) == before


def test_an_operation_is_used_once():
    ch = Channel()
    coroutine = ch.asend(5)
    operation = coroutine.cr_frame.f_locals["operation"]
    coroutine.close()
    assert operation.attempt() is True
    with pytest.raises(RuntimeError, match="already"):
        operation.attempt()
    assert ch.recv() == 5
    for kind in (type(operation), type(operation.watch())):
        with pytest.raises(TypeError):
            kind()
    full = Channel(1)
    full.send(0)
    coroutine = full.asend(1)
    operation = coroutine.cr_frame.f_locals["operation"]
    coroutine.close()
    attempts = []

    def attempt():
        try:
            while operation.attempt() is operation:
                pass
            attempts.append("sent")
        except RuntimeError:
            attempts.append("refused")

    run(attempt, attempt, attempt, lambda: full.recv())
    assert attempts.count("sent") <= 1
    if attempts.count("sent") == 0:  # each found that another one had it
        assert operation.attempt() is True
    assert full.recv() == 1


def test_imported_only_when_used(run_python):
    run_python(
        "import sys, sharedobj as so\n"
        "ch = so.Channel(); ch.send(1); ch.recv(); ch.fileno()\n"
        "assert not {'asyncio', 'trio', 'sharedobj._aio'} & set(sys.modules)\n"
        "c = ch.arecv(); c.close()\n"
        "assert not {'asyncio', 'trio'} & set(sys.modules)\n"
    )


def test_a_forgotten_await_is_named():
    channel = so.Channel()
    for forget in (lambda: channel.asend(1), channel.arecv):
        with pytest.warns(RuntimeWarning, match="asend_or_arecv.*never awaited"):
            forget()
            gc.collect()
