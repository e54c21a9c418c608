"""Values of other classes while other threads change classes, modules and rules."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import sys
import threading
import types
import uuid
import zoneinfo

import pytest
import records
from interps import in_thread

import sharedobj as so

ROUNDS = 300


@pytest.fixture
def moving():
    module = types.ModuleType("moving")
    sys.modules["moving"] = module
    exec(records.SOURCE, vars(module))
    yield module
    so.set_importable(None)
    sys.modules.pop("moving", None)


def in_threads(*functions):
    """Runs them all at once, each over and over until the first has done its rounds."""
    done = threading.Event()
    barrier = threading.Barrier(len(functions))

    def first():
        barrier.wait()
        try:
            for n in range(ROUNDS):
                functions[0](n)
        finally:
            done.set()

    def other(function):
        barrier.wait()
        n = 0
        while not done.is_set():
            function(n)
            n += 1

    threads = [in_thread(first), *(in_thread(other, function) for function in functions[1:])]
    for thread in threads:
        thread.join()


def test_modules_that_come_and_go(moving):
    """What is read is the old object or the new one, or it cannot be read."""
    d = so.SharedDict(
        kind=moving.Kind.A, point=moving.Point(moving.Kind.A), pair=(moving.Pair(1, 2),),
        function=moving.function,
    )  # fmt: skip
    names = {"kind": "A", "point": "Point", "pair": "Pair", "function": "function"}
    read = collections.Counter()

    def changes(n):
        if n % 3 == 0:
            exec(records.SOURCE, vars(sys.modules["moving"]))
        elif n % 3 == 1:
            del sys.modules["moving"]
        sys.modules["moving"] = moving

    def reads(n):
        for key in names:
            try:
                value = d[key]
            except so.UnresolvedError as e:
                assert "moving" in str(e)
                continue
            read[key] += 1
            text = repr(value)
            assert names[key] in text, text
            try:
                d[key] = value
            except so.NotShareableError as e:  # of the class before
                assert "is not what its name leads to" in str(e)

    in_threads(changes, reads, reads)
    reads(0)
    assert set(read) == set(names)
    assert list(d) == list(names)


def test_classes_that_come_and_go():
    """How a class travels is remembered under its address, which is used again."""
    module = types.ModuleType("fleeting")
    sys.modules["fleeting"] = module
    try:

        def use(name):
            def once(n):
                fields = [f"f{n % 3}", "g"]
                if n % 2:
                    made = collections.namedtuple(name, fields, module="fleeting")
                else:
                    made = dataclasses.make_dataclass(name, fields, frozen=True)
                    made.__module__ = "fleeting"
                setattr(module, name, made)
                value = made(n, (n,))
                result = so.SharedDict(v=value)["v"]
                assert result == value and type(result) is made
                kind = enum.Enum(name, f"A{n % 5} B", module="fleeting")
                setattr(module, name, kind)
                assert so.SharedDict({kind.B: kind(1)})[kind.B] is kind(1)

            return once

        in_threads(use("First"), use("Second"), use("Third"))
    finally:
        del sys.modules["fleeting"]


def test_classes_whose_bases_change(moving):
    """What is asked of a class holds on to its bases while another thread gives it other ones."""

    class Left(fractions.Fraction):
        pass

    class Right(fractions.Fraction):
        pass

    class Mine(Left):
        pass

    bases = [type(name, (), {"__slots__": ()}) for name in ("One", "Other")]
    moving.Fresh = None
    made = [Mine(1, 2)]

    def changes(n):
        Mine.__bases__ = (Right, Left)[n % 2 :]
        if (fresh := moving.Fresh) is not None:
            fresh.__bases__ = (bases[n % 2],)

    def explains(n):
        text = so.explain(made[0])
        assert "a subclass of fractions.Fraction" in text

    def stores(n):
        space = {"__annotations__": {"x": int}, "__module__": "moving"}
        cls = type("Fresh", (bases[0],), space)
        moving.Fresh = cls = dataclasses.dataclass(frozen=True)(cls)
        assert so.is_shareable(cls(n)), so.explain(cls(n))

    in_threads(changes, explains, stores)


def test_the_rules_change(moving):
    d = so.SharedDict(point=moving.Point(1), name=records.function)

    def rules(n):
        so.set_importable([None, ["records"], ["moving", "records"], []][n % 4])

    def reads(n):
        for key in d:
            try:
                value = d[key]
            except so.UnresolvedError as e:
                assert "set_importable() does not allow" in str(e)
            else:
                assert value == (moving.Point(1) if key == "point" else records.function)

    in_threads(rules, reads, reads)
    so.set_importable(None)
    assert d["point"] == moving.Point(1) and d["name"] is records.function


def test_values_that_all_threads_use():
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    values = [
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=berlin, fold=1), dt.timedelta(1),
        dt.time(1, tzinfo=dt.UTC), decimal.Decimal("1.50"), uuid.UUID(int=5),
        records.Point(records.Colour.RED, records.Pair(1, records.Slotted("x"))), records.function,
        records.Access(3), frozenset({records.Colour.BLUE, dt.date.max}),
    ]  # fmt: skip
    d = so.SharedDict(enumerate(values))
    d.update({(value, "key"): value for value in values if isinstance(value, dt.time | uuid.UUID)})
    channel = so.Channel()
    texts = list(map(repr, values))

    def uses(n):
        n %= len(values)
        found = d.get(n, values[n])
        assert repr(found) == texts[n] or isinstance(found, frozenset)
        d[n] = found
        assert d.exchange(n, found, found) == found
        taken = d.pop(n, found)
        assert taken == found
        d.add(n, taken)
        assert d[values[2], "key"] == values[2]
        channel.send([found, {n: found}])
        copied, named = channel.recv()
        assert list(named.values()) == [copied]

    in_threads(uses, uses, uses)
    for n, value in enumerate(values):
        assert d[n] == value
