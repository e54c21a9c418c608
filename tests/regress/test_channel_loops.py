"""Coroutines and ends of channels in unlucky circumstances: no crash, nothing lost."""

import asyncio
import gc
import sys
import weakref

import pytest

import sharedobj as so
from sharedobj import Channel, _sharedobj


def until_it_succeeds(call):
    """Calls it with the first allocation of the core failing, then the second, and so on."""
    for after in range(60):
        _sharedobj._fail_allocation(after)
        try:
            result = call()
        except MemoryError:
            continue
        finally:
            left = _sharedobj._fail_allocation(-1)
        if left >= 0:
            return result
    raise AssertionError("it never succeeds")


def test_every_allocation_may_fail():
    async def receive(ch):
        task = asyncio.ensure_future(ch.arecv())
        await asyncio.sleep(0)
        if not task.done():
            ch.send("message")
        return await task

    def call():
        ch = Channel()
        try:
            return asyncio.run(receive(ch))
        finally:
            if ch.qsize():  # who fails has taken nothing
                assert ch.recv() == "message"

    assert until_it_succeeds(call) == "message"
    ch = Channel()
    assert asyncio.run(until_it_succeeds(lambda: ch.asend("x" * 100))) is True
    assert ch.recv() == "x" * 100


def test_an_end_dies_in_a_callback_of_its_own_death():
    s, r = Channel().split()
    seen = []

    def callback(_):
        seen.append(r.closed)
        s2, r2 = Channel().split()
        del s2
        seen.append(r2.closed)

    ref = weakref.ref(s, callback)
    del s
    assert ref() is None and seen[1] is True and r.closed


def test_code_that_runs_while_a_message_is_encoded_or_decoded():
    async def main():
        s, r = Channel(1).split()
        keep = [s]

        class Hostile:
            def __reduce__(self):
                keep.clear()
                gc.collect()
                return str, ("made",)

        coroutine = s.asend(Hostile())
        del s
        assert not r.closed, "the coroutine has the sender"
        assert await coroutine is True
        del coroutine
        assert await r.arecv() == "made" and r.closed

    asyncio.run(main())


def test_a_suspended_coroutine_keeps_its_end_until_it_goes():
    s, r = Channel().split()
    loop = asyncio.new_event_loop()
    task = loop.create_task(r.arecv())
    loop.run_until_complete(asyncio.sleep(0))
    del r
    assert not s.closed
    task._log_destroy_pending = False
    loop.close()
    del task, loop
    gc.collect()
    assert s.closed


def test_coroutines_left_in_cycles():
    s, r = Channel().split()

    class Node:
        pass

    node = Node()
    node.self, node.coroutine = node, r.arecv()
    node.coroutine.close()
    node.other = s.asend([1])
    node.other.close()
    del node, s
    gc.collect()
    assert r.closed


def test_without_the_python_half(monkeypatch):
    monkeypatch.setitem(sys.modules, "sharedobj._aio", None)
    ch = Channel()
    with pytest.raises(ImportError):
        ch.arecv()
    with pytest.raises(ImportError):
        ch.asend(1)
    ch.send(1)
    assert ch.recv() == 1


def test_a_process_that_ends_with_coroutines_that_wait(run_python):
    run_python(
        "import asyncio, sharedobj as so\n"
        "ch = so.Channel(1); s, r = so.Channel().split(); ch.send(0)\n"
        "async def main():\n"
        "    global tasks\n"
        "    loop = asyncio.get_running_loop()\n"
        "    tasks = [loop.create_task(c) for c in (r.arecv(), ch.asend(1), r.arecv())]\n"
        "    await asyncio.sleep(0)\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.run_until_complete(main())\n"
        "for task in tasks: task._log_destroy_pending = False\n"
        "fds = r.fileno(), ch.fileno()\n"
    )


def test_names_of_libraries_that_are_something_else(monkeypatch):
    monkeypatch.setitem(sys.modules, "trio", object())

    async def main():
        ch = Channel()
        task = asyncio.create_task(ch.arecv())
        await asyncio.sleep(0)
        ch.send(1)
        return await task

    assert asyncio.run(main()) == 1
    with pytest.raises(RuntimeError, match="event loop"):
        so.Channel().arecv().send(None)
