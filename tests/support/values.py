"""Values for tests: one of each corner, and a generator of random trees."""

import math
import random
import struct


def double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


INTS = sorted(
    {
        sign * (2**n + d)
        for n in (0, 1, 7, 8, 15, 16, 29, 30, 31, 32, 59, 60, 61, 62, 63, 64, 65, 127, 128, 200)
        for d in (-2, -1, 0, 1, 2)
        for sign in (1, -1)
    }
)
LONG_INTS = [
    sign * (10**digits + d)
    for digits in (20, 100, 1000, 9999)
    for d in (-1, 0, 7)
    for sign in (1, -1)
]
FLOATS = [
    0.0, -0.0, 1.0, -1.0, 0.1, math.pi, 1e300, -1e300, 5e-324, -5e-324, 2.2250738585072014e-308,
    1.7976931348623157e308, math.inf, -math.inf, math.nan, -math.nan,
    2.0**-255, 2.0**-256, 2.0**256, 2.0**257, -(2.0**-255), 1.7272337110188890e-77,
    double(0x7FF0000000000001), double(0xFFF8DEADBEEF0001), double(0x3000000000000000),
    double(0x3000000000000001), double(0x4FFFFFFFFFFFFFFF), double(0x5000000000000000),
]  # fmt: skip
COMPLEX = [0j, complex(-0.0, -0.0), 1 + 2j, complex(math.nan, math.inf), complex(0.5, -0.0)]
STRINGS = [
    "", "a", "\x00", "\x7f", "\x80", "\xff", "ab", "a\x00b", "\xe9t\xe9", "\u0100", "\u20ac",
    "a\u20ac", "\ud800", "\udfff", "x\ud800y", "\U0001f600", "a\U0010ffff", "\x80" * 7, "x" * 8,
    "x" * 63, "x" * 64, "x" * 65, "\u20ac" * 33, "\U0001f600" * 17, "long" * 5000,
]  # fmt: skip
BYTES = [b"", b"\x00", b"a", b"\xff", b"ab", bytes(range(256)), b"x" * 63, b"x" * 64, b"x" * 20000]
RANGES = [range(0), range(1), range(5, 1), range(-3, 10, 4), range(10**30, -(10**30), -(10**25))]
SINGLETONS = [None, True, False, Ellipsis, NotImplemented]
LEAVES = [*SINGLETONS, *INTS, *LONG_INTS, *FLOATS, *COMPLEX, *STRINGS, *BYTES, *RANGES]
COMPOUND = [
    (), (1,), (1, 2), ((),), ("a", ("b", ("c",))), tuple(range(1000)), tuple(FLOATS),
    tuple(STRINGS), tuple(BYTES), tuple(RANGES), tuple(LONG_INTS), (SINGLETONS[0],) * 7,
    frozenset(), frozenset({1}), frozenset({1, "a", b"a", 2.5, None, (1, 2), frozenset({3})}),
    frozenset(STRINGS), frozenset(INTS), (frozenset({(frozenset({(1,)}),)}), 2),
    ("x" * 20000,), (b"y" * 20000, 1),
]  # fmt: skip


def identical(a, b):
    """Whether both are the same type and content, bit for bit, all the way down."""
    work = [(a, b)]
    while work:
        a, b = work.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, float):
            if bits(a) != bits(b):
                return False
        elif isinstance(a, complex):
            work += [(a.real, b.real), (a.imag, b.imag)]
        elif isinstance(a, (tuple, list)):
            if len(a) != len(b):
                return False
            work.extend(zip(a, b, strict=True))
        elif isinstance(a, dict):
            if len(a) != len(b):
                return False
            work.extend(zip(a.items(), b.items(), strict=True))
        elif isinstance(a, (set, frozenset)):
            if sorted(map(form, a)) != sorted(map(form, b)):
                return False
        elif isinstance(a, range):
            if (a.start, a.stop, a.step) != (b.start, b.stop, b.step):
                return False
        elif a != b:
            return False
    return True


def form(x):
    """A str that tells apart what `identical` tells apart; for what a set can hold."""
    if isinstance(x, float):
        return f"float {bits(x)}"
    if isinstance(x, complex):
        return f"complex {bits(x.real)} {bits(x.imag)}"
    if isinstance(x, tuple):
        return f"({','.join(map(form, x))})"
    if isinstance(x, frozenset):
        return f"{{{','.join(sorted(map(form, x)))}}}"
    if isinstance(x, int) and type(x) is int:
        return f"int {x:x}"
    if isinstance(x, range):
        return f"range {x.start:x} {x.stop:x} {x.step:x}"
    return f"{type(x).__name__} {x!a}"


def leaves(value):
    work = [value]
    while work:
        value = work.pop()
        if isinstance(value, (tuple, frozenset)):
            work.extend(value)
        else:
            yield value


def random_leaf(rng):
    kind = rng.randrange(12)
    if kind < 3:
        return rng.choice(LEAVES)
    if kind < 5:
        return rng.randint(-(2 ** rng.randrange(1, 80)), 2 ** rng.randrange(1, 80))
    if kind == 5:
        return rng.uniform(-1e6, 1e6)
    if kind == 6:
        return double(rng.getrandbits(64))
    if kind == 7:
        return rng.randbytes(rng.randrange(40))
    top = rng.choice([0x7F, 0xFF, 0xFFFF, 0x10FFFF])
    return "".join(chr(rng.randint(0, top)) for _ in range(rng.randrange(30)))


def random_value(rng, depth=4):
    """A random value: leaves, tuples, frozensets."""
    kind = rng.randrange(6)
    if depth == 0 or kind < 3:
        return random_leaf(rng)
    parts = [random_value(rng, depth - 1) for _ in range(rng.randrange(7))]
    return frozenset(parts) if kind == 5 else tuple(parts)


def random_message(rng, size=40):
    """A random message: a graph of mutable and immutable containers with shared and
    cyclic references."""
    nodes = [rng.choice([list, dict, set])() for _ in range(1 + rng.randrange(size))]
    pool = [random_value(rng, 2) for _ in range(size)]
    pool += [bytearray(rng.randbytes(rng.randrange(100))) for _ in range(3)]
    pool += ["shared " * 20, b"shared " * 20]

    def child():
        kind = rng.randrange(4)
        if kind == 0:
            return rng.choice(nodes)
        if kind == 1:
            return tuple(child() for _ in range(rng.randrange(4)))
        return rng.choice(pool)

    for node in nodes:
        for _ in range(rng.randrange(6)):
            if isinstance(node, list):
                node.append(child())
            elif isinstance(node, dict):
                node[random_value(rng, 2)] = child()
            else:
                node.add(random_value(rng, 2))
    return nodes[0] if rng.random() < 0.5 else nodes


def same_graph(a, b):
    """Whether both graphs look alike: the same trees, with the same sharing of containers."""
    forth, back = {}, {}
    work = [(a, b)]
    while work:
        a, b = work.pop()
        if type(a) is not type(b):
            return False
        if not isinstance(a, (list, dict, set, bytearray, tuple)) or a == ():
            if not identical(a, b):
                return False
            continue
        if id(a) in forth or id(b) in back:
            if forth.get(id(a)) != id(b) or back.get(id(b)) != id(a):
                return False
            continue
        forth[id(a)], back[id(b)] = id(b), id(a)
        if isinstance(a, (set, bytearray)):
            if not identical(a, b):
                return False
            continue
        if len(a) != len(b):
            return False
        if isinstance(a, dict):
            for (k1, v1), (k2, v2) in zip(a.items(), b.items(), strict=True):
                if form(k1) != form(k2):
                    return False
                work.append((v1, v2))
        else:
            work.extend(zip(a, b, strict=True))
    return True


def rng(seed=None):
    seed = random.randrange(2**32) if seed is None else seed
    print(f"seed {seed}")
    return random.Random(seed)


def describe(root):
    """What a graph looks like, records included: each object by the number under which it was
    met first. Members of sets are told apart, and brought into order, by their tag."""
    containers = (list, dict, set, frozenset, tuple)
    numbers, lines, work = {}, [], []
    kept = []  # so that no address is used again

    def name(x):
        if not isinstance(x, containers) and not hasattr(type(x), "__dataclass_fields__"):
            return repr(x)
        if id(x) not in numbers:
            numbers[id(x)] = len(numbers)
            kept.append(x)
            work.append(x)
        return numbers[id(x)]

    def tag(x):
        return str(tag(x[0]) if isinstance(x, tuple) else getattr(x, "tag", x))

    name([root])
    while work:
        x = work.pop(0)
        if isinstance(x, (set, frozenset)):
            parts = [name(member) for member in sorted(x, key=tag)]
        elif isinstance(x, dict):
            parts = [(name(k), name(v)) for k, v in x.items()]
        elif isinstance(x, (list, tuple)):
            parts = [name(item) for item in x]
        else:
            parts = [(f, name(getattr(x, f))) for f in type(x).__dataclass_fields__ if f != "seed"]
        lines.append((type(x), parts))
    return lines
