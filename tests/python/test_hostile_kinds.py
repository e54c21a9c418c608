"""Classes and modules that do what nobody expects: errors, never a crash."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import gc
import ipaddress
import os
import pathlib
import sys
import time
import types
import uuid
import weakref
import zoneinfo

import pytest
import records

import sharedobj as so
from sharedobj import _sharedobj

send = _sharedobj._roundtrip


@pytest.fixture
def module():
    """A module in which classes can be made that lead back."""
    made = types.ModuleType("hostile")
    sys.modules["hostile"] = made

    def enter(cls):
        cls.__module__, cls.__qualname__ = "hostile", cls.__name__
        setattr(made, cls.__name__, cls)
        return cls

    made.enter = enter
    yield made
    sys.modules.pop("hostile", None)
    vars(made).clear()  # pytest keeps the module


# ---- what runs while a value is made


def test_nobody_finds_an_open_container(module):
    """Hashing a member runs code, which must not meet a tuple with empty places."""
    seen = []

    @module.enter
    @dataclasses.dataclass(frozen=True)
    class Looks:
        x: int

        def __hash__(self):
            for obj in gc.get_objects():
                if type(obj) in (tuple, list) and obj is not seen and len(obj) < 50:
                    for item in obj:
                        seen.append(id(item))
            seen.clear()
            return hash(self.x)

        def __eq__(self, other):
            hash(self)
            return self.x == other.x

    value = (1, [2][0], (3, frozenset({Looks(1), Looks(2)}), 4), "x", frozenset({(Looks(9), 5)}), 6)
    for road in (send, _sharedobj._take):
        assert road(value) == value
    message = [value, {"k": [dt.date.max, value]}, [[], dt.UTC, (1, 2)]]
    assert _sharedobj._roundtrip_message(message) == message


@pytest.mark.skipif(
    sys.version_info >= (3, 15), reason="there PySet_Add shows a frozenset that is being filled"
)
def test_nobody_hashes_a_frozenset_that_is_not_complete(module):
    """It would keep the hash, and equal no other frozenset any more."""
    hashed = 0

    @module.enter
    @dataclasses.dataclass(frozen=True)
    class Hashes:
        x: int

        def __hash__(self):
            nonlocal hashed
            if not looking:
                return self.x
            looking.clear()
            for obj in gc.get_objects():
                if type(obj) is frozenset and any(type(item) is Hashes for item in obj):
                    hash(obj)
            looking.append(True)
            hashed += 1
            return self.x

    looking = []
    value = frozenset([Hashes(n) for n in range(5)])
    d = so.SharedDict(k=value)
    del value
    looking.append(True)
    got = d["k"]
    looking.clear()
    assert hashed >= 5 and got == frozenset([Hashes(n) for n in range(5)])
    assert hash(got) == hash(frozenset([Hashes(n) for n in range(5)]))
    assert gc.is_tracked(got)


def test_code_that_runs_while_a_value_is_made_uses_the_dict(module):
    d = so.SharedDict()
    busy = []

    @module.enter
    @dataclasses.dataclass(frozen=True)
    class Busy:
        x: int

        def __hash__(self):
            if busy:
                return self.x
            busy.append(1)
            d.pop("value", None)
            d.clear()
            d["other"] = frozenset({1, self.x})
            gc.collect()
            busy.clear()
            return self.x

    value = (frozenset({Busy(1)}), frozenset({Busy(2), Busy(3)}))
    for read in (d.get, d.__getitem__, lambda k: next(iter(d.values())), d.setdefault):
        d.clear()
        d["value"] = value
        assert len(read("value")) == 2
    d["value"] = value
    with pytest.raises(KeyError):
        d.pop("value")  # by the time that it is made it is gone
    d["value"] = value
    assert d.exchange("value", 1, "gone") == "gone" and d["value"] == 1


def test_a_module_that_answers_by_itself(module):
    log = []

    class Answers(types.ModuleType):
        def __getattribute__(self, name):
            log.append(name)
            raise RuntimeError(name)

    d = so.SharedDict(f=module.enter(_function()))
    sys.modules["hostile"] = Answers("hostile")
    with pytest.raises(so.UnresolvedError, match="looking it up failed: RuntimeError"):
        d["f"]
    with pytest.raises(so.NotShareableError, match="is not what its name leads to"):
        send(module._function)
    assert "_function" in log
    for odd in (5, None, "x", {}, [], object(), len):
        sys.modules["hostile"] = odd
        with pytest.raises(so.UnresolvedError):
            d["f"]
    module.__getattr__ = lambda name: (_ for _ in ()).throw(KeyboardInterrupt)
    del module._function
    sys.modules["hostile"] = module
    with pytest.raises(KeyboardInterrupt):
        d["f"]
    module.__getattr__ = lambda name: found if name == "_function" else None
    found = _function()
    assert d["f"] is found


def _function():
    def _function():
        pass

    return _function


def test_the_name_changes_while_it_is_looked_up(module):
    """Each look-up gives another object; what it gave is what comes out."""
    count = iter(range(10**6))

    def answer(name):
        if name != "f":
            raise AttributeError(name)
        next(count)
        sys.modules["hostile"] = other if sys.modules["hostile"] is module else module
        gc.collect()
        return _function()

    other = types.ModuleType("hostile")
    module.__getattr__ = other.__getattr__ = answer
    module.f = _function()
    module.f.__module__, module.f.__qualname__ = "hostile", "f"
    d = so.SharedDict(f=module.f)
    del module.f
    for _ in range(20):
        assert d["f"].__name__ == "_function"
    assert next(count) >= 20


# ---- classes


class Meta(type):
    """Whatever is asked of its classes raises."""

    def __getattribute__(cls, name):
        raise ZeroDivisionError(name)

    def __hash__(cls):
        raise ZeroDivisionError("hash")

    def __eq__(cls, other):
        raise ZeroDivisionError("==")

    def __instancecheck__(cls, obj):
        raise ZeroDivisionError

    __subclasscheck__ = __instancecheck__


def test_metaclasses_are_not_asked(module):
    @dataclasses.dataclass(frozen=True)
    class Plain:
        x: int

    body = {k: v for k, v in vars(Plain).items() if k not in ("__dict__", "__weakref__")}
    hostile = Meta("Hostile", (), {**body, "__module__": "hostile", "__qualname__": "Hostile"})
    module.Hostile = hostile
    assert send(hostile) is hostile
    value = object.__new__(hostile)
    object.__setattr__(value, "x", 5)
    try:
        result = send(value)
    except ZeroDivisionError:
        pass  # dataclasses.fields() asks the metaclass, and so does the text of the error
    else:
        assert object.__getattribute__(result, "x") == 5
    pair = Meta("Tuple", (tuple,), {"_fields": ("a",), "__module__": "hostile"})
    module.Tuple = pair
    assert tuple(send(tuple.__new__(pair, (1,)))) == (1,)
    unnamed = Meta("Unnamed", (), {"__module__": property(lambda self: 1 / 0)})
    for v in (unnamed, object.__new__(unnamed)):
        with pytest.raises((so.NotShareableError, ZeroDivisionError)):
            send(v)


@pytest.mark.parametrize(
    "name, junk",
    [
        ("__dataclass_fields__", 5), ("__dataclass_fields__", {}), ("__dataclass_fields__", {1: 2}),
        ("__dataclass_fields__", {"x": None}), ("__dataclass_params__", None),
        ("__dataclass_params__", type("P", (), {"frozen": 5})()), ("__dataclass_fields__", None),
        ("__dataclass_params__", type("P", (), {"frozen": property(lambda s: 1 / 0)})()),
        ("__module__", 5), ("__qualname__", "other"), ("__module__", "sys"),
    ],
)  # fmt: skip
def test_dataclasses_that_are_tampered_with(module, name, junk):
    @module.enter
    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int

    stored = so.SharedDict(p=Point(1))  # a plan is kept from here on
    setattr(Point, name, junk)
    fresh = type("Fresh", (), dict(vars(Point), __module__="hostile", __qualname__="Fresh"))
    module.Fresh = fresh
    for value in (Point(1), object.__new__(fresh)):
        try:
            send(value)
        except so.NotShareableError:
            pass
    try:
        stored["p"]
    except so.UnresolvedError:
        pass


def test_fields_become_properties_later(module):
    log = []

    @module.enter
    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        y: int

    d = so.SharedDict(p=Point(1, 2))

    def setter(self, value):
        log.append(value)
        d.clear()
        if value > 1:
            raise ZeroDivisionError

    Point.x = property(lambda self: log, setter)
    assert d["p"].y == 2 and log == [1]
    Point.y = property(lambda self: 5, setter)
    with pytest.raises(so.NotShareableError, match=r"value\.x is a list"):
        send(object.__new__(Point))
    del Point.x
    with pytest.raises(so.UnresolvedError, match="it cannot be made: ZeroDivisionError"):
        e = so.SharedDict()
        e["p"] = _with(Point, 3)
        e["p"]


def _with(cls, x):
    made = object.__new__(cls)
    object.__setattr__(made, "x", x)
    return made


@pytest.mark.parametrize("junk", [None, 5, (), ("a",), ("a", "b", "c"), ["a", "b"], (1, 2)])
def test_named_tuples_that_are_tampered_with(module, junk):
    pair = module.enter(collections.namedtuple("Pair", "a b"))
    d = so.SharedDict(p=pair(1, 2))
    pair._fields = junk
    assert d["p"] == (1, 2)  # how it is made was found out before
    other = module.enter(type("Other", (tuple,), {"_fields": junk}))
    for cls in (pair, other):
        try:
            assert send(tuple.__new__(cls, (1, 2))) == (1, 2)
        except so.NotShareableError:
            pass


def test_tuples_that_are_not_what_they_look_like():
    """A struct sequence has places that its length does not tell of."""

    for value in (time.gmtime(), os.stat("/"), sys.version_info):
        with pytest.raises(so.NotShareableError):
            send(value)


def test_dataclasses_with_other_layouts(module):
    for base in (int, str, dict, list, Exception, tuple, decimal.Decimal, types.SimpleNamespace):
        cls = type("Sub", (base,), {"__annotations__": {"x": int}, "x": 1})
        if sys.version_info >= (3, 14):
            cls.__annotations__ = {"x": int}
        cls = module.enter(dataclasses.dataclass(frozen=True, init=False)(cls))
        value = base.__new__(cls)
        with pytest.raises(so.NotShareableError):
            send(value)


def test_enums_that_are_tampered_with(module):
    for name, junk in [
        ("_member_map_", None), ("_member_map_", {}), ("_member_map_", {"A": 5}),
        ("_value2member_map_", None), ("_member_map_", collections.UserDict()),
    ]:  # fmt: skip
        kind = module.enter(enum.Enum("Kind", "A B", module="hostile"))
        d = so.SharedDict(a=kind.A)
        type.__setattr__(kind, name, junk)
        if name == "_member_map_":
            with pytest.raises(so.UnresolvedError, match="it has no member 'A' here"):
                d["a"]
            with pytest.raises(so.NotShareableError):
                send(kind.__dict__["_value2member_map_"][1])
        else:
            assert d["a"] is kind.A
    kind = module.enter(enum.Enum("Kind", "A B", module="hostile"))
    member = kind.A
    for junk in (None, 5, "B", "C", [], "\ud800"):
        object.__setattr__(member, "_name_", junk)
        with pytest.raises(so.NotShareableError):
            send(member)
    del member._name_
    with pytest.raises(so.NotShareableError):
        send(member)


# ---- the standard library replaced


def make_standard():
    """Values of all classes, in a dict."""
    return so.SharedDict(
        decimal=decimal.Decimal(1), fractions=fractions.Fraction(1, 2), uuid=uuid.UUID(int=5),
        pathlib=pathlib.PurePosixPath("a"), ipaddress=ipaddress.ip_address("::1"),
        zoneinfo=zoneinfo.ZoneInfo("UTC"), datetime=dt.datetime(2024, 1, 1, 1),
        zoned=dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")), date=dt.date(2024, 1, 1),
        zone=dt.timezone(dt.timedelta(1) / 5), time=dt.time(1, tzinfo=zoneinfo.ZoneInfo("UTC")),
    )  # fmt: skip


FAKES = [
    5, None, len, int, str, object, type, tuple, dict, Exception, lambda *args: None,
    lambda *args: 1 / 0, type("Fake", (int,), {}), type("Fake", (dt.datetime,), {}),
    type("Fake", (), {"__new__": lambda cls, *args: 5}), type("Fake", (str,), {"__slots__": ()}),
    type("Slots", (), {"__slots__": ("int", "is_safe")}), enum.Enum("Fake", "A"),
]  # fmt: skip


def test_no_fields_are_no_tuple_of_ours(module):
    """The empty tuple is one for all interpreters, so none may put it into its list."""

    @module.enter
    @dataclasses.dataclass(frozen=True)
    class Nothing:
        pass

    d = so.SharedDict(k=Nothing())
    assert type(d["k"]) is Nothing
    assert not gc.is_tracked(())


class Other:
    pass


@pytest.mark.parametrize("name", ["enum", "decimal"])
def test_a_class_goes_while_it_is_asked_about(name, monkeypatch):
    def instance():
        class Decimal:
            pass

        return Decimal()

    class Answers:
        def __getattr__(self, name):
            value.__class__ = Other
            gc.collect()
            seen.append(old() is not None)
            raise AttributeError(name)

    value, seen = instance(), []
    old = weakref.ref(type(value))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, Answers())
        with pytest.raises(so.NotShareableError):
            so.SharedDict()["k"] = value
    assert seen and all(seen)  # it lives for as long as something is asked of it
    gc.collect()
    assert old() is None


def half_done():
    """The tuples that the collector knows and that have empty places."""
    tuples = [t for t in gc.get_objects() if type(t) is tuple]
    return [t for t in tuples if len(gc.get_referents(t)) < len(t)]


def test_nobody_finds_the_names_of_fields_half_done(module, monkeypatch):
    seen = []

    class Field:
        def __init__(self, name):
            self._name = name

        @property
        def name(self):
            seen.append(len(half_done()))
            return self._name

    @module.enter
    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        y: int

    monkeypatch.setattr(dataclasses, "fields", lambda cls: (Field("x"), Field("y")))
    assert send(Point(1, 2)) == Point(1, 2)
    assert seen and not any(seen)


@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: getattr(fake, "__name__", repr(fake)))
def test_standard_classes_replaced(monkeypatch, fake):
    standard = make_standard()
    before = len(standard)
    for name, classes in {
        "decimal": ["Decimal"], "fractions": ["Fraction"], "uuid": ["UUID", "SafeUUID"],
        "pathlib": ["PurePosixPath"], "ipaddress": ["IPv6Address"], "zoneinfo": ["ZoneInfo"],
        "datetime": ["datetime", "date", "time", "timezone", "timedelta"],
    }.items():  # fmt: skip
        for cls in classes:
            monkeypatch.setattr(sys.modules[name], cls, fake)
    for key in standard:
        for read in (standard.get, standard.pop):
            try:
                value = read(key)
            except so.UnresolvedError:
                continue
            if read == standard.pop:
                before -= 1
            repr(value)  # whatever the fake has made of it
    assert len(standard) == before
    for value in (decimal, 5, (1, fake), fractions, uuid):
        so.explain(value)


def test_standard_modules_replaced():
    standard = make_standard()
    for name in ("decimal", "fractions", "uuid", "pathlib", "ipaddress", "zoneinfo", "datetime",
                 "_datetime", "_decimal"):  # fmt: skip
        for odd in (None, 5, types.ModuleType(name), object()):
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(sys.modules, name, odd)
                for key in standard:
                    try:
                        standard[key]
                    except so.UnresolvedError as e:
                        assert name.strip("_") in str(e)
    assert len(standard) == 11


def test_classes_of_python_that_are_changed(monkeypatch):
    def fails(self):
        raise ZeroDivisionError

    half = fractions.Fraction(1, 2)
    for junk in (1.5, True, None, "x"):
        monkeypatch.setattr(fractions.Fraction, "numerator", junk)
        with pytest.raises(so.NotShareableError, match="is a Fraction whose parts are no plain in"):
            send(half)
    monkeypatch.setattr(fractions.Fraction, "numerator", property(fails))
    with pytest.raises(ZeroDivisionError):
        send((half, 1))
    monkeypatch.setattr(ipaddress.IPv4Address, "__str__", lambda self: "junk")
    d = so.SharedDict(a=ipaddress.ip_address("1.2.3.4"))
    with pytest.raises(so.UnresolvedError, match="AddressValueError"):
        d["a"]
    monkeypatch.setattr(ipaddress.IPv4Address, "__str__", lambda self: records.Word.YES)
    with pytest.raises(so.NotShareableError):
        send(ipaddress.ip_address("1.2.3.4"))


def test_uuids_with_other_things_in_them():
    value = uuid.UUID(int=5)
    for junk in (-1, 2**128, 2**200, True, None, "x", 1.5):
        object.__setattr__(value, "int", junk)
        with pytest.raises(so.NotShareableError, match="other things in it than a UUID has"):
            send(value)
        with pytest.raises(so.NotShareableError, match="other things in it than a UUID has"):
            so.SharedDict().get(value)
    object.__setattr__(value, "int", 5)
    for junk in (5, None, "x", records.Colour.GREEN):
        object.__setattr__(value, "is_safe", junk)
        with pytest.raises((so.NotShareableError, AttributeError)):
            send(value)
    object.__delattr__(value, "int")
    with pytest.raises((so.NotShareableError, AttributeError)):
        send(value)


# ---- keys of sys.modules


class Odd:
    """Collides with a str and then raises, in any dict that holds it."""

    armed = False

    def __init__(self, text):
        self.hash = hash(text)

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        if Odd.armed:
            raise ZeroDivisionError
        return self is other


def test_odd_keys_in_sys_modules():
    message = [[[decimal.Decimal(1), dt.date.max]], {"k": dt.datetime.max}]
    assert _sharedobj._roundtrip_message(message) == message  # its classes are known now
    odd = [Odd("decimal"), Odd("fractions"), Odd("records"), Odd("_datetime")]
    before = dict(sys.modules)
    sys.modules.clear()
    for key in odd:
        sys.modules[key] = None
    sys.modules.update(before)
    Odd.armed = True
    try:
        for value in (fractions.Fraction(1, 2), records.Colour.RED, decimal.Decimal(1)):
            try:
                send(value)
            except (ZeroDivisionError, so.NotShareableError, so.UnresolvedError):
                pass
        channel = so.Channel()
        channel.send(message)  # looks nothing up
    finally:
        Odd.armed = False
        for key in odd:
            del sys.modules[key]
    assert channel.recv() == message


# ---- the end


def test_values_that_are_read_while_the_interpreter_ends(run_python):
    run_python(
        """if 1:
        import datetime as dt, decimal, enum, uuid
        import sharedobj as so
        d = so.SharedDict(a=dt.datetime(2024, 1, 1, tzinfo=dt.UTC), b=decimal.Decimal(1),
                          c=uuid.UUID(int=5), e=enum.FlagBoundary.KEEP, f=len, g=(1, dt.date.max))
        class Last:
            def __del__(self, keys=tuple("abcefg"), d=d, so=so):
                for key in keys:
                    try:
                        d[key]
                        d[key] = d.pop(key)
                    except Exception:
                        pass
        last = Last()
        cycle = [Last()]
        cycle.append(cycle)
        import builtins, sys
        builtins.last = Last()
        sys.last_thing = Last()
        """
    )
