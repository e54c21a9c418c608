"""Drives SharedDict and dict with the same random operations and compares everything.

usage: dict_fuzz.py [--steps N] [--seconds S] [--seed SEED]        (or: make fuzz ARGS="...")

The content is compared with its order, in both directions. What differs on purpose is not asked: a
NaN comes out as a fresh object, so that Python's own sets and comparisons, which look at the
identity first, take it for another one.
"""

import math
import sys
from collections import Counter, OrderedDict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from differential import (
    NAN,
    NOT_HASHABLE,
    Mismatch,
    Raised,
    Run,
    alike,
    has_nan,
    identical,
    main,
    outcome,
)

from sharedobj import MISSING, AtomicInt, Channel, SharedDict

VALUES = [
    *range(-3, 8), True, False, 0.0, -0.0, 1.5, -1e300, 1e300, NAN, math.inf, 2**53, 2**53 + 1,
    2**60 - 1, 2**60, -(2**60), 2**70, 10**40, None, "", "text", "\ud800x", "long " * 40, b"bytes",
    "x" * 20_000, (1, (2.5, "x", None)), frozenset((1, "a")), range(3), ..., 2j,
    AtomicInt(7), Channel(), SharedDict(inner=1),
]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 0.5, -0.0, 1e300, 2**60, -(2**70), True, 2**53, 1e16, 10**309]
NOT_SHAREABLE = [[], {}, {1}, object(), (1, [2]), bytearray()]


def is_number(x):
    return isinstance(x, (int, float))


class Fuzz(Run):
    program = "dict_fuzz.py"

    def __init__(self, seed):
        super().__init__(seed)
        self.d, self.o = SharedDict(), {}

    def value(self):
        return VALUES[int(self.random() * len(VALUES))]

    def number(self):
        return NUMBERS[int(self.random() * len(NUMBERS))]

    # ---- comparing

    def same(self, mine, theirs):
        if mine is theirs:
            return
        if type(mine) is set and type(theirs) is set:
            right = mine == theirs  # which spelling of an element it is is nobody's promise
        elif type(mine) is SharedDict:
            right = alike(list(mine.items()), list(theirs.items()))
        else:
            right = alike(mine, theirs)
        if not right:
            raise Mismatch(f"{mine!r:.500} instead of {theirs!r:.500}")

    def check(self):
        mine, theirs = list(self.d.items()), list(self.o.items())
        self.same(mine, theirs)
        self.same(list(reversed(self.d.items())), theirs[::-1])
        self.same(len(self.d), len(theirs))

    def without_nan(self):
        return not self.large() and not any(has_nan(k) or has_nan(v) for k, v in self.o.items())

    # ---- dict's operations; the default argument is the weight

    def do_set(self, weight=60):
        key, value = self.key(), self.value()
        self.d[key] = self.o[key] = value

    def do_delete(self, weight=15):
        key = self.key()
        self.same(outcome(self.d.__delitem__, key), outcome(self.o.__delitem__, key))

    def do_subscript(self, weight=15):
        key = self.key()
        self.same(outcome(self.d.__getitem__, key), outcome(self.o.__getitem__, key))

    def do_get(self, weight=15):
        key = self.key()
        self.same(self.d.get(key, "absent"), self.o.get(key, "absent"))

    def do_in(self, weight=15):
        key = self.key()
        self.same(key in self.d, key in self.o)

    def do_pop(self, weight=12):
        args = self.key(), *self.some(self.value, 2)
        self.same(outcome(self.d.pop, *args), outcome(self.o.pop, *args))

    def do_popitem(self, weight=25):
        self.same(outcome(self.d.popitem), outcome(self.o.popitem))

    def do_setdefault(self, weight=12):
        args = self.key(), *self.some(self.value, 2)
        self.same(self.d.setdefault(*args), self.o.setdefault(*args))

    def do_drain(self, weight=1):
        for _ in range(int(self.random() * len(self.o) * 1.1)):
            self.do_popitem()

    def items(self):
        return [(self.key(), self.value()) for _ in range(int(self.random() * 8))]

    def source(self):
        """The same items, as something that update() takes, and as a dict."""
        items = self.items()
        kind = int(self.random() * 6)
        plain = dict(items)
        if kind == 0:
            return plain, plain
        if kind == 1:
            return SharedDict(items), plain
        if kind == 2:
            return OrderedDict(items), plain
        if kind == 3:
            return plain.items(), plain
        if kind == 4:
            return [list(item) for item in items], plain
        return tuple(items), plain

    def do_update(self, weight=4):
        source, plain = self.source()
        names = {f"name{n}": n for n in range(int(self.random() * 3))}
        self.d.update(source, **names)
        self.o.update(plain, **names)

    def do_update_that_fails(self, weight=2):
        bad = [(1,), 5, (1, 2, 3), None, ([], 1), "abc"][int(self.random() * 6)]
        pairs = [*self.items(), bad, (self.key(), 0)]
        self.same(outcome(self.d.update, pairs), outcome(self.o.update, pairs))

    def do_or(self, weight=2):
        source, plain = self.source()
        if isinstance(source, (list, tuple)):
            self.same(outcome(lambda: self.d | source), outcome(lambda: self.o | source))
        elif not isinstance(source, (dict, SharedDict)):
            pass  # a view: do_view_as_set
        elif self.random() < 0.5:
            self.d, self.o = self.d | source, self.o | plain
        else:
            self.d, self.o = source | self.d, plain | self.o

    def do_inplace_or(self, weight=2):
        (source, plain), before = self.source(), self.d
        self.d |= source
        self.o |= plain
        self.same(self.d is before, True)

    def do_copy(self, weight=1):
        if self.large():
            return
        self.d, self.o = self.d.copy(), self.o.copy()

    def do_construct(self, weight=1):
        if self.large():
            return
        self.d, self.o = SharedDict(self.o), dict(self.o)

    def do_fromkeys(self, weight=1):
        keys, value = self.some(self.key, 12), self.value()
        self.same(self.d.fromkeys(keys, value), dict.fromkeys(keys, value))

    def do_snapshot(self, weight=1):
        if self.large():
            return
        self.same(self.d.snapshot(), self.o)

    def do_iterate(self, weight=2):
        if self.large():
            return
        for make in iter, reversed:
            self.same(list(make(self.d)), list(make(self.o)))
            self.same(list(make(self.d.values())), list(make(self.o.values())))

    def do_iterate_with_stores(self, weight=2):
        """Overwriting is what a dict, too, allows while it is iterated over."""
        if self.large():
            return
        make = iter if self.random() < 0.5 else reversed
        for mine, theirs in zip(make(self.d.items()), make(self.o.items()), strict=True):
            self.same(mine, theirs)
            if self.random() < 0.2:
                key = theirs[0]
                self.d[key] = self.o[key] = self.value()

    def do_equal(self, weight=1):
        if self.without_nan():
            other = dict(self.o)
            if self.random() < 0.5:
                other[self.plain()] = "other"
            self.same(self.d == other, self.o == other)
            self.same(other != self.d, other != self.o)
            self.same(self.d == SharedDict(other), self.o == other)

    def do_view_contains(self, weight=3):
        key = self.plain()
        value = self.o.get(key, 0) if self.random() < 0.7 else self.value()
        if not has_nan(value):
            self.same((key, value) in self.d.items(), (key, value) in self.o.items())
        self.same(key in self.d.keys(), key in self.o.keys())  # noqa: SIM118
        if self.without_nan():
            self.same("text" in self.d.values(), "text" in self.o.values())

    def do_view_as_set(self, weight=3):
        if not self.without_nan():
            return
        view = "keys" if self.random() < 0.7 else "items"
        if view == "items" and any(type(x).__hash__ is None for x in self.o.values()):
            return  # who is asked for a hash first is nobody's promise
        mine, theirs = getattr(self.d, view)(), getattr(self.o, view)()
        other = list(theirs) if self.random() < 0.5 else []
        other = [x for x in other if self.random() < 0.8] + self.some(self.plain, 3)
        if self.random() < 0.7:
            made = outcome((set, frozenset)[int(self.random() * 2)], other)
            other = other if isinstance(made, Raised) else made
        for name in "__and__", "__or__", "__sub__", "__xor__":
            result = outcome(getattr(theirs, name), other)
            result = result if isinstance(result, Raised) else set(result)
            self.same(outcome(getattr(mine, name), other), result)
        self.same(outcome(mine.isdisjoint, other), outcome(theirs.isdisjoint, other))
        if not isinstance(other, list):
            for name in "__le__", "__lt__", "__ge__", "__gt__", "__eq__", "__ne__":
                self.same(
                    outcome(getattr(mine, name), other), outcome(getattr(theirs, name), other)
                )
        self.same(outcome(mine.__eq__, theirs), outcome(theirs.__eq__, theirs))

    def do_what_is_no_key(self, weight=4):
        key = NOT_HASHABLE[int(self.random() * len(NOT_HASHABLE))]
        for name in "__getitem__", "__contains__", "__delitem__", "get", "pop", "setdefault":
            if name == "pop" and not self.o:
                continue  # an empty dict does not ask for the hash
            self.same(outcome(getattr(self.d, name), key), outcome(getattr(self.o, name), key))
        self.same(outcome(self.d.__setitem__, key, 1), outcome(self.o.__setitem__, key, 1))

    # ---- our own operations, against what they mean

    def do_what_is_no_value(self, weight=3):
        key = self.key()
        value = NOT_SHAREABLE[int(self.random() * len(NOT_SHAREABLE))]
        for action in (
            lambda: self.d.__setitem__(key, value),
            lambda: self.d.update({key: value}),
            lambda: self.d.exchange(key, value),
            lambda: self.d.compare_and_set(key, self.o.get(key, MISSING), value),
            lambda: self.d | {key: value},
        ):
            self.same(outcome(action), Raised(TypeError))

    def do_add(self, weight=5):
        key, value = self.key(), self.value()
        absent = key not in self.o
        self.o.setdefault(key, value)
        self.same(self.d.add(key, value), absent)

    def do_exchange(self, weight=5):
        key, value = self.key(), self.value()
        old = self.o.get(key, MISSING)
        self.o[key] = value
        self.same(self.d.exchange(key, value), old)

    def expected(self, key):
        if self.random() < 0.6:
            return self.o.get(key, MISSING)
        return MISSING if self.random() < 0.2 else self.value()

    def do_compare_and_set(self, weight=8):
        key = self.key()
        expected = self.expected(key)
        desired = MISSING if self.random() < 0.2 else self.value()
        hit = identical(self.o.get(key, MISSING), expected)
        if hit and desired is not MISSING:
            self.o[key] = desired
        elif hit:
            self.o.pop(key, None)
        self.same(self.d.compare_and_set(key, expected, desired), hit)

    def do_compare_and_delete(self, weight=5):
        key = self.key()
        expected = self.expected(key)
        hit = identical(self.o.get(key, MISSING), expected)
        if hit:
            self.o.pop(key, None)
        self.same(self.d.compare_and_delete(key, expected), hit)

    def sum_of(self, key, n, default=0):
        """What increment() does to the dict, and its result."""
        old = self.o.get(key, default)
        if not is_number(old):
            return Raised(TypeError)
        result = outcome(lambda: old + (int(n) if isinstance(n, int) else n))
        if not isinstance(result, Raised):
            self.o[key] = result
        return result

    def do_increment(self, weight=10):
        key, n, default = self.key(), self.number(), int(self.random() * 3)
        mine = outcome(self.d.increment, key, n, default)
        theirs = self.sum_of(key, n, default)
        if theirs != theirs:  # which NaN it is depends on the processor
            self.same(mine != mine, True)
            self.d[key] = self.o[key] = 0
        else:
            self.same(mine, theirs)

    def do_tally(self, weight=2):
        keys = [key for key in self.some(self.key, 12) if is_number(self.o.get(key, 0))]
        keys = [key for key in keys if not has_nan(self.o.get(key, 0))]
        for key in keys:
            self.sum_of(key, 1)
        self.same(self.d.tally(keys), len(keys))

    def do_reduce_sum(self, weight=2):
        counts = Counter(self.some(self.key, 12))
        counts = {k: n for k, n in counts.items() if type(self.o.get(k, 0)) is int}
        for key, n in counts.items():
            self.sum_of(key, n)
        self.same(self.d.reduce_sum(counts), len(counts))

    def do_reduce_best(self, weight=4):
        largest = self.random() < 0.5
        pairs = [(self.key(), self.number()) for _ in range(int(self.random() * 6))]
        done = 0
        for key, n in pairs:
            n = int(n) if isinstance(n, int) else n
            old = self.o.get(key, NAN)
            if not is_number(old):
                done = Raised(TypeError)
                break
            if old != old or (n > old if largest else n < old):
                self.o[key] = n
            done += 1
        self.same(outcome(self.d.reduce_max if largest else self.d.reduce_min, pairs), done)

    def do_get_many(self, weight=3):
        keys = self.some(self.key)
        self.same(self.d.get_many(keys, "none"), [self.o.get(key, "none") for key in keys])


if __name__ == "__main__":
    main(Fuzz, __doc__)
