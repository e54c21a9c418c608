"""Dates, times, UUIDs and enum members as keys: Python's equality decides."""

import datetime as dt
import decimal
import fractions
import ipaddress
import itertools
import pathlib
import uuid
import zoneinfo

import pytest
import records
import values
from memory import each_allocation_fails

import sharedobj as so
from sharedobj import _sharedobj

BERLIN, VADUZ, NEW_YORK, KOLKATA, LORD_HOWE, UTC_ZONE = map(
    zoneinfo.ZoneInfo,
    ["Europe/Berlin", "Europe/Vaduz", "America/New_York", "Asia/Kolkata",
     "Australia/Lord_Howe", "UTC"],
)  # fmt: skip
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
ODD = dt.timezone(dt.timedelta(seconds=-3601, microseconds=5), "odd")
ZONES = [None, dt.UTC, dt.timezone(dt.timedelta(0), "X"), EAST, ODD, BERLIN, VADUZ, NEW_YORK,
         KOLKATA, LORD_HOWE, UTC_ZONE]  # fmt: skip

# Around a clock that goes back, one that goes forward, and the ends of time.
MOMENTS = [
    *(dt.datetime(2024, 10, 27, hour, 30) for hour in (0, 1, 2, 3)),
    *(dt.datetime(2024, 3, 31, hour, 30) for hour in (0, 1, 2, 3)),
    dt.datetime(2024, 4, 7, 1, 45), dt.datetime(2024, 4, 6, 15, 15), dt.datetime(2024, 7, 1, 12),
    dt.datetime(2024, 7, 1, 10), dt.datetime(2024, 7, 1, 15, 30), dt.datetime(2024, 7, 1, 6),
    dt.datetime.min, dt.datetime.max,
]  # fmt: skip
DATETIMES = [
    m.replace(tzinfo=zone, fold=fold) for m in MOMENTS for zone in ZONES for fold in (0, 1)
]
# The same moments as the zones spell them.
DATETIMES += [
    m.replace(tzinfo=dt.UTC).astimezone(zone)
    for m in MOMENTS[:-2]
    for zone in ZONES
    if zone is not None
]
TIMES = [
    dt.time(hour, minute, 5, micro, tzinfo=zone, fold=fold)
    for hour, minute, micro in [(0, 0, 0), (10, 0, 0), (15, 30, 0), (8, 59, 1)]
    for zone in ZONES
    for fold in (0, 1)
]


def key(obj):
    return _sharedobj._roundtrip_key(obj)[:3]


def check_pairs(objects):
    """One key exactly where Python says equal, and what comes out is what went in."""
    keys = [key(obj) for obj in objects]
    for (a, x), (b, y) in itertools.combinations(zip(objects, keys, strict=True), 2):
        assert (x == y) == (a == b), (a, b)
    for obj in objects:
        shown = _sharedobj._roundtrip_key(obj)[3]
        assert type(shown) is type(obj) and repr(shown) == repr(obj) and shown == obj


def test_datetimes():
    problematic = [m for m in DATETIMES if m.utcoffset() != m.replace(fold=not m.fold).utcoffset()]
    assert len(problematic) > 10  # there are such cases among them
    check_pairs(DATETIMES)


def test_times():
    check_pairs(TIMES)


def test_dates_and_timedeltas():
    objects = [
        dt.date(2024, 7, 1), dt.datetime(2024, 7, 1), dt.date.min, dt.date.max, dt.timedelta(0),
        dt.timedelta(hours=24), dt.timedelta(1), dt.timedelta(-1, 86399), dt.timedelta(seconds=-1),
        dt.time(), dt.time(0, tzinfo=dt.UTC), 0, None, "", dt.datetime(2024, 7, 1, tzinfo=dt.UTC),
    ]  # fmt: skip
    check_pairs(objects)


def test_random_datetimes():
    rng = values.rng()
    objects = []
    for _ in range(250):
        moment = dt.datetime(2024, 3, 31) + dt.timedelta(hours=rng.randrange(-3, 6))
        if rng.randrange(2):
            moment = dt.datetime(2024, 10, 27) + dt.timedelta(minutes=30 * rng.randrange(-4, 12))
        objects.append(moment.replace(tzinfo=rng.choice(ZONES), fold=rng.randrange(2)))
    check_pairs(objects)


def test_a_time_twice_in_the_year_is_a_key_of_its_zone():
    """PEP 495: a time that the zone has twice equals none of another zone."""
    twice = dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)
    d = so.SharedDict({twice: 1})
    assert d[twice.replace(fold=1)] == 1
    for other in (twice.astimezone(dt.UTC), twice.astimezone(VADUZ), twice.replace(tzinfo=VADUZ)):
        assert other not in d and other != twice
    assert next(iter(d)).fold == 0 and next(iter(d)).tzinfo is BERLIN
    once = twice.replace(hour=12)
    d = so.SharedDict({once: 1})
    for zone in ZONES[1:]:
        assert d[once.astimezone(zone)] == 1


def test_uuids():
    objects = [uuid.UUID(int=n, is_safe=safe) for n in (0, 1, 2**128 - 1) for safe in uuid.SafeUUID]
    check_pairs([*objects, 0, 1, str(uuid.UUID(int=1)), uuid.UUID(int=1).bytes])
    d = so.SharedDict({objects[3]: "x"})
    assert d[objects[4]] == "x" and next(iter(d)).is_safe is objects[3].is_safe


def test_enum_members():
    plain = [
        *records.Colour, *records.Access, *records.Planet, records.Outer.Inner.DEEP,
        records.Access.READ | records.Access.WRITE, records.Access(0),
    ]  # fmt: skip
    check_pairs([*plain, 1, "green", (0, 0, 255)])
    d = so.SharedDict({member: n for n, member in enumerate(plain)})
    assert list(d) == plain and all(a is b for a, b in zip(d, plain, strict=True))
    assert d[records.Colour.CRIMSON] == 0


def test_in_tuples_and_frozensets():
    a = dt.datetime(2024, 7, 1, 12, tzinfo=BERLIN)
    b = a.astimezone(dt.UTC)
    red = records.Colour.RED
    groups = [
        [(a, 1), (b, 1.0)], [(b, 2)], [frozenset({a, red}), frozenset({red, b})],
        [(frozenset({(a, red)}),), (frozenset({(b, red)}),)], [(red,)], [(uuid.UUID(int=5), a)],
    ]  # fmt: skip
    for i, group in enumerate(groups):
        for j, other in enumerate(groups):
            for x, y in itertools.product(group, other):
                assert (key(x) == key(y)) == (i == j) == (x == y)
    for x in itertools.chain(*groups):
        shown = _sharedobj._roundtrip_key(x)[3]
        assert shown == x and sorted(map(repr, shown)) == sorted(map(repr, x))


def test_a_dict_agrees():
    rng = values.rng()
    pool = [*rng.sample(DATETIMES, 120), *TIMES, *records.Colour, *map(dt.timedelta, range(5))]
    ours, plain = so.SharedDict(), {}
    for n in range(1500):
        k = rng.choice(pool)
        if rng.randrange(4):
            ours[k] = plain[k] = n
        else:
            assert ours.pop(k, None) == plain.pop(k, None)
        assert len(ours) == len(plain)
    assert list(map(repr, ours)) == list(map(repr, plain))
    assert ours.snapshot() == plain


@pytest.mark.parametrize(
    "obj, text",
    [
        (records.Level.LOW, r"is a records.Level, which is not int: use int\(x\)"),
        (records.Word.YES, r"is a records.Word, which is not str: use str\(x\)"),
        (records.Bits.A, r"is a records.Bits, which is not int: use int\(x\)"),
        (records.Equal.ONE, r"is a member of records.Equal, whose members equal other objects, "),
        (records.Pair(1, 2), r"is a records.Pair, which is not tuple: use tuple\(x\)"),
        (records.Point(1), r"is a records.Point and cannot be a key; use str\(x\) or a tuple"),
        (decimal.Decimal(1), r"is a decimal.Decimal and cannot be a key; use str\(x\) or a tuple"),
        (fractions.Fraction(1, 2), r"is a fractions.Fraction and cannot be a key"),
        (ipaddress.ip_address("::1"), r"is an ipaddress.IPv6Address and cannot be a key"),
        (pathlib.PurePosixPath("a"), r"PurePosixPath and cannot be a key; use str\(x\)"),
        (dt.UTC, r"is a datetime.timezone and cannot be a key"),
        (BERLIN, r"is a zoneinfo.ZoneInfo and cannot be a key"),
        (len, r"is a builtin_function_or_method and cannot be a key"),
        (records.function, r"is a function and cannot be a key"),
        (int, r"is a type and cannot be a key"),
        (dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo.no_cache("UTC")), r"does not give"),
    ],
)  # fmt: skip
def test_no_keys(obj, text):
    with pytest.raises(so.NotShareableError, match=r"^key\[1\] .*" + text):
        key((1, obj))
    hash(obj)  # Python has nothing against it
    with pytest.raises(so.NotShareableError):
        so.SharedDict().get(obj)


def test_keys_that_cannot_be_read_here(monkeypatch):
    d = so.SharedDict({"a": 1, records.Colour.RED: 2, "b": 3})
    monkeypatch.delattr(records, "Colour")
    walk, seen = iter(d), []
    for _ in range(3):
        try:
            seen.append(next(walk))
        except so.UnresolvedError:
            seen.append("unresolved")
    assert seen == ["a", "unresolved", "b"] and list(walk) == []
    assert list(d.values()) == [1, 2, 3] and len(d) == 3
    with pytest.raises(so.UnresolvedError):
        d.snapshot()
    assert d["a"] == 1 and d.pop("b") == 3


def test_every_allocation_may_fail():
    for obj in (DATETIMES[30], (TIMES[5], records.Colour.RED), uuid.UUID(int=7), DATETIMES[-1]):
        key = (obj, "x" * 300)
        keys, after = each_allocation_fails(lambda key=key: list(so.SharedDict({key: 1})))
        assert keys == [key] and after > 0
