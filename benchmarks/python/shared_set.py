"""One SharedSet of 1000 strs against set: single items and the set as a whole, loop included."""

import harness

import sharedobj as so

ITEMS = [f"item number {number}" for number in range(1000)]
ABSENT = [item + "!" for item in ITEMS]

# What is measured, how many operations that is, and the loop over a set and over ours.
HELD = "for x in items: x in s"
OPERATIONS = {
    "x in s": (1000, HELD, HELD),
    "x in s, absent": (1000, *["for x in absent: x in s"] * 2),
    "s.add(x), there already": (1000, *["for x in items: s.add(x)"] * 2),
    "s.discard(x), absent": (1000, *["for x in absent: s.discard(x)"] * 2),
    "s.add(x) and s.discard(x)": (
        2000,
        *["for x in absent: s.add(x)\nfor x in absent: s.discard(x)"] * 2,
    ),
    "s.update(items), there already": (1000, *["s.update(items)"] * 2),
    "for x in s": (1000, *["for x in s: pass"] * 2),
    "s | other, of 1000 each": (2000, *["s | other"] * 2),
    "s & other, nothing in common": (1000, *["s & other"] * 2),
    "a plain copy: set(s), s.snapshot()": (1000, "set(s)", "s.snapshot()"),
}


def elsewhere(loops, s, items):
    """HELD, in another interpreter. What only the first rounds cost, since the objects are new
    in each call, is not measured."""
    import time

    items = list(items)
    for n in range(-4, loops):
        if n == 0:
            begin = time.thread_time()
        for x in items:
            x in s  # noqa: B015
    return time.thread_time() - begin


def compare(place, operation, per, plain_body, our_body, quick):
    def candidate(s, body):
        return harness.timed(body, s=s, items=ITEMS, absent=ABSENT, other=set(ABSENT))

    candidates = {
        "set": candidate(set(ITEMS), plain_body),
        "SharedSet": candidate(so.SharedSet(ITEMS), our_body),
    }
    if our_body is HELD:
        candidates["SharedSet, from another interpreter"] = place.candidate(
            elsewhere, so.SharedSet(ITEMS), tuple(ITEMS)
        )
    title = f"SharedSet, 1000 strs, {operation}"
    return harness.compare(title, candidates, per=per, quick=quick)


def main():
    options = harness.arguments()
    place = harness.Elsewhere()
    results = [
        compare(place, operation, *how, options.quick) for operation, how in OPERATIONS.items()
    ]
    place.close()
    harness.report(*results)


if __name__ == "__main__":
    main()
