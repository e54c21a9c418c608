"""Messages of dataclasses and named things, from one interpreter to another."""

import pathlib
import textwrap
import uuid

import pytest
import records
from interps import Sub

import sharedobj as so

SUPPORT = str(pathlib.Path(records.__file__).parent)
PRELUDE = f"""
import sys
sys.path.insert(0, {SUPPORT!r})
import sharedobj as so
"""


def run(sub, text):
    sub.run(PRELUDE + textwrap.dedent(text))


def test_there_and_back():
    there, back = so.Channel(), so.Channel()
    order = records.Order(1, [records.SlotOrder(2, [3])], seed=1)
    messages = [
        order, [order, order], records.Pair(records.Colour.RED, {1: len}),
        {"point": records.Point([1], uuid.UUID(int=5)), "level": records.Level.HIGH},
        [pathlib.PurePosixPath("/a"), records.Vector(1, 2), records.Order, bytearray(b"x")],
        [ValueError("pickled"), order],
    ]  # fmt: skip
    for message in messages:
        there.send(message)
    with Sub() as sub:
        run(
            sub,
            f"""
            there, back = so.attach({there.id}), so.attach({back.id})
            while there.qsize():
                message = there.recv()
                back.send((repr(message), message))
            """,
        )
    for message in messages:
        text, again = back.recv()
        assert text == repr(message) == repr(again) and type(again) is type(message)
    assert back.qsize() == 0


def test_cycles_through_records():
    there = so.Channel()
    node = records.Node("n")
    node.left, node.right = node, {node}
    there.send(node)
    with Sub() as sub:
        run(
            sub,
            f"""
            node = so.attach({there.id}).recv()
            assert node.left is node and node in node.right and node.tag == "n"
            """,
        )


def test_the_sender_is_gone():
    channel = so.Channel()
    with Sub() as sub:
        run(
            sub,
            f"""
            import records
            channel = so.attach({channel.id})
            channel.send(records.Order(7, [so.AtomicInt(5), records.Colour.BLUE], seed=1))
            """,
        )
    order = channel.recv()
    assert type(order) is records.Order and order.number == 7
    assert order.lines[0].get() == 5 and order.lines[1] is records.Colour.BLUE


@pytest.mark.parametrize("size", [10, 300_000])
def test_buffers_of_another_interpreter(size):
    channel = so.Channel()
    with Sub() as sub:
        run(
            sub,
            f"""
            import pickle
            data = bytearray(b"ab" * {size})
            so.attach({channel.id}).send([pickle.PickleBuffer(data), pickle.PickleBuffer(b"c")])
            """,
        )
    data, end = channel.recv()
    assert type(data) is bytearray and data == b"ab" * size and end == b"c"
    data[0] = 5


def test_a_class_that_only_the_sender_has():
    channel = so.Channel()
    with Sub() as sub:
        run(
            sub,
            f"""
            import dataclasses, types
            module = sys.modules["only_there"] = types.ModuleType("only_there")
            module.Thing = dataclasses.make_dataclass("Thing", ["x"])
            module.Thing.__module__ = "only_there"
            channel = so.attach({channel.id})
            channel.send([module.Thing(1)])
            channel.send("next")
            """,
        )
    with pytest.raises(so.UnresolvedError, match="'Thing' of module 'only_there'"):
        channel.recv()
    assert channel.recv() == "next"
