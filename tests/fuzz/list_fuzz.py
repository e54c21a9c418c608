"""Drives SharedList and a list with the same random operations and compares everything.

usage: list_fuzz.py [--steps N] [--seconds S] [--seed SEED]    (or: make fuzz FUZZ=list ARGS="...")

What differs on purpose is not asked: a NaN comes out as a fresh object, so that it is equal to
nothing that is looked for.
"""

import operator
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from differential import Mismatch, Raised, Run, alike, has_nan, main, outcome

from sharedobj import SharedList

NOT_SHAREABLE = [[], {}, set(), object(), ({},), (1, [2])]
COMPARISONS = [operator.eq, operator.ne, operator.le, operator.lt, operator.ge, operator.gt]
ADDENDS = [1, -1, 2.5, 2**60, -(2**61), 10**30, True, -0.0]
KINDS = [list, tuple, iter, SharedList, lambda items: (x for x in items)]
LONG = 3000  # some phases let the list grow to about this


class ListFuzz(Run):
    program = "list_fuzz.py"

    def __init__(self, seed):
        super().__init__(seed)
        self.d, self.o = SharedList(), []
        self.most = 40

    # ---- comparing

    def same(self, mine, theirs):
        if not (mine is theirs or alike(mine, theirs)):
            raise Mismatch(f"{mine!r:.500} instead of {theirs!r:.500}")

    def check(self):
        self.same(list(self.d), self.o)
        self.same(self.d.snapshot(), self.o)
        self.same(len(self.d), len(self.o))

    def both(self, method, *args):
        """The same call; what it gives, and what it raises, is the same."""
        self.same(outcome(getattr(self.d, method), *args), outcome(getattr(self.o, method), *args))

    # ---- drawing

    def index(self):
        """Mostly one that there is, from either end; seldom one far away."""
        if self.random() < 0.02:
            return (10**30, -(10**30), 2**62, -(2**63))[int(self.random() * 4)]
        return int((self.random() * 2.2 - 1.1) * (len(self.o) + 1))

    def bound(self):
        return None if self.random() < 0.25 else self.index()

    def slice(self):
        step = None
        if self.random() < 0.4:
            step = int(self.random() * 9) - 4 if self.random() < 0.95 else self.index()
        return slice(self.bound(), self.bound(), step)

    def iterable(self, items):
        """The items, and what gives them."""
        kind = int(self.random() * (len(KINDS) + 1))
        if kind == len(KINDS):
            items = list(dict.fromkeys(items))
            return items, dict.fromkeys(items)
        return items, KINDS[kind](items)

    def half(self):
        return self.random() < 0.5

    # ---- single items

    def do_append(self, weight=30):
        key = self.key()
        self.both("append", key)

    def do_push(self, weight=10):
        key = self.key()
        self.o.append(key)
        self.same(self.d.push(key), len(self.o) - 1)

    def do_insert(self, weight=12):
        self.both("insert", self.index(), self.key())

    def do_get(self, weight=30):
        self.both("__getitem__", self.index())

    def do_set(self, weight=30):
        self.both("__setitem__", self.index(), self.key())

    def do_delete(self, weight=8):
        self.both("__delitem__", self.index())

    def do_pop(self, weight=25):
        self.both("pop")

    def do_pop_at(self, weight=8):
        self.both("pop", self.index())

    def do_remove(self, weight=6):
        key = self.plain()
        if not any(map(has_nan, self.o)):
            self.both("remove", key)

    def do_search(self, weight=8):
        key = self.plain()
        self.same(key in self.d, key in self.o)
        self.both("count", key)
        self.both("index", key, *[self.index() for _ in range(int(self.random() * 3))])

    def do_exchange(self, weight=10):
        index, key = self.index(), self.key()
        old = outcome(self.o.__getitem__, index)
        if not isinstance(old, Raised):
            self.o[index] = key
        self.same(outcome(self.d.exchange, index, key), old)

    def do_compare_and_set(self, weight=10):
        index, key, expected = self.index(), self.key(), self.key()
        old = outcome(self.o.__getitem__, index)
        if not isinstance(old, Raised):
            if self.half():
                expected = old
            same = alike(old, expected)
            self.same(self.d.compare_and_set(index, expected, key), same)
            if same:
                self.o[index] = key
        else:
            self.same(outcome(self.d.compare_and_set, index, expected, key), old)

    def do_increment(self, weight=10):
        index, n = self.index(), ADDENDS[int(self.random() * len(ADDENDS))]
        old = outcome(self.o.__getitem__, index)
        if isinstance(old, Raised):
            expected = old
        elif type(old) not in (int, bool, float):
            expected = Raised(TypeError)
        else:
            expected = outcome(operator.add, old, n)
            if not isinstance(expected, Raised):
                self.o[index] = expected
        self.same(outcome(self.d.increment, index, n), expected)

    def do_not_shareable(self, weight=3):
        bad = NOT_SHAREABLE[int(self.random() * len(NOT_SHAREABLE))]
        for change in (
            self.d.append,
            self.d.push,
            lambda value: self.d.insert(0, value),
            lambda value: self.d.extend([self.key(), value]),
            lambda value: self.d.replace((self.key(), value)),
            lambda value: self.d.__setitem__(slice(0, 2), [1, value]),
        ):
            self.same(outcome(change, bad), Raised(TypeError))

    # ---- slices and the whole

    def do_get_slice(self, weight=12):
        part = self.slice()
        mine, theirs = outcome(self.d.__getitem__, part), outcome(self.o.__getitem__, part)
        if type(theirs) is list:
            self.same(type(mine), SharedList)
            mine = mine.snapshot()
        self.same(mine, theirs)

    def do_delete_slice(self, weight=5):
        if not self.large():
            self.both("__delitem__", self.slice())

    def do_set_slice(self, weight=12):
        part = self.slice()
        n = len(range(len(self.o))[part]) if part.step not in (None, 0) and self.half() else 0
        items = [self.key() for _ in range(n)] or self.some(self.key)
        items, given = self.iterable(items)
        theirs = outcome(self.o.__setitem__, part, items)
        self.same(outcome(self.d.__setitem__, part, given), theirs)

    def do_extend(self, weight=8):
        items, given = self.iterable(self.some(self.key, 8 if self.half() else self.most))
        self.o.extend(items)
        if self.half():
            self.same(self.d.extend(given), None)
        else:
            before = self.d
            self.d += given
            self.same(self.d is before, True)

    def do_extend_by_numbers(self, weight=3):
        start, step = self.index(), int(self.random() * 5) - 2 or 1
        items = range(start, start + step * int(self.random() * self.most), step)
        if abs(start) < 2**62:
            self.both("extend", items)

    def do_itself(self, weight=2):
        if len(self.o) > self.most:
            return
        kind = int(self.random() * 4)
        if kind == 0:
            self.d.extend(self.d)
            self.o.extend(self.o)
        elif kind == 1:
            part = self.slice()
            theirs = outcome(self.o.__setitem__, part, self.o)
            self.same(outcome(self.d.__setitem__, part, self.d), theirs)
        elif kind == 2:
            self.d = self.d + self.d
            self.o = self.o + self.o
        else:
            self.d.replace(self.d)

    def do_times(self, weight=2):
        n = int(self.random() * 4) - 1
        if len(self.o) < self.most:
            self.same((self.d * n).snapshot(), self.o * n)
            self.d *= n
            self.o *= n

    def do_plus(self, weight=3):
        items = self.some(self.key)
        right = (list, SharedList)[self.half()](items)
        if not self.large():
            self.same((self.d + right).snapshot(), self.o + items)

    def do_reverse(self, weight=3):
        if not self.large():
            self.both("reverse")
            self.same(list(reversed(self.d)), list(reversed(self.o)))

    def do_sort(self, weight=3):
        if self.large():
            return
        # Not what shows the order of a set, which is another in a fresh one.
        keys = [
            None,
            lambda value: len(str(value)),
            lambda value: str(type(value)),
            lambda value: 0,
        ]
        key, reverse = keys[int(self.random() * len(keys))], self.half()
        theirs = outcome(lambda: sorted(self.o, key=key, reverse=reverse))
        if not isinstance(theirs, Raised):
            self.o, theirs = theirs, None
        self.same(outcome(lambda: self.d.sort(key=key, reverse=reverse)), theirs)

    def do_trim(self, weight=6):
        """Keeps the length within the phase's."""
        if len(self.o) > self.most:
            n = int(self.random() * len(self.o))
            kind = int(self.random() * 4)
            if kind == 0:
                del self.d[n:], self.o[n:]
            elif kind == 1:
                del self.d[:n], self.o[:n]
            elif kind == 2:
                for _ in range(n):
                    self.both("pop")
            else:
                del self.d[::2], self.o[::2]

    def do_phase(self, weight=1):
        super().do_phase()
        self.most = 40 if self.random() < 0.7 else int(self.random() * LONG)

    def do_copy(self, weight=2):
        if not self.large():
            self.d = self.d.copy() if self.half() else self.d[:]

    def do_construct(self, weight=2):
        if not self.large():
            self.d = SharedList(iter(self.o) if self.half() else self.o)

    def do_replace(self, weight=2):
        items, given = self.iterable(self.some(self.key, self.most))
        self.o[:] = items
        self.same(self.d.replace(given), None)

    def do_compare(self, weight=4):
        if self.large() or any(map(has_nan, self.o)):
            return
        items = list(self.o)
        if items and self.half():
            items[int(self.random() * len(items))] = self.plain()
        del items[int(self.random() * (len(items) + 2)) :]
        right = (list, SharedList)[self.half()](items)
        for compare in COMPARISONS:
            self.same(outcome(compare, self.d, right), outcome(compare, self.o, items))
            self.same(outcome(compare, right, self.d), outcome(compare, items, self.o))

    def do_iterate_with_changes(self, weight=2):
        if self.large():
            return
        way = (iter, reversed)[self.half()]
        mine, theirs = way(self.d), way(self.o)
        for _ in range(200):
            got = next(theirs, self)
            self.same(next(mine, self), got)
            if got is self:
                break
            if self.random() < 0.2:
                self.do_delete()
            if self.random() < 0.15:
                self.do_insert()
            self.same(operator.length_hint(mine), operator.length_hint(theirs))
        self.same(next(mine, self), next(theirs, self))


if __name__ == "__main__":
    main(ListFuzz, __doc__)
