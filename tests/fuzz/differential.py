"""What the fuzzers have in common: they drive a type of ours and Python's own with the same random
operations and compare everything.

What is compared after each step: the result, or the type of the exception, bit for bit; and
every CHECK steps the whole content. The keys come from a small pool of troublemakers: equal
numbers of different types, equal hashes, NaNs, tuples of all that, lone surrogates, huge ints; in
some phases also from many ints and texts, so that the table grows and shrinks. A run depends on
nothing but its seed.
"""

import argparse
import math
import random
import sys
import time
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from values import identical

from sharedobj import AtomicInt, Channel, NotShareableError, SharedDict

CHECK = 256
NAN = math.nan
PRIME = sys.hash_info.modulus


def troublemakers():
    numbers = [
        0, False, 0.0, -0.0, 0j, 1, True, 1.0, 1 + 0j, -1, -1.0, -2, -2.0, 2.5, 3j,
        PRIME, PRIME + 1, 2 * PRIME, -PRIME, float(2**61), 2**61, 2**60, -(2**60) - 1, 2**63,
        2**64, 10**22, 1e22, 10**30, -(10**30), 10**400, math.inf, -math.inf, 5e-324, 1e300, NAN,
    ]  # fmt: skip
    texts = [
        "",
        "a",
        "b",
        "\x00",
        "é",
        "ÿy",
        "€",
        "\ud800",
        "a\udfff",
        "\U0001f600",
        "1",
        "k" * 5000,
    ]
    others = [None, b"", b"a", b"1", b"\xff" * 5000, (), frozenset(), Channel(), Channel()]
    flat = [*numbers, *texts[:8], *others[:3]]
    tuples = [(x,) for x in flat[::2]] + [(1, x) for x in flat[1::4]] + [((), (NAN, (1.0, "a")))]
    sets = [frozenset((x, "s")) for x in flat[::5]] + [frozenset((1, 2)), frozenset((2.0, True))]
    return [*numbers, *texts, *others, *tuples, *sets]


KEYS = troublemakers()
NOT_HASHABLE = [[], {}, set(), [1], ({},), ((), [2]), AtomicInt(), SharedDict()]
SIMPLE = {int, str, bytes, bool, type(None)}


def alike(a, b):
    """Whether both are the same, bit for bit; quick for what there is most of."""
    kind = type(a)
    if a is b or kind is not type(b):
        return a is b
    if kind in SIMPLE:
        return a == b
    if kind is tuple or kind is list:
        return len(a) == len(b) and all(map(alike, a, b))
    return identical(a, b)


class Mismatch(AssertionError):
    pass


def has_nan(x):
    if isinstance(x, (tuple, frozenset)):
        return any(map(has_nan, x))
    return x != x


def outcome(function, *args):
    """The result; or (of a kind of its own) the type of the exception."""
    try:
        return function(*args)
    except NotShareableError:
        return Raised(TypeError)
    except Exception as error:
        return Raised(type(error))


class Raised(tuple):
    def __new__(cls, error):
        return super().__new__(cls, (error,))


class Run:
    """One run: `d` is what is tested, `o` what it must be like. A subclass has a method do_x for
    each operation; its default argument is the weight."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.random = self.rng.random
        self.wide = 0
        self.trace = deque(maxlen=30)
        self.steps = 0
        self.operations = [
            getattr(type(self), name)
            for name in sorted(dir(type(self)))
            if name.startswith("do_")
            for _ in range(getattr(type(self), name).__defaults__[0])
        ]

    # ---- drawing

    def key(self):
        if self.wide and self.random() < 0.9:
            n = int(self.random() * self.wide)
            return n if n % 3 else f"text {n}"
        return KEYS[int(self.random() * len(KEYS))]

    def some(self, draw, most=8):
        return [draw() for _ in range(int(self.random() * most))]

    def plain(self):
        """No NaN: for what compares by ==, and for sets."""
        while has_nan(key := self.key()):
            pass
        return key

    def large(self):
        """Whether to leave out what looks at all of the dict: most times, if there is much."""
        return self.random() * len(self.o) > 50

    def do_clear(self, weight=1):
        self.d.clear()
        self.o.clear()

    def do_phase(self, weight=1):
        self.wide = 0 if self.random() < 0.5 else int(10 ** (1 + 2.5 * self.random()))

    def do_len(self, weight=5):
        self.same((len(self.d), bool(self.d)), (len(self.o), bool(self.o)))

    # ---- running

    def step(self):
        operation = self.operations[int(self.random() * len(self.operations))]
        self.trace.append(operation.__name__)
        self.steps += 1
        operation(self)
        if self.steps % CHECK == 0:
            self.check()


def fuzz(make, seed, steps, seconds=math.inf):
    """Returns: the number of steps done. Raises Mismatch, which says how to repeat it."""
    run, end = make(seed), time.monotonic() + seconds
    try:
        while run.steps < steps and time.monotonic() < end:
            for _ in range(min(CHECK, steps - run.steps)):
                run.step()
        run.check()
    except Exception as error:
        kind = error if isinstance(error, Mismatch) else f"{type(error).__name__}: {error}"
        raise Mismatch(
            f"seed {seed}, step {run.steps}: {kind}\nthe last operations: {', '.join(run.trace)}\n"
            f"to repeat it: {make.program} --seed {seed} --steps {run.steps}"
        ) from error
    return run.steps


def main(make, description):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5_000_000)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    begin = time.perf_counter()
    done = fuzz(make, options.seed, options.steps, options.seconds)
    took = time.perf_counter() - begin
    print(f"{done} steps in {took:.1f} s: no difference ({done / took:.0f} a second)")
