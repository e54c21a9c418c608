"""A SharedList that two use at the same time, against one that uses it alone.

As busy_dict.py: interpreters on builds with a GIL, threads on free-threaded builds. Appends
are timed by the clock on the wall, since who waits for a lock uses no processor.
"""

import threading
import time

import harness
from busy_dict import FREE_THREADED, alone, in_company

import sharedobj as so

SIZE = 1000
HALF = SIZE // 2
OWN, THEIRS = range(HALF), range(HALF, SIZE)
MOST = 1_000_000
LOOPS = {
    "l[i]": "for k in keys: d[k]",
    "l[i] = v": "for k in keys: d[k] = 1234567890",
    "l.increment(i)": "for k in keys: increment(k)",
}
APPEND = f"for k in keys: append(k)\nif len(d) > {MOST}: d.clear()"
APPEND_LOCKED = (
    f"for k in keys:\n  with lock: append(k)\nif len(d) > {MOST}:\n  with lock: d.clear()"
)


class LockedList(list):
    """What a program does that wants more of a list than single steps."""

    def __init__(self):
        self.lock = threading.Lock()


def items(place, operation, body, quick):
    l = so.SharedList(10**9 + number for number in range(SIZE))  # noqa: E741
    plain = list(l)
    two = "two threads" if place is None else "two interpreters"
    other = l.local() if place is None else l
    candidates = {
        "SharedList, alone": alone(l, OWN, body),
        f"SharedList, {two}, different items": in_company(place, body, l, OWN, other, THEIRS),
        f"SharedList, {two}, the same items": in_company(place, body, l, OWN, other, OWN),
    }
    if place is None and "increment" not in body:
        candidates |= {
            "SharedList, two threads, one handle": in_company(None, body, l, OWN, l, THEIRS),
            "list, alone": alone(plain, OWN, body),
            "list, two threads": in_company(None, body, plain, OWN, plain, THEIRS),
        }
    return measured(f"SharedList, {operation}, {two}", candidates, quick)


def appends(place, quick):
    l, locked = so.SharedList(), LockedList()  # noqa: E741
    two = "two threads" if place is None else "two interpreters"
    other = l.local() if place is None else l
    wall = time.perf_counter
    candidates = {
        "SharedList, alone": alone(l, OWN, APPEND, wall),
        f"SharedList, {two}": in_company(place, APPEND, l, OWN, other, THEIRS, wall),
    }
    if place is None:
        candidates |= {
            "list with a Lock, alone": alone(locked, OWN, APPEND_LOCKED, wall),
            "list with a Lock, two threads": in_company(
                None, APPEND_LOCKED, locked, OWN, locked, THEIRS, wall
            ),
        }
    return measured(f"SharedList, append, {two}", candidates, quick)


def measured(title, candidates, quick):
    return harness.compare(title, candidates, per=HALF, quick=quick, rounds=30, seconds=0.02)


def main():
    options = harness.arguments()
    place = None if FREE_THREADED else harness.Elsewhere()
    results = [items(place, operation, body, options.quick) for operation, body in LOOPS.items()]
    results.append(appends(place, options.quick))
    if place is not None:
        place.close()
    harness.report(*results)


if __name__ == "__main__":
    main()
