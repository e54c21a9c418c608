"""One SharedList against list: single operations, loop included; and 10^6 items at once."""

import array
import time

import harness

import sharedobj as so

SIZE = 1000
LARGE = 1_000_000
FRESH = 10**9  # ints beyond the small ones that CPython keeps ready
VALUES = {
    "small ints": lambda number: number % 200,
    "large ints": lambda number: FRESH + number,
    "floats": lambda number: number + 0.5,
    "strs of 10": lambda number: f"value {number:4d}",
    "strs of 1024": lambda number: f"value {number:4d}".ljust(1024, "."),
}

# What is measured: the kinds of values, and the loop over a list and over ours.
READ, WALK, WRITE = "for i in places: l[i]", "for x in l: pass", "for i in places: l[i] = value"
OPERATIONS = {
    "l[i]": (list(VALUES), READ, READ),
    "for x in l": (list(VALUES), WALK, WALK),
    "l[i] = v": (["large ints", "strs of 10"], WRITE, WRITE),
    "append (and clear)": (
        ["large ints", "strs of 10"],
        *["l.clear()\nfor i in places: append(value)"] * 2,
    ),
    "append and pop": (["large ints"], *["for i in places: append(value); pop()"] * 2),
    "add 1: l[i] += 1 of list, l.increment(i)": (
        ["large ints"],
        "for i in places: l[i] += 1",
        "for i in places: increment(i)",
    ),
    "x in l, the last one": (["large ints"], *["last in l"] * 2),
    "l.insert(0, x); l.pop(0)": (["large ints"], *["l.insert(0, value); l.pop(0)"] * 2),
    "l[10:20]": (["large ints"], *["l[10:20]"] * 2),
    "a plain copy: l.copy(), l.snapshot()": (["large ints"], "l.copy()", "l.snapshot()"),
}
ONCE = {"x in l, the last one", "l.insert(0, x); l.pop(0)", "l[10:20]"}


def elsewhere(loops, shared, body, value, size):
    """The same loop, in another interpreter."""
    import time

    lines = "".join(f"    {line}\n" for line in body.splitlines())
    space = {"clock": time.thread_time}
    exec(
        "def run(loops, l, places, value, last):\n"
        "  append = l.append; pop = l.pop; increment = l.increment\n"
        "  times = range(loops)\n"
        "  begin = clock()\n"
        "  for _ in times:\n"
        f"{lines}"
        "  return clock() - begin\n",
        space,
    )
    return space["run"](loops, shared, range(size), value, shared[-1])


def names_for(container, kind):
    return {
        "l": container,
        "places": range(SIZE),
        "value": VALUES[kind](1),
        "last": VALUES[kind](SIZE - 1),
        "append": container.append,
        "pop": container.pop,
        "increment": getattr(container, "increment", None),
    }


def compare(place, operation, kind, plain_body, our_body, quick):
    content = [VALUES[kind](number) for number in range(SIZE)]
    plain, ours, other = list(content), so.SharedList(content), so.SharedList(content)
    candidates = {
        "list": harness.timed(plain_body, **names_for(plain, kind)),
        "SharedList": harness.timed(our_body, **names_for(ours, kind)),
        "SharedList, from another interpreter": place.candidate(
            elsewhere, other, our_body, VALUES[kind](1), SIZE
        ),
    }
    title = f"SharedList of {SIZE} {kind}, {operation}"
    per = 1 if operation in ONCE else SIZE
    return harness.compare(title, candidates, per=per, quick=quick)


def large(quick):
    """10^6 ints in one call; what is made is let go of outside of the time."""
    content = [FRESH + number for number in range(LARGE)]
    shared, numbers = so.SharedList(content), array.array("q", content)

    def timed(function):
        def run(loops):
            total = 0.0
            for _ in range(loops):
                begin = time.thread_time()
                made = function()
                total += time.thread_time() - begin
                del made
            return total

        return run

    def filled(kind, items):
        made = kind()
        made.extend(items)
        return made

    def rows(title, candidates):
        return harness.compare(
            f"SharedList, {LARGE:,} ints, {title}",
            {name: timed(function) for name, function in candidates.items()},
            per=LARGE,
            quick=quick,
            rounds=9,
            seconds=0.05,
        )

    return [
        rows(
            "extend",
            {
                "list.extend(list)": lambda: filled(list, content),
                "SharedList.extend(list)": lambda: filled(so.SharedList, content),
                "SharedList.extend(range)": lambda: filled(so.SharedList, range(LARGE)),
            },
        ),
        rows(
            "snapshot",
            {
                "array('q').tolist()": numbers.tolist,
                "SharedList.snapshot()": shared.snapshot,
                "list(SharedList)": lambda: list(shared),
                "SharedList.copy()": shared.copy,
            },
        ),
        rows(
            "sort of what is sorted",
            {
                "list.sort()": lambda: content.sort(),
                "SharedList.sort()": lambda: shared.sort(),
            },
        ),
        harness.fact(
            f"SharedList of {LARGE:,} ints",
            **{"bytes for an item": round(shared.nbytes / LARGE, 2)},
        ),
    ]


def main():
    options = harness.arguments()
    place = harness.Elsewhere()
    results = [
        compare(place, operation, kind, plain, ours, options.quick)
        for operation, (kinds, plain, ours) in OPERATIONS.items()
        for kind in kinds
    ]
    place.close()
    harness.report(*results, *large(options.quick))


if __name__ == "__main__":
    main()
