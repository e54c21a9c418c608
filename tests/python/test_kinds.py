"""Values of the standard library's classes: dates, numbers, paths, addresses."""

import datetime as dt
import decimal
import fractions
import ipaddress
import itertools
import pathlib
import pickle
import sys
import uuid
import zoneinfo

import pytest
import values
from memory import each_allocation_fails

import sharedobj as so
from sharedobj import _sharedobj

D = decimal.Decimal
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
UTC_ZONE = zoneinfo.ZoneInfo("UTC")
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30), "E\u00e4st")
WEST = dt.timezone(-dt.timedelta(hours=3, seconds=1, microseconds=7))

ZONES = [dt.UTC, dt.timezone(dt.timedelta(0), "UTC"), EAST, WEST, BERLIN, UTC_ZONE]
DATES = [dt.date.min, dt.date.max, dt.date(2024, 2, 29)]
DELTAS = [
    dt.timedelta(0), dt.timedelta.min, dt.timedelta.max, dt.timedelta.resolution,
    dt.timedelta(-1, 1, 1), dt.timedelta(days=3), dt.timedelta(hours=25),
]  # fmt: skip
TIMES = [
    t.replace(fold=fold, tzinfo=zone)
    for t in (dt.time.min, dt.time.max, dt.time(1, 2, 3, 4), dt.time(23))
    for fold in (0, 1)
    for zone in (None, *ZONES)
]
DATETIMES = [
    t.replace(fold=fold, tzinfo=zone)
    for t in (dt.datetime.min, dt.datetime.max, dt.datetime(2024, 10, 27, 2, 30, 0, 1))
    for fold in (0, 1)
    for zone in (None, *ZONES)
]
DECIMALS = [
    *map(D, ["0", "-0", "0E-28", "0E+5", "-0.00", "1", "1.0", "1.00", "-1E+10", "1E-999999"]),
    *map(D, ["Infinity", "-Infinity", "NaN", "-NaN", "sNaN", "-sNaN", "NaN123"]),
    D("-sNaN" + "9" * 40),
    D("1" * 10_000), D("." + "5" * 5000), D("12345678901234567890.0987654321E+1000"),
    D((1, (1, 2, 3), -2)), D(0.1), D(10**6000),
]  # fmt: skip
FRACTIONS = [
    fractions.Fraction(0), fractions.Fraction(-1, 3), fractions.Fraction(10**5000, 7),
    fractions.Fraction(1, 2**80), fractions.Fraction(True, 2),
]  # fmt: skip
UUIDS = [
    uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=1), uuid.UUID(int=1 << 127),
    uuid.UUID(int=0x80), uuid.uuid4(), uuid.uuid1(), uuid.NAMESPACE_DNS,
    *(uuid.UUID(int=77, is_safe=safe) for safe in uuid.SafeUUID),
]  # fmt: skip
TEXTS = ["", ".", "..", "a", "a/b", "/", "//a/b", "///a", "a//b/./c/", "c:/x\\y", "\\\\h\\s\\f",
         "c:", "c:x", "./c:x", "\ud800", "\U0001f600/\u00e4", "x" * 5000, "nul", "~"]  # fmt: skip
PATHS = [
    cls(text)
    for cls in (pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.Path)
    for text in TEXTS
]
ADDRESSES = [
    *map(ipaddress.ip_address, ["0.0.0.0", "255.255.255.255", "::", "::1", "fe80::1%eth0",
                                "::ffff:1.2.3.4", "2001:db8::ff%\u00e4"]),
    *map(ipaddress.ip_network, ["0.0.0.0/0", "10.0.0.0/8", "1.2.3.4/32", "1.2.3.4/31", "::/0",
                                "2001:db8::/32", "::1/128"]),
    *map(ipaddress.ip_interface, ["1.2.3.4/24", "1.2.3.4", "fe80::1%7/64", "::1/3"]),
]  # fmt: skip

GROUPS = {
    "zones": ZONES, "dates": DATES, "times": TIMES, "datetimes": DATETIMES, "timedeltas": DELTAS,
    "decimals": DECIMALS, "fractions": FRACTIONS, "uuids": UUIDS, "paths": PATHS,
    "addresses": ADDRESSES,
}  # fmt: skip
ALL = list(itertools.chain(*GROUPS.values()))


def content(v):
    """A text that tells apart all that is visible of a value."""
    if isinstance(v, tuple):
        return f"({', '.join(map(content, v))})"
    if isinstance(v, frozenset):
        return f"{{{', '.join(sorted(map(content, v)))}}}"
    more = ()
    if type(v) in (int, float, complex):
        return values.form(v)
    if isinstance(v, dt.datetime | dt.time):
        more = v.fold, content(v.tzinfo)
    elif isinstance(v, dt.timezone):
        more = v is dt.UTC, v.__getinitargs__()
    elif isinstance(v, decimal.Decimal):
        more = v.as_tuple()
    elif isinstance(v, uuid.UUID):
        more = v.int, v.is_safe
    elif isinstance(v, fractions.Fraction):
        return f"Fraction {v.numerator:x} {v.denominator:x}"
    elif isinstance(v, pathlib.PurePath):
        more = v.parts, v.drive, v.root, v.as_posix()
    elif isinstance(v, ipaddress.IPv4Network | ipaddress.IPv6Network):
        more = v.network_address, v.prefixlen, v.num_addresses, v.hosts.__name__
    return f"{type(v).__module__}.{type(v).__qualname__} {v!r} {more!r}"


ROADS = {
    "held": _sharedobj._roundtrip,
    "copied in the section": _sharedobj._take,
    "message": _sharedobj._roundtrip_message,
    "in a message": lambda v: _sharedobj._roundtrip_message([v, {"k": v}])[1]["k"],
    "dict": lambda v: so.SharedDict(key=v)["key"],
    "nested": lambda v: so.SharedDict(key=(1, (v, "x"), (v,)))["key"][2][0],
    "values of a dict": lambda v: next(iter(so.SharedDict(key=v).values())),
    "popped": lambda v: so.SharedDict(key=v).pop("key"),
    "exchanged": lambda v: so.SharedDict(key=v).exchange("key", None),
}

MESSAGES = [road for name, road in ROADS.items() if "message" in name]


@pytest.fixture(params=ROADS)
def road(request):
    return ROADS[request.param]


def by_pickle(value):
    """Not always exact: 3.12 turns ./c:x into c:x."""
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("group", GROUPS)
def test_exact(road, group):
    for value in GROUPS[group]:
        result = road(value)
        assert type(result) is type(value)
        assert content(result) == content(value)
        if not (isinstance(value, D) and value.is_nan()):
            assert result == value and hash(result) == hash(value)
        assert content(by_pickle(result)) == content(by_pickle(value))


def test_what_there_is_once_stays_itself(road):
    for value in (dt.UTC, BERLIN, UTC_ZONE):
        assert road(value) is value
    result = road(dt.datetime(2024, 1, 1, tzinfo=BERLIN))
    assert result.tzinfo is BERLIN
    assert road(dt.time(1, tzinfo=dt.UTC)).tzinfo is dt.UTC


@pytest.mark.skipif(not hasattr(sys.modules["builtins"], "frozendict"), reason="3.15 and later")
def test_frozendict(road):
    frozendict = sys.modules["builtins"].frozendict
    for value in (
        frozendict(), frozendict(a=1), frozendict({2: "x", 1: (3, frozendict(z=D("1.0")))}),
        frozendict({(1, D(2)): None, frozenset({D(3)}): 1}), (frozendict(a=frozendict(b=())),),
        frozenset({frozendict(a=1), frozendict({D(1): frozendict()})}),
    ):  # fmt: skip
        result = road(value)
        assert type(result) is type(value) and result == value and hash(result) == hash(value)
        if isinstance(value, frozendict):
            assert list(map(repr, result.items())) == list(map(repr, value.items()))
    assert not _sharedobj._same(frozendict(a=1, b=2), frozendict(b=2, a=1))  # the order shows
    assert _sharedobj._same(frozendict(a=1, b=2), frozendict(a=1, b=2))
    with pytest.raises(so.NotShareableError, match=r"value\['k'\]\[1\] is a list"):
        _sharedobj._roundtrip(frozendict(k=(1, [])))
    with pytest.raises(so.NotShareableError, match=r"value\{key\} is a .*method"):
        _sharedobj._roundtrip(frozendict({[].append: 1}))
    with pytest.raises(so.NotShareableError, match="cannot be a key"):
        _sharedobj._roundtrip_key(frozendict())
    with pytest.raises(so.NotShareableError, match="too deeply"):
        _sharedobj._roundtrip(frozenset({(1, _nested(1100, frozendict))}))
    if road in MESSAGES:
        return  # pickled, recursively
    deep = frozendict()
    for _ in range(100_000):
        deep = frozendict(d=deep)
    result, depth = road(deep), 0
    while result:
        result, depth = result["d"], depth + 1
    assert depth == 100_000


def _nested(depth, frozendict):
    made = frozendict()
    for _ in range(depth):
        made = frozendict(d=made)
        hash(made)
    return made


# ---- same


def test_same_is_the_whole_content():
    texts = [content(v) for v in ALL]
    for i, a in enumerate(ALL):
        for j, b in enumerate(ALL):
            if i <= j:
                assert _sharedobj._same(a, b) == (texts[i] == texts[j]), (a, b)


def test_compare_and_set_sees_fold_zone_and_exponent():
    a = dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)
    d = so.SharedDict(t=a, n=D("1.0"), u=uuid.UUID(int=1))
    assert a == a.replace(fold=1) and not d.compare_and_set("t", a.replace(fold=1), 1)
    assert not d.compare_and_set("t", a.replace(tzinfo=None), 1)
    assert not d.compare_and_set("n", D("1.00"), 1) and not d.compare_and_set("n", 1, 1)
    assert not d.compare_and_set("u", uuid.UUID(int=1, is_safe=uuid.SafeUUID.safe), 1)
    assert d.compare_and_set("t", a, 1) and d.compare_and_set("n", D("1.0"), 1)
    assert d.compare_and_set("u", uuid.UUID(int=1), 1)
    assert d == {"t": 1, "n": 1, "u": 1}


def test_the_context_does_not_matter():
    value = D("1E+100")
    with decimal.localcontext() as context:
        context.capitals = 0
        context.prec = 1
        context.traps[decimal.Inexact] = True
        assert str(value) == "1e+100"
        assert _sharedobj._same(value, value)
        d = so.SharedDict(n=D("1.23456789E+200"))
        assert d["n"].as_tuple() == D("1.23456789E+200").as_tuple()
    assert d.compare_and_set("n", D("1.23456789E+200"), 0)


# ---- random


def random_kind(rng):
    kind = rng.randrange(10)
    zone = rng.choice([None, None, *ZONES])
    moment = dt.datetime(
        rng.randint(1, 9999), rng.randint(1, 12), rng.randint(1, 28), rng.randrange(24),
        rng.randrange(60), rng.randrange(60), rng.randrange(10**6), tzinfo=zone,
        fold=rng.randrange(2),
    )  # fmt: skip
    if kind < 3:
        return [moment, moment.date(), moment.timetz()][kind]
    if kind == 3:
        return dt.timedelta(rng.randint(-(10**8), 10**8), rng.randrange(10**5), rng.getrandbits(20))
    if kind == 4:
        digits = tuple(rng.randrange(10) for _ in range(rng.randrange(1, 60)))
        return D((rng.randrange(2), digits, rng.choice([0, rng.randint(-2000, 2000), "n", "N"])))
    if kind == 5:
        return fractions.Fraction(rng.randint(-(2**70), 2**70), rng.randint(1, 2**70))
    if kind == 6:
        return uuid.UUID(int=rng.getrandbits(128), is_safe=rng.choice(list(uuid.SafeUUID)))
    if kind == 7:
        cls = rng.choice([pathlib.PurePosixPath, pathlib.PureWindowsPath])
        return cls("".join(rng.choice("abc/\\. ~\u00e4") for _ in range(rng.randrange(20))))
    if kind == 8:
        bits = rng.choice([32, 128])
        make = ipaddress.ip_address if rng.randrange(2) else ipaddress.ip_network
        return make(rng.getrandbits(bits - 1) | 1 << (bits - 1))
    return dt.timezone(dt.timedelta(0, rng.randint(-86399, 86399), rng.randrange(10**6)))


def random_tree(rng, depth=3):
    if depth == 0 or rng.random() < 0.5:
        return random_kind(rng) if rng.randrange(3) else values.random_leaf(rng)
    parts = [random_tree(rng, depth - 1) for _ in range(rng.randrange(5))]
    if rng.randrange(3):
        return tuple(parts)
    return frozenset(p for p in parts if not (isinstance(p, D) and p.is_snan()) and hashable(p))


def hashable(value):
    try:
        hash(value)
    except TypeError:  # a signalling NaN within
        return False
    return True


def test_random_trees(road):
    rng = values.rng()
    for _ in range(150):
        value = random_tree(rng)
        result = road(value)
        assert content(result) == content(value)


# ---- what is refused


class Moment(dt.datetime):
    pass


class Number(D):
    pass


class Zone(dt.tzinfo):
    def utcoffset(self, moment):
        return dt.timedelta(0)


class Offset(dt.timedelta):
    pass


class Label(str):
    pass


def zone_from_file():
    for folder in zoneinfo.TZPATH:
        file = pathlib.Path(folder, "Europe/Berlin")
        if file.exists():
            with file.open("rb") as data:
                return zoneinfo.ZoneInfo.from_file(data, key="Europe/Berlin")
    pytest.skip("no zone files")


@pytest.mark.parametrize(
    "value, text",
    [
        (Moment(2024, 1, 1), "Moment, a subclass of datetime.datetime; only instances of the cl"),
        (Number(1), "Number, a subclass of decimal.Decimal; only instances of the class itself"),
        (dt.datetime(2024, 1, 1, tzinfo=Zone()), "has a tzinfo of the class .*Zone; use datetime"),
        (dt.time(1, tzinfo=Zone()), "has a tzinfo of the class .*Zone; use datetime.timezone or"),
        (Zone(), "is a .*Zone; values are"),
        (dt.timezone(Offset(hours=1)), "is a datetime.timezone"),
        (dt.timezone(dt.timedelta(hours=1), Label("x")), "is a datetime.timezone"),
        (zoneinfo.ZoneInfo.no_cache("UTC"), r"that ZoneInfo\(key\) does not give"),
        (dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo.no_cache("UTC")), "does not give"),
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_refused(value, text):
    with pytest.raises(so.NotShareableError, match=r"value\[1\]\[0\] .*(" + text + ")"):
        _sharedobj._roundtrip((1, (value,)))
    assert not so.is_shareable(value)


def test_a_zone_from_a_file_is_refused():
    with pytest.raises(so.NotShareableError, match=r"that ZoneInfo\(key\) does not give"):
        _sharedobj._roundtrip(zone_from_file())


def test_such_messages_are_pickled():
    value = dt.datetime(2024, 1, 1, tzinfo=Zone())
    result = _sharedobj._roundtrip_message([value, D(1), Number(2)])
    assert type(result[0].tzinfo) is Zone and type(result[2]) is Number
    for zone in (BERLIN, zoneinfo.ZoneInfo.no_cache("UTC")):
        result = _sharedobj._roundtrip_message([value.replace(tzinfo=zone)] * 2)
        assert result[0].tzinfo.key == zone.key


# ---- memory


@pytest.mark.parametrize(
    "value",
    [
        (dt.datetime(2024, 1, 1, tzinfo=EAST), dt.time(1, tzinfo=BERLIN)), D("1.5"), PATHS[3],
        (1, (UUIDS[0], frozenset({D(1), D(2)})), ADDRESSES[0]), fractions.Fraction(2**70, 3),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_every_allocation_may_fail(road, value):
    result, after = each_allocation_fails(lambda: road(value))
    assert content(result) == content(value)
    # Messages of these kinds may be pickled, in memory that is not the core's.
    assert after > 0


def test_what_is_imported_when(run_python):
    """None of these modules comes with sharedobj; reading a value brings its module."""
    run_python(
        "import sys\n"
        "import sharedobj as so\n"
        "modules = 'datetime decimal fractions uuid pathlib ipaddress zoneinfo enum dataclasses'\n"
        "before = {name for name in modules.split() if name in sys.modules}\n"
        "assert not before & {'decimal', 'fractions', 'uuid', 'ipaddress', 'zoneinfo'}, before\n"
        "assert so.explain(object()) and so.explain((1, [])) and so.is_shareable(print)\n"
        "assert {name for name in modules.split() if name in sys.modules} <= before | {'enum'}\n"
    )
