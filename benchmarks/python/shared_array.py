"""SharedArray against AtomicInt, array.array and list; sums of many; two interpreters."""

import array
import threading

import harness

import sharedobj as so

N = 1_000_000


def increments(quick):
    """The loop of increment() against AtomicInt's, with and without a number to add."""
    names = {"a": so.SharedArray("q", 100), "f": so.SharedArray("d", 100), "n": so.AtomicInt()}
    return [
        harness.compare(
            "increment by 1",
            {
                "AtomicInt.increment()": harness.timed("n.increment()", n=names["n"]),
                "SharedArray('q').increment(i)": harness.timed("a.increment(i)", a=names["a"], i=7),
                "SharedArray('d').increment(i)": harness.timed("a.increment(i)", a=names["f"], i=7),
                "array[i] += 1 (loses updates)": harness.timed(
                    "a[i] += 1", a=array.array("q", bytes(800)), i=7
                ),
            },
            quick=quick,
        ),
        harness.compare(
            "increment by a number",
            {
                "AtomicInt.increment(k)": harness.timed("n.increment(k)", n=names["n"], k=3),
                "SharedArray('q').increment(i, k)": harness.timed(
                    "a.increment(i, k)", a=names["a"], i=7, k=3
                ),
                "SharedArray('d').increment(i, k)": harness.timed(
                    "a.increment(i, k)", a=names["f"], i=7, k=3.0
                ),
            },
            quick=quick,
        ),
    ]


def items(quick):
    """Reading and storing one item; fresh ints, which no cache of small ones helps with."""
    value = 10**6
    kinds = {
        "array.array('q')": array.array("q", [value] * 100),
        "list": [value] * 100,
        "SharedArray('q')": so.SharedArray("q", [value] * 100),
        "SharedArray('d')": so.SharedArray("d", [value] * 100),
        "memoryview of it": memoryview(so.SharedArray("q", [value] * 100)),
    }
    return [
        harness.compare(
            "a[i]",
            {name: harness.timed("a[i]", a=a, i=7) for name, a in kinds.items()},
            quick=quick,
        ),
        harness.compare(
            "a[i] = x",
            {
                name: harness.timed(
                    "a[i] = x", a=a, i=7, x=float(value) if "'d'" in name else value
                )
                for name, a in kinds.items()
                if name != "memoryview of it"
            },
            quick=quick,
        ),
    ]


def wholes(quick):
    """A million items at once."""
    plain = array.array("q", range(N))
    ours = so.SharedArray("q", plain)
    return harness.compare(
        "a million ints",
        {
            "array.array.tolist()": harness.timed("a.tolist()", a=plain),
            "SharedArray.tolist()": harness.timed("a.tolist()", a=ours),
            "list(SharedArray)": harness.timed("list(a)", a=ours),
            "sum(array.array)": harness.timed("sum(a)", a=plain),
            "sum(SharedArray)": harness.timed("sum(a)", a=ours),
            "SharedArray.copy()": harness.timed("a.copy()", a=ours),
            "bytes(SharedArray)": harness.timed("bytes(a)", a=ours),
            "SharedArray('q', array)": harness.timed("make('q', a)", make=so.SharedArray, a=plain),
        },
        unit="ms",
        quick=quick,
        rounds=7,
        seconds=0.05,
    )


def in_other_interpreter(loops, a, i):
    import time

    times = range(loops)
    begin = time.thread_time()
    for _ in times:
        a.increment(i)
    return time.thread_time() - begin


def contended(quick):
    """Two interpreters at once, on one item, on neighbours, on items of two cache lines."""
    places = [harness.Elsewhere() for _ in range(2)]
    a = so.SharedArray("q", 64)

    def both(i, k):
        def run(loops):
            found = []
            threads = [
                threading.Thread(
                    target=lambda p=p, at=at: found.append(
                        p.candidate(in_other_interpreter, a, at)(loops)
                    )
                )
                for p, at in zip(places, (i, k), strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return max(found)

        return run

    result = harness.compare(
        "increment in two interpreters at once",
        {
            "one interpreter": lambda loops: places[0].candidate(in_other_interpreter, a, 0)(loops),
            "two, one item": both(0, 0),
            "two, neighbours": both(0, 1),
            "two, apart": both(0, 32),
        },
        quick=quick,
        rounds=20,
    )
    for place in places:
        place.close()
    return result


if __name__ == "__main__":
    options = harness.arguments()
    harness.report(
        *increments(options.quick),
        *items(options.quick),
        wholes(options.quick),
        contended(options.quick),
    )
