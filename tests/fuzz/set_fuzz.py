"""Drives SharedSet and a set with the same random operations and compares everything.

usage: set_fuzz.py [--steps N] [--seconds S] [--seed SEED]    (or: make fuzz FUZZ=set ARGS="...")

What it must be like is the keys of a dict, which are a set that keeps its order. What differs on
purpose is not asked: a NaN comes out as a fresh object, so that Python's own sets take it for
another one.
"""

import operator
import sys
from collections import OrderedDict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from differential import NOT_HASHABLE, Mismatch, Raised, Run, alike, has_nan, main, outcome

from sharedobj import SharedDict, SharedSet

NO_KEYS = [range(3), ..., object(), (1, object()), frozenset((range(2), "a"))]
OPERATORS = [operator.or_, operator.and_, operator.sub, operator.xor]
IN_PLACE = [operator.ior, operator.iand, operator.isub, operator.ixor]
METHODS = ["union", "intersection", "difference", "symmetric_difference"]
UPDATES = ["update", "intersection_update", "difference_update", "symmetric_difference_update"]
COMPARISONS = [operator.eq, operator.ne, operator.le, operator.lt, operator.ge, operator.gt]
KINDS = [
    set,
    frozenset,
    SharedSet,
    lambda items: dict.fromkeys(items).keys(),
    lambda items: SharedDict.fromkeys(items).keys(),
]


class SetFuzz(Run):
    program = "set_fuzz.py"

    def __init__(self, seed):
        super().__init__(seed)
        self.d, self.o = SharedSet(), {}

    # ---- comparing

    def same(self, mine, theirs):
        if type(theirs) in (set, frozenset):
            # Which spelling of an element it is, and the order, is nobody's promise.
            right = type(mine) is type(theirs) and mine == theirs
        else:
            right = mine is theirs or alike(mine, theirs)
        if not right:
            raise Mismatch(f"{mine!r:.500} instead of {theirs!r:.500}")

    def check(self):
        self.same(list(self.d), list(self.o))
        self.same(len(self.d), len(self.o))

    def without_nan(self):
        return not self.large() and not any(map(has_nan, self.o))

    # ---- one item

    def do_add(self, weight=70):
        key = self.key()
        absent = key not in self.o
        self.o.setdefault(key)
        self.same(self.d.add(key), absent)

    def do_discard(self, weight=15):
        key = self.key()
        there = key in self.o
        self.o.pop(key, None)
        self.same(self.d.discard(key), there)

    def do_remove(self, weight=15):
        key = self.key()
        self.same(outcome(self.d.remove, key), outcome(self.o.__delitem__, key))

    def do_in(self, weight=20):
        key = self.key()
        self.same(key in self.d, key in self.o)

    def do_pop(self, weight=25):
        theirs = outcome(self.o.popitem)
        self.same(outcome(self.d.pop), theirs if isinstance(theirs, Raised) else theirs[0])

    def do_drain(self, weight=1):
        for _ in range(int(self.random() * len(self.o) * 1.1)):
            self.do_pop()

    def do_a_set_as_an_item(self, weight=6):
        """Looked for, it stands for the frozenset of its items."""
        items = self.some(self.plain, 3)
        made = outcome(frozenset, items)
        looked_for = made if isinstance(made, Raised) else (set, SharedSet)[self.half()](items)
        if self.random() < 0.5:
            self.d.add(made)
            self.o.setdefault(made)
        self.same(looked_for in self.d, made in self.o)
        self.same(outcome(self.d.add, looked_for), Raised(TypeError))
        self.same(self.d.discard(looked_for), made in self.o)
        self.o.pop(made, None)

    def do_what_is_no_item(self, weight=4):
        unhashable = self.half()
        table = NOT_HASHABLE if unhashable else NO_KEYS
        key = table[int(self.random() * len(table))]
        self.same(outcome(self.d.add, key), Raised(TypeError))
        if not isinstance(key, set):
            for method in self.d.remove, self.d.discard, self.d.__contains__:
                self.same(outcome(method, key), Raised(TypeError))
        self.same(outcome(self.d.symmetric_difference_update, [self.key(), key]), Raised(TypeError))
        if not unhashable:
            self.d.difference_update([key])
            self.same(self.d.isdisjoint([key]), True)
            self.same(self.d.issuperset([key]), False)

    def half(self):
        return self.random() < 0.5

    # ---- other sets

    def other(self):
        """Part of the content, and something else; no NaNs."""
        items = [x for x in self.o if self.random() < 0.7] if self.half() else []
        return items + self.some(self.plain, 4)

    def iterables(self, items):
        kind = int(self.random() * 8)
        if kind < len(KINDS):
            return KINDS[kind](items)
        return [items, tuple(items), iter(items)][kind - len(KINDS)]

    def do_operator(self, weight=6):
        if not self.without_nan():
            return
        n, kind, items = int(self.random() * 4), int(self.random() * len(KINDS)), self.other()
        right = KINDS[kind](items)
        result = OPERATORS[n](self.d, right)
        self.same(type(result), SharedSet)
        self.same(set(result), OPERATORS[n](set(self.o), set(items)))
        result = OPERATORS[n](right, self.d)
        self.same(type(result), [set, frozenset, SharedSet, set, set][kind])
        self.same(set(result), OPERATORS[n](set(items), set(self.o)))

    def change(self, n, items):
        """What an update does to the oracle; returns whether the order is known then."""
        if n == 0:
            for item in items:
                self.o.setdefault(item)
        elif n == 3:
            for item in dict.fromkeys(items):
                if item in self.o:
                    del self.o[item]
                else:
                    self.o[item] = None
        else:
            for item in list(self.o):
                if (item in dict.fromkeys(items)) == (n == 2):
                    del self.o[item]

    def settle(self):
        """After what takes items in no certain order: the same set, and from here on its order."""
        self.same(set(self.d), set(self.o))
        self.o = dict.fromkeys(self.d)

    def do_in_place(self, weight=6):
        if not self.without_nan():
            return
        n, items, before = int(self.random() * 4), self.other(), self.d
        self.d = IN_PLACE[n](self.d, KINDS[int(self.random() * len(KINDS))](items))
        self.same(self.d is before, True)
        self.change(n, items)
        self.settle()

    def do_update(self, weight=8):
        if not self.without_nan():
            return
        n, items = int(self.random() * 4), self.other()
        self.same(getattr(self.d, UPDATES[n])(self.iterables(items)), None)
        self.change(n, items)
        self.settle()

    def do_update_in_order(self, weight=4):
        items = self.some(self.key)
        self.d.update(items)
        self.change(0, items)

    def do_update_that_fails(self, weight=2):
        bad = NOT_HASHABLE[int(self.random() * len(NOT_HASHABLE))]
        items = self.some(self.key)
        self.same(outcome(self.d.update, [*items, bad, "more"]), Raised(TypeError))
        self.change(0, items)

    def do_method(self, weight=6):
        if not self.without_nan():
            return
        n, items = int(self.random() * 4), self.other()
        result = getattr(self.d, METHODS[n])(self.iterables(items))
        self.same(type(result), SharedSet)
        self.same(set(result), getattr(set(self.o), METHODS[n])(items))

    def do_several(self, weight=3):
        if not self.without_nan():
            return
        n, lists = int(self.random() * 3), self.some(self.other, 4)
        result = getattr(self.d, METHODS[n])(*map(self.iterables, lists))
        expected = getattr(set(self.o), METHODS[n])(*lists)
        self.same(set(result), expected)
        getattr(self.d, UPDATES[n])(*map(self.iterables, lists))
        self.same(set(self.d), expected)
        self.o = dict.fromkeys(self.d)

    def do_compare(self, weight=5):
        if not self.without_nan():
            return
        items = self.other() if self.random() < 0.8 else list(self.o)
        right = KINDS[int(self.random() * len(KINDS))](items)
        for compare in COMPARISONS:
            self.same(compare(self.d, right), compare(set(self.o), set(items)))
            self.same(compare(right, self.d), compare(set(items), set(self.o)))
        for name in "issubset", "issuperset", "isdisjoint":
            self.same(
                getattr(self.d, name)(self.iterables(items)), getattr(set(self.o), name)(items)
            )

    # ---- the whole

    def do_copy(self, weight=1):
        if not self.large():
            self.d = self.d.copy()

    def do_construct(self, weight=1):
        if not self.large():
            self.d = SharedSet((list, OrderedDict.fromkeys, iter)[int(self.random() * 3)](self.o))

    def do_replace(self, weight=1):
        if not self.large():
            items = self.some(self.key, 30)
            self.d.replace(items)
            self.o = dict.fromkeys(items)

    def do_snapshot(self, weight=1):
        if self.without_nan():
            self.same(self.d.snapshot(), set(self.o))

    def do_iterate_with_changes(self, weight=2):
        if self.large():
            return
        for mine, theirs in zip(self.d, list(self.o), strict=True):
            self.same(mine, theirs)
            if self.random() < 0.2:
                self.d.remove(theirs)
                del self.o[theirs]
                if self.half():
                    self.d.add(theirs)
                    self.o[theirs] = None


if __name__ == "__main__":
    main(SetFuzz, __doc__)
