"""Keys: which objects are one key, what is kept, and what cannot be a key."""

import gc
import itertools
import math

import pytest
import values
from memory import each_allocation_fails

import sharedobj as so
from sharedobj import _sharedobj

# Groups of one key each. (frozensets of NaNs are not equal in Python, but alike here.)
KEYS = [
    [0, False, 0.0, -0.0, 0j, complex(-0.0, -0.0)],
    [1, True, 1.0, 1 + 0j, complex(1, -0.0)],
    [-1, -1.0],
    [2**53, 2.0**53],
    [2**60 - 1], [2**60, 2.0**60], [2**61, 2.0**61], [-(2**60), -(2.0**60)], [-(2**60) - 1],
    [2**63 - 1], [2**63, 2.0**63], [-(2**63), -(2.0**63)], [-(2**63) - 1], [2**64], [10**300],
    [10**23], [int(1e23), 1e23], [2**1000, 2.0**1000, complex(2.0**1000)],
    [0.5, 0.5 + 0j], [1e-300], [5e-324], [math.inf, complex(math.inf)], [-math.inf],
    [math.nan, -math.nan, values.double(0x7FF0000000000001), complex(math.nan)],
    [1j, complex(-0.0, 1)], [1 + 1j], [complex(math.nan, 1), complex(-math.nan, 1)],
    [None], [""], ["0"], ["1"], ["a"], ["\x80"], ["\xff"], ["ab"], ["\xe9t\xe9"], ["\u20ac"],
    ["\ud800"], ["\U0001f600"], ["long" * 5000],
    [b""], [b"0"], [b"a"], [b"ab"], [b"long" * 5000],
    [()], [(0,), (False,), (-0.0,)], [(1, 2), (1.0, 2 + 0j), (True, 2)], [(2, 1)],
    [((1,),), ((True,),)],
    [("a",)], [(b"a",)], [(None,)], [("a", (1, ("b",)))],
    [frozenset()], [frozenset({1, 2}), frozenset({2.0, True})],
    [frozenset({(1, 2)}), frozenset({(1.0, 2)})],
    [frozenset({frozenset({1}), "x"})], [(math.nan, 1), (-math.nan, True)],
]  # fmt: skip


def key(obj):
    kind, canonical, hash_, _ = _sharedobj._roundtrip_key(obj)
    return kind, canonical, hash_


def test_one_key_or_two():
    for i, group in enumerate(KEYS):
        for j, other in enumerate(KEYS):
            for a, b in itertools.product(group, other):
                assert (key(a) == key(b)) == (i == j), (a, b)


def test_it_is_pythons_equality():
    for group in KEYS:
        for a, b in itertools.combinations(group, 2):
            if "nan" not in repr((a, b)):
                assert a == b and hash(a) == hash(b)


def test_the_spelling_is_kept():
    for a in itertools.chain(*KEYS):
        assert values.identical(_sharedobj._roundtrip_key(a)[3], a), a


def test_the_dict_sees_it_so():
    d = so.SharedDict()
    for n, group in enumerate(KEYS):
        d[group[0]] = n
    assert len(d) == len(KEYS)
    for n, group in enumerate(KEYS):
        for a in group:
            assert a in d and d[a] == n
            d[a] = n
    for group, shown in zip(KEYS, d, strict=True):
        assert values.identical(shown, group[0])


def test_text_is_hashed_as_python_does():
    for text in values.STRINGS + values.BYTES:
        assert key(text)[2] == hash(text) % 2**64
        assert hash(_sharedobj._roundtrip_key(text)[3]) == hash(text)
    for c in map(chr, range(256)):
        assert _sharedobj._roundtrip_key(c)[3] is c


def test_numbers_are_hashed_with_a_secret(run_python):
    """Nobody can choose ints that collide, as k and k + 2**61 - 1 do in Python."""
    a, b = key(5), key(5 + 2**61 - 1)
    assert hash(5) == hash(5 + 2**61 - 1) and a[2] != b[2]
    other = run_python(
        "from sharedobj import _sharedobj; print(_sharedobj._roundtrip_key(5)[2],"
        " _sharedobj._roundtrip_key((5,))[2])",
    ).stdout.split()
    assert int(other[0]) != a[2] and int(other[1]) != key((5,))[2]


NOT_KEYS = (range, type(...), type(NotImplemented))


def test_random_keys():
    rng = values.rng()
    seen = {}
    for _ in range(1500):
        obj = rng.choice([values.random_value(rng, 2), rng.randrange(50), float(rng.randrange(50))])
        try:
            made = _sharedobj._roundtrip_key(obj)
        except so.NotShareableError:
            assert any(isinstance(x, NOT_KEYS) for x in values.leaves(obj))
            continue
        assert values.identical(made[3], obj)
        if any(x != x for x in values.leaves(obj)):
            continue
        if obj in seen:
            assert seen[obj] == made[:3], obj
        seen[obj] = made[:3]
    assert len(set(seen.values())) == len(seen)


def test_handles_with_identity_are_keys():
    a, b = so.Channel(), so.Channel()
    assert key(a) == key(a.local()) != key(b)
    assert key((a, 1)) == key((a, 1.0)) != key((b, 1))
    assert key(frozenset({a, b})) == key(frozenset({b, a}))
    for obj in (a, (a, 1.0), (b, (a, a)), frozenset({a, (b, 2)})):
        shown = _sharedobj._roundtrip_key(obj)[3]
        assert shown == obj
    assert _sharedobj._roundtrip_key((a, b))[3][0] is a
    d = so.SharedDict({a: 1, (b, 2): 3})
    number = b.id
    del b, shown, obj
    gc.collect()
    so.collect()
    assert d[a] == 1 and list(d)[1][0].id == number  # the key keeps it alive
    assert d[so.attach(number), 2.0] == 3


@pytest.mark.parametrize(
    "obj", [[], {}, set(), bytearray(), (1, []), (1, (2, {})), so.AtomicInt(), (so.AtomicInt(),)],
    ids=repr,
)  # fmt: skip
def test_unhashable_is_type_error(obj):
    with pytest.raises(TypeError, match="unhashable type") as caught:
        key(obj)
    assert not isinstance(caught.value, so.NotShareableError)


class Text(str):
    pass


@pytest.mark.parametrize(
    "obj, text",
    [
        (range(3), r"key is a range and cannot be a key; use str\(x\) or a tuple"),
        (..., r"key is an ellipsis and cannot be a key"),
        (NotImplemented, r"key is a NotImplementedType and cannot be a key"),
        ((1, (2, range(3))), r"key\[1\]\[1\] is a range and cannot be a key"),
        (frozenset({range(3)}), r"key\{\.\.\.\} is a range and cannot be a key"),
        (object(), r"key is an object and cannot be a key"),
        (Text("x"), r"key is a .*Text, which is not str: use str\(x\)"),
        (len, r"key is a builtin_function_or_method and cannot be a key"),
    ],
)
def test_what_cannot_be_a_key(obj, text):
    with pytest.raises(so.NotShareableError, match=text):
        key(obj)


def test_deep_keys():
    def deep(depth):
        inner = ()
        for _ in range(depth):
            inner = (inner,)
        return inner

    assert _sharedobj._roundtrip_key(deep(1000))[3] == deep(1000)
    with pytest.raises(so.NotShareableError, match="nested too deeply"):
        key(deep(1001))
    with pytest.raises(so.NotShareableError, match="nested too deeply"):
        key(deep(100_000))


def test_every_allocation_may_fail():
    channel = so.Channel()
    for obj in ((1.5, "x" * 1000, channel), frozenset(map(float, range(200))), tuple(range(300))):
        made, after = each_allocation_fails(lambda obj=obj: _sharedobj._roundtrip_key(obj))
        assert made[3] == obj and after > 0
