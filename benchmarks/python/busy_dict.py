"""A SharedDict that two use at the same time, against one that uses it alone.

On builds with a GIL the two are interpreters, on free-threaded builds threads. The time is
that of one of them, while the other one runs the same loop all along.
"""

import sys
import threading
import time

import harness

import sharedobj as so

KEYS = [f"key number {number}" for number in range(1000)]
HALF = len(KEYS) // 2
LOOPS = {
    "d[k]": "for k in keys: d[k]",
    "d[k] = v": "for k in keys: d[k] = 1234567890",
    "k in d": "for k in keys: k in d",
    "d.increment(k)": "for k in keys: increment(k)",
}
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


def loop_of(body):
    space = {}
    exec(
        "def run(clock, times, d, keys):\n"
        "  increment, append = getattr(d, 'increment', None), getattr(d, 'append', None)\n"
        "  lock = getattr(d, 'lock', None)\n"
        "  begin = clock()\n"
        "  for _ in times:\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
        + "  return clock() - begin\n",
        space,
    )
    return space["run"]


def keep_busy(d, keys, body, state):
    """Runs the loop until `state` is 2; sets it to 1 when it has begun."""
    import time

    from busy_dict import loop_of

    run, keys = loop_of(body), list(keys)
    run(time.thread_time, range(1), d, keys)
    state.set(1)
    while state.get() < 2:
        run(time.thread_time, range(20), d, keys)


def alone(d, keys, body, clock=time.thread_time):
    run = loop_of(body)
    return lambda loops: run(clock, range(loops), d, keys)


def in_company(place, body, d, keys, their_d, their_keys, clock=time.thread_time):
    """Our loop, while another one runs it through `their_d` on `their_keys`."""
    run = loop_of(body)

    def candidate(loops):
        state = so.AtomicInt(0)
        arguments = (their_d, tuple(their_keys), body, state)
        if place is not None:
            other = place.interpreter.call_in_thread(keep_busy, *arguments)
        else:
            other = threading.Thread(target=keep_busy, args=arguments)
            other.start()
        state.wait(0)
        took = run(clock, range(loops), d, keys)
        state.set(2)
        other.join()
        return took

    return candidate


def filled(container):
    for number, key in enumerate(KEYS):
        container[key] = 10**9 + number
    return container


def compare(place, operation, body, quick):
    d, plain = filled(so.SharedDict()), filled({})
    own, theirs, hot = KEYS[:HALF], KEYS[HALF:], [KEYS[0]] * HALF
    # Of one object both threads would count the references.
    hot_there = ["".join(list(KEYS[0]))] * HALF
    two = "two threads" if place is None else "two interpreters"
    other = d.local() if place is None else d
    candidates = {
        "SharedDict, alone": alone(d, own, body),
        f"SharedDict, {two}, different keys": in_company(place, body, d, own, other, theirs),
        f"SharedDict, {two}, the same keys": in_company(place, body, d, own, other, own),
        f"SharedDict, {two}, one hot key": in_company(place, body, d, hot, other, hot_there),
    }
    if place is None and "increment" not in body:
        candidates |= {
            "SharedDict, two threads, one handle": in_company(None, body, d, own, d, theirs),
            "dict, alone": alone(plain, own, body),
            "dict, two threads": in_company(None, body, plain, own, plain, theirs),
        }
    return harness.compare(
        f"SharedDict, {operation}, {two}",
        candidates,
        per=HALF,
        quick=quick,
        rounds=30,
        seconds=0.02,
    )


def main():
    options = harness.arguments()
    place = None if FREE_THREADED else harness.Elsewhere()
    results = [compare(place, operation, body, options.quick) for operation, body in LOOPS.items()]
    if place is not None:
        place.close()
    harness.report(*results)


if __name__ == "__main__":
    main()
