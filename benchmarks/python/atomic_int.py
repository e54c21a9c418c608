"""`a += 1` on an AtomicInt against an int, a lock, and other packages' atomic integers."""

import itertools
import threading

import harness

import sharedobj as so


def in_other_interpreter(loops, counter):
    import time

    a = counter
    times = range(loops)
    begin = time.thread_time()
    for _ in times:
        a += 1
    return time.thread_time() - begin


def locked():
    lock = threading.Lock()
    return harness.timed("with lock:\n  a += 1", a=0, lock=lock)


def peers():
    found = {}
    try:
        from cereggii import AtomicInt64

        found["cereggii AtomicInt64"] = harness.timed("a += 1", a=AtomicInt64(0))
    except ImportError:
        pass
    try:
        from ft_utils.concurrency import AtomicInt64 as Other

        found["ft_utils AtomicInt64"] = harness.timed("a += 1", a=Other(0))
    except ImportError:
        pass
    return found


def contended(options):
    """All threads add to one number; the time is that of one addition of one thread."""
    places = [harness.Elsewhere() for _ in range(2)]
    counter = so.AtomicInt()

    def both(loops):
        found = []
        threads = [
            threading.Thread(
                target=lambda p=p: found.append(p.candidate(in_other_interpreter, counter)(loops))
            )
            for p in places
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(found)

    result = harness.compare(
        "AtomicInt, `a += 1` in two interpreters at once on one number",
        {
            "one interpreter": places[0].candidate(in_other_interpreter, counter),
            "two at once": both,
        },
        quick=options.quick,
    )
    for place in places:
        place.close()
    return result


if __name__ == "__main__":
    options = harness.arguments()
    elsewhere = harness.Elsewhere()
    counter = so.AtomicInt()
    single = harness.compare(
        "AtomicInt, `a += 1` in a for loop",
        {
            "int += 1 (not atomic for others)": harness.timed("a += 1", a=0),
            "AtomicInt": harness.timed("a += 1", a=so.AtomicInt()),
            "AtomicInt of another interpreter": elsewhere.candidate(in_other_interpreter, counter),
            "AtomicInt.increment()": harness.timed("a.increment()", a=so.AtomicInt()),
            "int under threading.Lock": locked(),
            "next(itertools.count())": harness.timed("next(a)", a=itertools.count()),
            **peers(),
        },
        quick=options.quick,
    )
    elsewhere.close()
    harness.report(single, contended(options))
