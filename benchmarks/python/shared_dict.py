"""One SharedDict of 1000 str keys against dict: single operations, loop included."""

import collections
import itertools
import multiprocessing
import time

import harness

import sharedobj as so

KEYS = [f"key number {number}" for number in range(1000)]
FRESH = 10**9  # ints beyond the small ones that CPython keeps ready
VALUES = {
    "ints": lambda number: FRESH + number,
    "floats": lambda number: number + 0.5,
    "strs of 10": lambda number: f"value {number:4d}",
    "strs of 64": lambda number: f"value {number:4d}".ljust(64, "."),
    "strs of 1024": lambda number: f"value {number:4d}".ljust(1024, "."),
}
# More key objects than anything would remember, each equal to one of KEYS.
COPIES = [["".join(key) for key in map(list, KEYS)] for _ in range(100)]

# What is measured, the kind of values, and the loop over a dict and over ours.
READ = "for k in keys: d[k]"
# Another value in each round: what a SharedDict holds already it need not store.
WRITE = "value = next(values)\nfor k in keys: d[k] = value"
COUNT = "for k in keys: increment(k)"
OPERATIONS = {
    **{f"d[k] of {kind}": (kind, READ, READ) for kind in VALUES if kind != "strs of 64"},
    "d[k] of ints, key objects that do not recur": ("ints", *["for k in next(copies): d[k]"] * 2),
    "d.get(k) of ints": ("ints", *["for k in keys: get(k)"] * 2),
    "k in d": ("ints", *["for k in keys: k in d"] * 2),
    "k in d, absent": ("ints", *["for k in absent: k in d"] * 2),
    "d[k] = v of ints": ("ints", WRITE, WRITE),
    "d[k] = v of strs of 64": ("strs of 64", WRITE, WRITE),
    "add 1: d[k] += 1 of dict, d.increment(k)": ("ints", "for k in keys: d[k] += 1", COUNT),
    "for k in d": ("ints", *["for k in d: pass"] * 2),
    "d.items()": ("ints", *["for k, v in d.items(): pass"] * 2),
    "a plain copy: dict(d), d.snapshot()": ("ints", "dict(d)", "d.snapshot()"),
}


def elsewhere(loops, d, keys, body, values):
    """The same loop, in another interpreter. What only its first rounds cost, since the key
    objects are new in each call, is not measured: here it is paid before, too."""
    import itertools
    import time

    indented = "".join(f"    {line}\n" for line in body.splitlines())
    space = {"clock": time.thread_time}
    exec(
        "def run(loops, d, keys, absent, values):\n"
        "  get = d.get; increment = d.increment\n"
        "  for _ in range(4):\n"
        f"{indented}"
        "  times = range(loops)\n"
        "  begin = clock()\n"
        "  for _ in times:\n"
        f"{indented}"
        "  return clock() - begin\n",
        space,
    )
    absent = [key + "!" for key in keys]
    return space["run"](loops, d, list(keys), absent, itertools.cycle(values))


def fill(container, kind):
    for number, key in enumerate(KEYS):
        container[key] = VALUES[kind](number)
    return container


def peers(kind):
    """Those of one interpreter, by name."""
    found = {}
    try:
        from cereggii import AtomicDict

        found["cereggii AtomicDict (threads only)"] = fill(AtomicDict(), kind)
    except ImportError:
        pass
    try:
        from ft_utils.concurrency import ConcurrentDict

        found["ft_utils ConcurrentDict (threads only)"] = fill(ConcurrentDict(), kind)
    except ImportError:
        pass
    return found


def names_for(d, kind):
    return {
        "d": d,
        "keys": KEYS,
        "absent": [key + "!" for key in KEYS],
        "copies": itertools.cycle(COPIES),
        "values": itertools.cycle([VALUES[kind](1), VALUES[kind](2)]),
        "get": getattr(d, "get", None),
        "increment": getattr(d, "increment", None),
    }


def peer_candidate(container, body, kind):
    """None where the peer has no such operation."""
    candidate = harness.timed(body, **names_for(container, kind))
    try:
        candidate(1)
    except (TypeError, AttributeError):
        return None
    return candidate


def compare(place, operation, kind, plain_body, our_body, quick):
    plain, ours, other = fill({}, kind), fill(so.SharedDict(), kind), fill(so.SharedDict(), kind)
    candidates = {
        "dict": harness.timed(plain_body, **names_for(plain, kind)),
        "SharedDict": harness.timed(our_body, **names_for(ours, kind)),
    }
    if "copies" not in our_body:
        candidates["SharedDict, from another interpreter"] = place.candidate(
            elsewhere, other, tuple(KEYS), our_body, (VALUES[kind](1), VALUES[kind](2))
        )
    for name, container in peers(kind).items() if plain_body == our_body else ():
        candidate = peer_candidate(container, our_body, kind)
        if candidate is not None:
            candidates[name] = candidate
    title = f"SharedDict, 1000 str keys, {operation}"
    return harness.compare(title, candidates, per=len(KEYS), quick=quick)


def counting(quick):
    """A word counted in a SharedDict in each of the ways that lose none."""
    d = fill(so.SharedDict(), "ints")
    names = names_for(d, "ints")
    candidates = {
        "Counter.update(words)": harness.timed(
            "counter.update(keys)", counter=collections.Counter(KEYS), keys=KEYS
        ),
        "d.tally(words)": harness.timed("d.tally(keys)", **names),
        "d.increment(word) in a loop": harness.timed(COUNT, **names),
        "d[word] = v in a loop, which counts nothing": harness.timed(WRITE, **names),
    }
    title = "SharedDict, 1000 words counted"
    return harness.compare(title, candidates, per=len(KEYS), quick=quick)


def crossing(place, manager, quick):
    """What else lets several workers see one dict: a server process with proxies."""
    d, proxy = fill(so.SharedDict(), "ints"), manager.dict(dict.fromkeys(KEYS, FRESH))

    def through_proxy(loops):
        begin = time.perf_counter()
        for _ in range(loops):
            for key in KEYS[:10]:
                proxy[key]
        return (time.perf_counter() - begin) * (len(KEYS) / 10)

    there = (elsewhere, d, tuple(KEYS), READ, (FRESH,))
    candidates = {
        "SharedDict, from another interpreter": place.candidate(*there),
        "multiprocessing.Manager().dict()": through_proxy,
    }
    title = "A dict seen by several workers, d[k] of ints"
    return harness.compare(title, candidates, per=len(KEYS), quick=quick, rounds=11)


def main():
    options = harness.arguments()
    # Its server first: a fork with interpreters beside it ends 3.13.0's child.
    manager = multiprocessing.Manager()
    place = harness.Elsewhere()
    results = [
        compare(place, operation, *how, options.quick) for operation, how in OPERATIONS.items()
    ]
    results += [counting(options.quick), crossing(place, manager, options.quick)]
    place.close()
    manager.shutdown()
    harness.report(*results)


if __name__ == "__main__":
    main()
