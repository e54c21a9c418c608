"""A SharedDict of 10^6 str keys: reads in random order, building, bytes per entry."""

import random
import time

import harness

import sharedobj as so

SIZE = 1_000_000
STEPS = 20_000  # reads in a loop: parts of one walk through all keys in random order


def walks():
    """The keys of all entries in random order, in pieces, for ever.

    Equal keys are other objects than those in the dict, as where they come from a file.
    """
    order = [f"key{number:08d}" for number in range(SIZE)]
    random.Random(1).shuffle(order)
    pieces = [order[begin : begin + STEPS] for begin in range(0, SIZE, STEPS)]
    while True:
        yield from pieces


def containers(entries):
    found = {"dict": dict(entries), "SharedDict": so.SharedDict(entries)}
    try:
        from cereggii import AtomicDict

        found["cereggii AtomicDict (threads only)"] = AtomicDict(entries)
    except ImportError:
        pass
    try:
        from ft_utils.concurrency import ConcurrentDict

        peer = found["ft_utils ConcurrentDict (threads only)"] = ConcurrentDict()
        for key, value in entries.items():
            peer[key] = value
    except ImportError:
        pass
    return found


def reading(found, quick):
    return harness.compare(
        f"SharedDict, {SIZE:,} str keys in random order, d[k] of ints",
        {
            name: harness.timed("for k in next(keys): d[k]", d=container, keys=walks())
            for name, container in found.items()
        },
        per=STEPS,
        quick=quick,
        rounds=40,
        seconds=0.01,
    )


def building(entries, quick):
    def made_by(make):
        def run(loops):
            total = 0.0
            for _ in range(loops):
                begin = time.thread_time()
                made = make(entries)
                total += time.thread_time() - begin
                del made  # not part of it
            return total

        return run

    return harness.compare(
        f"SharedDict of {SIZE:,} entries made from a dict",
        {
            "dict(entries)": made_by(dict),
            "SharedDict(entries)": made_by(so.SharedDict),
            "dict, in a loop": made_by(lambda e: {k: v for k, v in e.items()}),
        },
        per=SIZE,
        quick=quick,
        rounds=7,
        seconds=0.1,
    )


def main():
    options = harness.arguments()
    entries = {f"key{number:08d}": 10**9 + number for number in range(SIZE)}
    found = containers(entries)
    bytes_each = found["SharedDict"].nbytes / SIZE
    results = [reading(found, options.quick)]
    found.clear()
    results.append(building(entries, options.quick))
    results.append(
        harness.fact(
            f"SharedDict of {SIZE:,} entries, str keys of 11 characters, int values",
            **{"bytes for an entry": round(bytes_each, 1)},
        )
    )
    harness.report(*results)


if __name__ == "__main__":
    main()
