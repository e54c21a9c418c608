"""Event loops and selectors in several interpreters on one channel."""

import asyncio
import select
import sys

import pytest
from interps import Sub, in_thread

import sharedobj as so
from sharedobj import Channel

# Without this package as well: at its end the process frees what is another interpreter's.
loops_in_interpreters = pytest.mark.skipif(
    sys.version_info < (3, 13),
    reason="CPython 3.12 does not survive asyncio.run() in a subinterpreter",
)

LOOP = """if 1:
    import asyncio

    async def receive():
        async for message in work:
            await done.asend((message, 1))

    async def main():
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(receive())

    asyncio.run(main())
    del work, done
"""


@loops_in_interpreters
def test_loops_in_interpreters():
    """They share the work with threads that block; all end with the last sender."""
    s, work = Channel(4).split()
    done, results = Channel(4).split()
    subs = [Sub() for _ in range(3)]
    threads = [in_thread(sub.run, LOOP, work=work, done=done) for sub in subs]

    def block(work, done):
        for message in work:
            done.send((message, 0))

    threads.append(in_thread(block, work, done))
    sender = in_thread(s.send_many, range(1500))
    del s, work, done
    got = []
    while len(got) < 1500:
        got.append(results.recv())
    assert sorted(message for message, _ in got) == list(range(1500))
    sender.join()
    del sender
    for thread in threads:
        thread.join()
    del threads, thread
    for sub in subs:
        sub.close()
    assert list(results) == []


def test_a_loop_waits_for_interpreters():
    questions, answers = Channel(2), Channel(2)
    sub = Sub()
    thread = in_thread(
        sub.run,
        "for n in questions: answers.send(n * n)\nanswers.close()",
        questions=questions,
        answers=answers,
    )

    async def ask():
        for n in range(200):
            await questions.asend(n)
        questions.close()

    async def main():
        task = asyncio.create_task(ask())
        got = [answer async for answer in answers]
        await task
        return got

    assert asyncio.run(main()) == [n * n for n in range(200)]
    thread.join()
    sub.close()


def test_descriptors_of_interpreters_in_one_thread():
    """Each has its own, and the end of one interpreter leaves the others'."""
    ch = Channel()
    mine = ch.fileno()
    with Sub() as sub:
        sub.run(
            "import select\n"
            "fd = ch.fileno()\n"
            "assert fd != mine and not select.select([ch], [], [], 0)[0]\n"
            "ch.send(1)\n"
            "assert select.select([ch, mine], [], [], 0)[0] == [ch, mine]\n",
            ch=ch,
            mine=mine,
        )
        assert ch.recv() == 1
        assert ch.try_recv() is None and not select.select([ch], [], [], 0)[0]
    ch.send(2)
    assert select.select([ch], [], [], 0)[0] == [ch] and ch.recv() == 2


@loops_in_interpreters
def test_an_interpreter_ends_while_its_loop_waits():
    """Its task is gone with its loop; the message goes to somebody else."""
    s, r = Channel().split()
    with Sub() as sub:
        sub.run(
            "import asyncio\n"
            "loop = asyncio.new_event_loop()\n"
            "task = loop.create_task(r.arecv())\n"
            "task._log_destroy_pending = False\n"
            "loop.run_until_complete(asyncio.sleep(0))\n",
            r=r,
        )
        s.send("kept")
    assert r.recv() == "kept" and not s.closed
    del r
    assert s.closed


def test_the_end_of_an_interpreter_wakes_a_loop():
    s, r = Channel().split()
    sub = Sub()
    sub.run("s.send(1)", s=s)
    del s

    async def main():
        received = asyncio.create_task(anext(aiter(r)))
        assert await received == 1
        waiting = asyncio.create_task(r.arecv())
        await asyncio.sleep(0)
        closing = in_thread(sub.close)
        try:
            await waiting
        except so.ChannelClosed:
            closing.join()
            return True

    assert asyncio.run(main())


MEET = """if 1:
    import asyncio

    async def send():
        for i in range(300):
            await questions.asend((me, i))
            assert await answers.arecv() is not None

    async def main():
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(send())

    asyncio.run(main())
    del questions, answers
"""


@loops_in_interpreters
def test_loops_of_interpreters_meet():
    """Rendezvous between event loops alone: nobody ever blocks in a send or receive."""
    questions, answers = Channel(rendezvous=True), Channel(rendezvous=True)
    subs = [Sub() for _ in range(2)]
    threads = [
        in_thread(sub.run, MEET, questions=questions, answers=answers, me=number)
        for number, sub in enumerate(subs)
    ]
    got = []

    async def answer():
        while len(got) < 1800:
            got.append(await questions.arecv())
            await answers.asend(len(got))

    asyncio.run(answer())
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()
    assert sorted(got) == sorted([(n, i) for n in range(2) for i in range(300)] * 3)


@loops_in_interpreters
def test_an_interpreter_that_ends_with_offers():
    """They are withdrawn with their tasks, or are those of nobody; never half of either."""
    ch = Channel(rendezvous=True)
    for _ in range(3):
        sub = Sub()
        sub.run(
            """if 1:
            import asyncio

            async def main():
                global tasks
                tasks = [asyncio.create_task(ch.asend([i])) for i in range(3)]
                await asyncio.sleep(0.01)
                raise KeyError

            try:
                asyncio.run(main())
            except KeyError:
                pass
            """,
            ch=ch,
        )
        sub.close()
        assert ch.try_recv("nothing") == "nothing"
