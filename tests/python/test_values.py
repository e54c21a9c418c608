"""Values: what goes into a cell comes out again, exactly."""

import math

import pytest
import values
from interps import Sub
from memory import each_allocation_fails
from values import COMPOUND, INTS, LEAVES, SINGLETONS, STRINGS, identical

import sharedobj as so
from sharedobj import _sharedobj


def through_dict(value):
    return so.SharedDict(key=value)["key"]


def through_values(value):
    return next(iter(so.SharedDict(key=value).values()))


ROADS = {
    "held": _sharedobj._roundtrip,
    "copied in the section": _sharedobj._take,
    "message": _sharedobj._roundtrip_message,
    "dict": through_dict,
    "values of a dict": through_values,
}


@pytest.fixture(params=ROADS)
def road(request):
    """A way into the core and out again."""
    return ROADS[request.param]


def deep(depth, make=lambda inner: (inner,), inner=()):
    for _ in range(depth):
        inner = make(inner)
    return inner


def depth_of(value):
    n = 0
    while value:
        (value,) = value
        n += 1
    return n


def test_leaves_are_exact(road):
    for value in LEAVES:
        assert identical(road(value), value), ascii(value)[:80]


def test_compounds_are_exact(road):
    for value in COMPOUND:
        assert identical(road(value), value), ascii(value)[:80]


def test_long_ints(road):
    for digits in [*range(1, 60), 100, 1000, 4300, 10000]:
        for n in (10**digits - 1, -(10**digits), 10**digits // 7, -(10**digits) // 3):
            assert road(n) == n
            assert road((n, n)) == (n, n)


def test_every_bit_of_doubles(road):
    for shift in range(64):
        for sign in (0, 1 << 63):
            x = values.double(sign | 1 << shift)
            assert identical(road(x), x)
            assert identical(road((x,)), (x,))
    for exponent in range(0x800):
        for mantissa in (0, 1, 0xFFFFFFFFFFFFF, 0x8000000000000):
            x = values.double(exponent << 52 | mantissa)
            assert identical(road(x), x)


def test_singletons_stay_singletons(road):
    for value in [*SINGLETONS, "", *map(chr, range(256)), b"", (), *range(-5, 257)]:
        assert road(value) is value
        assert road((value, 1.5))[0] is value
    for byte in range(256):
        value = bytes([byte])
        assert road(value) is value


def test_strings_hash_and_compare(road):
    for text in STRINGS:
        fresh = text[:1] + text[1:]
        assert hash(road(fresh)) == hash(text)
        hash(fresh)
        again = road(fresh)
        assert hash(again) == hash(text)
        assert {text: 1}[again] == 1
        assert again.encode("utf-8", "surrogatepass") == text.encode("utf-8", "surrogatepass")


def test_frozensets_work(road):
    value = frozenset({*STRINGS, *INTS, (1, "a"), frozenset({5})})
    result = road(value)
    assert result == value
    for member in value:
        assert member in result


def test_random_values(road):
    rng = values.rng()
    for _ in range(400):
        value = values.random_value(rng)
        result = road(value)
        assert identical(result, value), value
        if road is not ROADS["message"]:
            assert _sharedobj._same(value, result)


# ---- depth


def test_deep_tuples(road):
    assert depth_of(road(deep(1_000_000))) == 1_000_000


def test_deep_frozensets(road):
    value = deep(20_000, lambda inner: frozenset({inner}), frozenset())
    assert depth_of(road(value)) == 20_000


def test_deep_wide(road):
    value = deep(3000, lambda inner: (1, inner, "x"))
    result = road(value)
    for _ in range(3000):
        assert result[0] == 1 and result[2] == "x"
        result = result[1]
    assert result == ()


def test_what_is_hashed_may_not_nest_too_deeply(road):
    """Decoding it would recurse in CPython's hash of tuples."""
    fine = frozenset({deep(900)})
    assert road(fine) == fine
    with pytest.raises(so.NotShareableError, match="nested too deeply"):
        road(frozenset({deep(1100)}))
    # Each frozenset keeps its hash, so that the count begins anew.
    twice = frozenset({deep(900, inner=frozenset({deep(900)}))})
    assert depth_of(road(twice)) == 1802


@pytest.mark.slow
def test_a_value_that_unfolds_is_refused():
    value = (1, 2)
    for _ in range(60):
        value = (value, value)
    with pytest.raises(so.NotShareableError, match="too large"):
        _sharedobj._roundtrip(value)


# ---- same


def test_same_is_type_and_content():
    distinct = [
        None, True, False, 0, 1, -1, 2**60, 2**61, 2**62, -(2**60), 2**63, 2**64, 0.0, -0.0, 1.0,
        math.nan, -math.nan, values.double(0x7FF8000000000001), math.inf, 1 + 0j, 0j,
        complex(0, -0.0), "", "1", "a", "\xe9", "\u20ac", "ab", b"", b"1", b"a", b"ab", (), (0,),
        (0.0,), (False,), (1,), (1, 2), (2, 1), ((1, 2),), ("a",), (b"a",), frozenset(),
        frozenset({1}), frozenset({1.0}), frozenset({True}), frozenset({1, 2}), range(0), range(1),
        range(0, 2, 2), ..., NotImplemented,
    ]  # fmt: skip
    for i, a in enumerate(distinct):
        for j, b in enumerate(distinct):
            assert _sharedobj._same(a, b) == (i == j), (a, b)


def test_same_does_not_depend_on_identity_or_history():
    text = "".join(["he", "llo"])
    hash(text)
    assert _sharedobj._same(text, "".join(["hel", "lo"]))
    assert _sharedobj._same((text,), ("".join(["hel", "lo"]),))
    assert _sharedobj._same(10**50, 10**49 * 10)
    members = [*range(50), *map(str, range(50)), (1, 2), (2, 1), 2.5, None]
    assert _sharedobj._same(frozenset(members), frozenset(reversed(members)))
    assert _sharedobj._same(
        (frozenset({frozenset({1, 9}), frozenset({9, 17})}),),
        (frozenset({frozenset({17, 9}), frozenset({9, 1})}),),
    )


def test_same_of_handles_is_identity():
    a, b = so.Channel(), so.Channel()
    assert _sharedobj._same(a, a) and not _sharedobj._same(a, b)
    assert _sharedobj._same((a, b), (a, b)) and not _sharedobj._same((a, b), (b, a))
    many = [so.Channel() for _ in range(10)]
    assert _sharedobj._same(frozenset(many), frozenset(many[::-1]))
    assert _sharedobj._same((frozenset({a, (b, 1)}), a), (frozenset({(b, 1), a}), a))
    assert not _sharedobj._same(frozenset({a}), frozenset({b}))


# ---- handles


def test_handles_come_out_as_the_handle(road):
    a, b = so.Channel(), so.AtomicInt(5)
    assert road(a) is a
    assert road((a, (b, a), 1)) == (a, (b, a), 1)
    assert road((a, (b, a)))[1][0] is b
    assert road(frozenset({a, (a, 1)})) == frozenset({a, (a, 1)})
    many = tuple(so.Channel() for _ in range(200))
    assert all(x is y for x, y in zip(road(many), many, strict=True))


# ---- errors and memory


def test_nothing_else_is_a_value():
    class Text(str):
        pass

    for value in [
        [], {}, set(), bytearray(), object(), Text("x"), memoryview(b"x"), so, [].append,
        iter([]), (1, [2]), frozenset({Text("x")}), BaseException(),
    ]:  # fmt: skip
        with pytest.raises(so.NotShareableError):
            _sharedobj._roundtrip(value)


@pytest.mark.parametrize(
    "value",
    [
        2**70, "text of some length", math.inf, 1j, b"bytes", tuple(range(500)), ("x" * 1000,),
        frozenset(range(100)), (1, "a", (2.5, b"x" * 100, (2**100, frozenset({"a", "b"})))),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_every_allocation_may_fail(road, value):
    result, after = each_allocation_fails(lambda: road(value))
    assert identical(result, value) and after > 0


def test_failing_with_handles(road):
    value = tuple(so.Channel() for _ in range(20))
    result, after = each_allocation_fails(lambda: road(value))
    assert identical(result, value) and after > 0


def test_stored_hashes_are_right_in_every_interpreter():
    channel = so.Channel()
    text = "".join(["te", "xt"])
    hash(text)
    channel.send((text, {text: 1}, frozenset({text})))
    with Sub() as sub:
        sub.run(
            f"""if 1:
            import sharedobj
            channel = sharedobj.attach({channel.id})
            text, d, s = channel.recv()
            fresh = "".join(["t", "ext"])
            assert hash(text) == hash(fresh) and d[fresh] == 1 and fresh in s
            channel.send((fresh, [d]))
            """
        )
    other, (d,) = channel.recv()
    assert hash(other) == hash(text) and d[text] == 1
