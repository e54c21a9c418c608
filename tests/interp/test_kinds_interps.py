"""Values of other classes, stored in one interpreter and read in another."""

import datetime as dt
import decimal
import fractions
import ipaddress
import pathlib
import sys
import textwrap
import uuid
import zoneinfo

import pytest
import records
from interps import Sub, in_thread

import sharedobj as so

SUPPORT = str(pathlib.Path(records.__file__).parent)
PRELUDE = f"""
import sys
sys.path.insert(0, {SUPPORT!r})
import sharedobj as so
"""


def run(sub, text):
    sub.run(PRELUDE + textwrap.dedent(text))


EAST = dt.timezone(dt.timedelta(hours=5, minutes=30), "E\u00e4st")
# In the subinterpreters of 3.12 datetime and decimal are their versions in Python.
STANDARD = [
    dt.date(2024, 2, 29), dt.time(1, 2, 3, 4, fold=1), dt.time(1, tzinfo=dt.UTC), dt.timedelta(5),
    dt.datetime(2024, 1, 2, 3, 4, 5, 6), dt.datetime(2024, 1, 2, tzinfo=dt.UTC, fold=1), dt.UTC,
    dt.datetime.max.replace(tzinfo=EAST), EAST, dt.timezone(dt.timedelta(0), "UTC"),
    dt.timezone(-dt.timedelta(microseconds=1)), dt.timedelta.min, dt.datetime.min,
    decimal.Decimal("-1.500E-9"), decimal.Decimal("sNaN123"), decimal.Decimal("-Infinity"),
    decimal.Decimal("1E+100"), fractions.Fraction(-(10**30), 7), uuid.UUID(int=5),
    uuid.UUID(int=2**128 - 1, is_safe=uuid.SafeUUID.unsafe), pathlib.PurePosixPath("/a/\u00e4"),
    pathlib.PureWindowsPath("c:/x"), pathlib.Path("a"), ipaddress.ip_address("fe80::1%eth0"),
    ipaddress.ip_network("10.0.0.0/31"), ipaddress.ip_interface("1.2.3.4/24"),
]  # fmt: skip
NAMED = [
    records.Colour.RED, records.Level.HIGH, records.Word.YES, records.Access(3), records.function,
    records.Point, records.Point(1, records.Pair((), records.Slotted("x"))), records.Entry("k"),
    records.Vector(1, 2), len, int, records.Outer.static, records.Planet.EARTH,
    frozenset({records.Point(1), records.Colour.BLUE}),
]  # fmt: skip


def echo(d):
    """What another interpreter sees, and what comes back when it stores that again."""
    with Sub() as sub:
        run(
            sub,
            f"""
            d = so.attach({d.id})
            for key in list(d):
                value = d[key]
                d[key] = (repr(value), type(value).__qualname__)
                d["again", key] = value
                # The same value: here as there.
                assert d.compare_and_set(("again", key), value, value), value
            """,
        )


@pytest.mark.parametrize("values", [STANDARD, NAMED], ids=["standard", "named"])
def test_there_and_back(values):
    d = so.SharedDict(enumerate(values))
    echo(d)
    for n, value in enumerate(values):
        text, name = d[n]
        assert name == type(value).__qualname__
        if not isinstance(value, type(len) | type(records.function) | frozenset):
            # The versions in Python, of 3.12, show the fold last.
            assert text == repr(value) or "fold" in text
        again = d["again", n]
        assert type(again) is type(value)
        if isinstance(value, frozenset):  # the members may come in another order
            assert again == value
        else:
            assert repr(again) == repr(value)
        assert d.compare_and_set(("again", n), value, None), value


def test_zones():
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    values = [zone, dt.datetime(2024, 10, 27, 2, 30, tzinfo=zone, fold=1), dt.time(1, tzinfo=zone)]
    d = so.SharedDict(enumerate(values))
    echo(d)
    for n, value in enumerate(values):
        assert "ZoneInfo(key='Europe/Berlin')" in d[n][0]
        assert repr(d["again", n]) == repr(value)
    assert d["again", 1].tzinfo is zone
    assert zone.utcoffset(values[1]) == dt.timedelta(hours=1)


def test_zones_in_messages():
    """Pickled, so it is pickle that imports zoneinfo there."""
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    value = [dt.datetime(2024, 7, 1, tzinfo=zone), zone]
    channel = so.Channel()
    channel.send(value)
    with Sub() as sub:
        run(sub, f"channel = so.attach({channel.id})\nchannel.send(channel.recv())")
    assert channel.recv() == value
    assert zone.utcoffset(value[0]) == dt.timedelta(hours=2)
    assert zoneinfo.ZoneInfo.no_cache("Asia/Tokyo").utcoffset(value[0]) == dt.timedelta(hours=9)


IMPORTS = "import datetime as dt, decimal, zoneinfo"
FIRST = """
from interps import Sub
d = so.SharedDict()
assert not {"_datetime", "_decimal", "_zoneinfo"} & set(sys.modules)
for n in range(3):
    with Sub() as first, Sub() as second:
        first.run(f"import sharedobj as so; IMPORTS; d = so.attach({d.id}); d[{n}] = MAKE")
        second.run(f"import sharedobj as so; d = so.attach({d.id}); d[{n}] = (d[{n}], 'read')")
    IMPORTS
    value, _ = d[n]
    assert value == MAKE and d.compare_and_set(n, (value, "read"), value), value
assert str(dt.datetime(2024, 7, 1) - dt.timedelta(1)) == "2024-06-30 00:00:00"
assert decimal.Decimal(1) / 8 == decimal.Decimal("0.125")
"""


@pytest.mark.parametrize(
    "make",
    [
        "dt.datetime(2024, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))",
        "decimal.Decimal('1.5')",
        "dt.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))",
    ],
)
def test_another_interpreter_is_the_first_to_import_it(run_python, make):
    """3.12 would crash, but for what sharedobj does when it is imported there."""
    run_python(PRELUDE + FIRST.replace("IMPORTS", IMPORTS).replace("MAKE", make))


def test_what_cannot_be_imported_there():
    module = type(sys)("only_here")
    exec("def function(): pass", vars(module))
    sys.modules["only_here"] = module
    d = so.SharedDict(f=module.function, n=1)
    try:
        with Sub() as sub:
            run(
                sub,
                f"""
                d = so.attach({d.id})
                found = dict()
                for key in d:
                    for read in (d.get, d.pop):
                        try:
                            found[key] = read(key)
                        except so.UnresolvedError as e:
                            found[key] = str(e)
                            assert e.__cause__ is not None
                assert found.pop("n") == 1
                assert "only_here" in found.pop("f") and not found
                assert "n" not in d and len(d) == {len(d) - 1}
                """,
            )
        assert d.pop("f") is module.function
    finally:
        del sys.modules["only_here"]


def test_keys_are_the_same_everywhere():
    moment = dt.datetime(2024, 7, 1, 12, tzinfo=EAST)
    keys = [
        dt.date(2024, 7, 1), moment, moment.replace(tzinfo=None), dt.time(1, fold=1),
        dt.timedelta(5), dt.time(10, tzinfo=EAST),
        uuid.UUID(int=9, is_safe=uuid.SafeUUID.safe), records.Colour.RED,
        (records.Access(5), moment), frozenset({records.Outer.Inner.DEEP, dt.date.max}),
    ]  # fmt: skip
    d = so.SharedDict({key: n for n, key in enumerate(keys)})
    with Sub() as sub:
        run(
            sub,
            f"""
            import datetime as dt, uuid, records
            d = so.attach({d.id})
            moment = dt.datetime(2024, 7, 1, 6, 30, tzinfo=dt.timezone.utc)
            local = moment.astimezone(dt.timezone(dt.timedelta(hours=-3)))
            for n, key in enumerate([
                dt.date(2024, 7, 1), local, dt.datetime(2024, 7, 1, 12, fold=1), dt.time(1),
                dt.timedelta(4, 86400), dt.time(4, 30, tzinfo=dt.timezone.utc), uuid.UUID(int=9),
                records.Colour.CRIMSON, (records.Access.READ | records.Access.RUN, moment),
                frozenset({{dt.date.max, records.Outer.Inner.DEEP}}),
            ]):
                assert d[key] == n, key
                d[key] += 100
            keys = [repr(key) for key in d]
            d.clear()
            d["keys"] = tuple(keys)
            """,
        )
    # Members of a frozenset may come in another order there.
    assert list(d["keys"][:-1]) == list(map(repr, keys[:-1]))


def test_messages():
    channel = so.Channel()
    value = [{"when": dt.datetime(2024, 1, 1, tzinfo=EAST)}, decimal.Decimal("1.50"), [dt.UTC]]
    channel.send(value)
    with Sub() as sub:
        run(sub, f"channel = so.attach({channel.id})\nchannel.send(channel.recv())")
    result = channel.recv()
    assert result == value and type(result[0]["when"]) is dt.datetime and result[2][0] is dt.UTC
    assert type(result[1]) is decimal.Decimal


def test_set_importable_is_of_one_interpreter():
    d = so.SharedDict(a=records.Colour.RED, b=len, c=decimal.Decimal(1))
    with Sub() as sub:
        run(
            sub,
            f"""
            so.set_importable(["builtins"])
            d = so.attach({d.id})
            assert d["b"] is len and d["c"] == 1
            try:
                d["a"]
            except so.UnresolvedError as e:
                assert "set_importable() does not allow" in str(e)
            else:
                raise AssertionError
            # Another module object of this interpreter is bound by it too.
            for name in [name for name in sys.modules if name.split(".")[0] == "sharedobj"]:
                del sys.modules[name]
            import sharedobj
            d = sharedobj.attach({d.id})
            try:
                d["a"]
            except sharedobj.UnresolvedError:
                pass
            else:
                raise AssertionError
            """,
        )
    assert d["a"] is records.Colour.RED


def test_many_at_once():
    """Interpreters and threads that read and replace each other's values."""
    values = [*STANDARD[:8], *NAMED[:9]]
    d = so.SharedDict(enumerate(values))
    rounds = 60
    program = f"""
            d = so.attach({d.id})
            n = {len(values)}
            for _ in range({rounds}):
                for key in range(n):
                    value = d.get(key)
                    if value is None:  # another has just popped it
                        continue
                    d[key] = value
                    d[key] = d.exchange(key, value, value)
                    taken = d.pop(key, None)
                    d.add(key, value)
            """

    def elsewhere():
        with Sub() as sub:
            run(sub, program)

    def here():
        for _ in range(rounds):
            for key, value in enumerate(values):
                found = d.get(key)
                assert found is None or repr(found) == repr(value)
                d.setdefault(key, value)

    others = [in_thread(elsewhere) for _ in range(2)] + [in_thread(here) for _ in range(2)]
    for thread in others:
        thread.join(100)
    for key, value in enumerate(values):
        assert repr(d.get(key, value)) == repr(value)
