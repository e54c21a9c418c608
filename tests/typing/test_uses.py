"""What a type checker sees in programs that use the package.

It runs as a test like all others, and `make lint` has mypy look at it: `assert_type` does
nothing at run time, and a line with `type: ignore` that mypy has nothing against is an
error there.
"""

import asyncio
import queue
from typing import Any, Literal, assert_type

import pytest

import sharedobj as so


def test_atomic_int() -> None:
    a = so.AtomicInt(5)
    a += 2
    assert_type(a, so.AtomicInt)
    assert_type(a + 1, int)
    assert_type(a + 0.5, float)
    assert_type(a.get(), int)
    assert_type(a.value, int)
    assert_type(a.compare_and_set(7, 8), bool)
    assert_type(a.update(lambda value: value + 1), int)
    assert_type(a.wait(0, timeout=0.5), int)
    assert_type(a.local(), so.AtomicInt)
    numbers = [10, 20, 30]
    assert numbers[so.AtomicInt(1)] == 20 and range(so.AtomicInt(3)) == range(3)
    with pytest.raises(TypeError):
        hash(a)
    with pytest.raises(TypeError):
        a.set("x")  # type: ignore[arg-type]
    assert a == 9


def test_shared_dict() -> None:
    d: so.SharedDict[str, int] = so.SharedDict({"a": 1}, b=2)
    assert_type(d["a"], int)
    assert_type(d.get("z"), int | None)
    assert_type(d.get("z", 0), int)
    assert_type(d.pop("z", None), int | None)
    assert_type(d.add("c", 3), bool)
    assert_type(d.tally(["a", "b"]), int)
    assert_type(d.compare_and_set("z", so.MISSING, 1), bool)
    assert_type(d.snapshot(), dict[str, int])
    assert_type([key for key in d], list[str])
    assert_type([item for item in d.items()], list[tuple[str, int]])
    assert_type(d.copy(), so.SharedDict[str, int])
    assert_type(d.exchange("a", 1, default=None), int | None)
    assert_type(d.compute("a", int, default=0), int)
    assert_type(d.get_or_set("e", lambda: 5, timeout=1), int)
    assert_type(d.get_many(["a"], 0), list[int])
    assert_type(d.wait_for("a", lambda value: value > 0, timeout=1), int)
    d.update({"f": 1}, g=2)
    d.update([("f", 1)])
    d.update({"f": "text"})  # type: ignore[dict-item]
    d["f"] = 1
    d["d"] = "text"  # type: ignore[assignment]
    assert d.increment("a") == 2 and d.compute("f", lambda old: so.DELETE) is so.MISSING
    anything = so.SharedDict()
    assert_type(anything, so.SharedDict[Any, Any])


def test_shared_array() -> None:
    a = so.SharedArray("q", 5)
    assert_type(a, so.SharedArray[int])
    assert_type(a[0], int)
    assert_type(a[1:3], so.SharedArray[int])
    assert_type(a.increment(0), int)
    assert_type(a.decrement(0, n=2), int)
    assert_type(a.exchange(0, 5), int)
    assert_type(a.compare_and_set(0, 5, 6), bool)
    assert_type(a.fetch_max(so.AtomicInt(1), 3), int)
    assert_type([item for item in a], list[int])
    assert_type(a.tolist(), list[int])
    assert_type(memoryview(a), "memoryview[int]")
    a[0] = 7
    a[1:3] = [1, 2]
    assert_type(so.SharedArray("d", [1, 2.5]), so.SharedArray[float])
    assert_type(so.SharedArray("d", range(3)).increment(0, 1), float)
    letter = max("bd")
    assert_type(so.SharedArray(letter, 3), so.SharedArray[Any])
    with pytest.raises(TypeError):
        a[0] = 0.5  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        so.SharedArray("q", ["x"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        del a[0]
    assert a == so.SharedArray("q", [7, 1, 2, 0, 0]) and bytes(a[1:1]) == b""


def test_shared_set() -> None:
    s: so.SharedSet[str] = so.SharedSet(["a", "b"])
    assert_type(s.add("c"), bool)
    assert_type(s.discard("c"), bool)
    assert_type(s.pop(), str)
    assert_type(s.snapshot(), set[str])
    assert_type(s.copy(), so.SharedSet[str])
    assert_type([item for item in s], list[str])
    assert_type(s | {1}, so.SharedSet[str | int])
    assert_type(s & {1}, so.SharedSet[str])
    assert_type({1} - s, set[int])
    assert_type(s.union([1.5]), so.SharedSet[str | float])
    s |= {"d"}
    assert_type(s, so.SharedSet[str])
    with pytest.raises(TypeError):
        s |= ["e"]  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        hash(s)
    s.add(5)  # type: ignore[arg-type]
    assert s == {"a", "d", 5} and len(so.SharedSet[int]([1, 2])) == 2
    assert_type(so.SharedSet(), so.SharedSet[Any])


def test_shared_list() -> None:
    items: so.SharedList[int] = so.SharedList([3, 1, 2])
    assert_type(items[0], int)
    assert_type(items[:2], so.SharedList[int])
    assert_type(items.push(4), int)
    assert_type(items.pop(), int)
    assert_type(items.exchange(0, 5), int)
    assert_type(items.increment(0), int)
    assert_type(items.compare_and_set(0, 6, 7), bool)
    assert_type(items.snapshot(), list[int])
    assert_type(items.copy(), so.SharedList[int])
    assert_type(items + ["a"], so.SharedList[int | str])
    assert_type(2 * items, so.SharedList[int])
    assert_type([item for item in reversed(items)], list[int])
    items += (8, 9)
    assert_type(items, so.SharedList[int])
    items.sort(key=lambda item: -item, reverse=True)
    items[1:3] = {10}
    del items[0]
    with pytest.raises(TypeError):
        hash(items)
    with pytest.raises(TypeError):
        items + (1,)  # type: ignore[operator]
    items.append("text")  # type: ignore[arg-type]
    assert items == [10, 8, 9, "text"]
    assert_type(so.SharedList(), so.SharedList[Any])


def test_channel() -> None:
    channel: so.Channel[list[int]] = so.Channel(2)
    with channel:
        assert_type(channel.send([1]), bool)
        assert_type(channel.try_send([2]), bool)
        assert_type(channel.recv(timeout=5), list[int])
        assert_type(channel.try_recv(), list[int] | None)
        assert_type(channel.qsize(), int)
        assert_type(channel.rendezvous, bool)
        assert_type(so.select(channel, (channel, [1]), timeout=1.5), tuple[int, Any])
        assert_type(so.select((so.Queue[int](), 1), default=None), tuple[int, Any])
        channel.close()
        for message in channel:
            assert_type(message, list[int])
        with pytest.raises(so.ChannelClosed):
            channel.send("text")  # type: ignore[arg-type]
    try:
        so.Channel[int]().recv(0)
    except so.ChannelTimeout as error:
        assert isinstance(error, queue.Empty) and isinstance(error, TimeoutError)
        assert isinstance(error, so.ChannelEmptyTimeout)


def test_batches() -> None:
    channel = so.Channel[int](5, overflow="drop_old")
    assert_type(channel.overflow, Literal["block", "drop_new", "drop_old", "error"])
    assert_type(channel.send_many(n for n in range(3)), int)
    assert_type(channel.recv_many(5, timeout=0), list[int])
    with pytest.raises(ValueError):
        so.Channel(overflow="drop")  # type: ignore[arg-type]
    channel.send_many(["text"])  # type: ignore[list-item]


def test_ends() -> None:
    sender, receiver = so.Channel[int](2).split()
    assert_type(sender, so.Sender[int])
    assert_type(receiver, so.Receiver[int])
    assert_type(sender.send(1), bool)
    assert_type(receiver.recv(), int)
    assert_type(receiver.fileno(), int)
    sender.close()
    for message in receiver:
        assert_type(message, int)
    with pytest.raises(so.ChannelClosed):
        sender.send("text")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        receiver.send(1)  # type: ignore[attr-defined]


def test_coroutines() -> None:
    async def main() -> None:
        channel: so.Channel[str] = so.Channel()
        assert_type(await channel.asend("text"), bool)
        assert_type(await channel.arecv(), str)
        channel.close()
        async for message in channel:
            assert_type(message, str)

    asyncio.run(main())


def test_queue() -> None:
    q: so.Queue[tuple[int, str]] = so.Queue(maxsize=2)
    q.put((1, "a"), timeout=1)
    q.put_nowait((2, "b"))
    assert_type(q.get(block=False), tuple[int, str])
    assert_type(q.get_nowait(), tuple[int, str])
    q.maxsize = 5
    assert_type(q.maxsize, int)
    assert_type(q.unfinished_tasks, int)
    q.task_done()
    q.task_done()
    q.join()
    q.shutdown(immediate=True)
    assert_type(q.is_shutdown, bool)
    with pytest.raises(so.ChannelClosed):
        q.put("text")  # type: ignore[arg-type]


def test_functions() -> None:
    d = so.SharedDict()
    assert_type(so.explain([1]), str | None)
    assert_type(so.is_shareable((1, d)), bool)
    assert_type(so.set_handle_lease(600), float)
    assert_type(so.stats()["objects"], int)
    assert_type(so.stats()["types"], dict[str, int])
    assert_type(so.stats()["immortal"]["bytes"], int)
    assert_type(so.immortal("text"), str)
    assert_type(so.immortal((1, "a")), tuple[int, str])
    assert_type(so.immortal_limit(), int)
    assert so.immortal_limit(2**26) == so.immortal_limit(None)
    assert_type(so.registry, so.SharedDict[Any, Any])
    assert so.attach(d.id) is d
    so.set_importable(["app", "textwrap"])
    so.set_importable({"app": 1}.keys())
    so.set_importable(None)
    with pytest.raises(TypeError):
        so.set_importable([1])  # type: ignore[list-item]
    unresolved: LookupError = so.UnresolvedError("no such module")
    assert str(unresolved) == "no such module"
    assert so.interpreters.get_current() is so.interpreters.get_main()
