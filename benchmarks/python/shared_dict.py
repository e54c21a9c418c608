"""One SharedDict with 1000 str keys against dict: single operations, loop included."""

import harness

import sharedobj as so

KEYS = [f"key number {number}" for number in range(1000)]
FRESH = 10**9  # ints beyond the small ones that CPython keeps ready

OPERATIONS = {
    "d[k]": ("for k in keys: d[k]", "for k in keys: d[k]"),
    "d.get(k)": ("for k in keys: get(k)", "for k in keys: get(k)"),
    "k in d": ("for k in keys: k in d", "for k in keys: k in d"),
    "d[k] = v": ("for k in keys: d[k] = value", "for k in keys: d[k] = value"),
    "add 1": ("for k in keys: d[k] += 1", "for k in keys: increment(k)"),
    "all by tally": ("for k in keys: d[k] = d.get(k, 0) + 1", "d.tally(keys)"),
}


def elsewhere(loops, d, keys, body, value):
    """The same loop, in another interpreter."""
    import time

    space = {"clock": time.thread_time}
    exec(
        "def run(loops, d, keys, value):\n"
        "  get = d.get; increment = d.increment\n"
        "  times = range(loops)\n"
        "  begin = clock()\n"
        "  for _ in times:\n"
        f"    {body}\n"
        "  return clock() - begin\n",
        space,
    )
    return space["run"](loops, d, list(keys), value)


def fill(container):
    for number, key in enumerate(KEYS):
        container[key] = FRESH + number
    return container


def peers():
    found = {}
    try:
        from cereggii import AtomicDict

        found["cereggii AtomicDict (threads only)"] = fill(AtomicDict())
    except ImportError:
        pass
    try:
        from ft_utils.concurrency import ConcurrentDict

        found["ft_utils ConcurrentDict (threads only)"] = fill(ConcurrentDict())
    except ImportError:
        pass
    return found


def peer_candidate(container, operation):
    bodies = {
        "d[k]": "for k in keys: d[k]",
        "k in d": "for k in keys: k in d",
        "d[k] = v": "for k in keys: d[k] = value",
    }
    body = bodies.get(operation)
    if body is None:
        return None
    candidate = harness.timed(body, d=container, keys=KEYS, value=FRESH)
    try:
        candidate(1)
    except TypeError:  # it has no such operation
        return None
    return candidate


def main():
    options = harness.arguments()
    place = harness.Elsewhere()
    results = []
    for operation, (plain_body, our_body) in OPERATIONS.items():
        plain, ours, other = fill({}), fill(so.SharedDict()), fill(so.SharedDict())
        candidates = {
            "dict": harness.timed(plain_body, d=plain, keys=KEYS, value=FRESH, get=plain.get),
            "SharedDict": harness.timed(
                our_body, d=ours, keys=KEYS, value=FRESH, get=ours.get, increment=ours.increment
            ),
            "SharedDict, from another interpreter": place.candidate(
                elsewhere, other, tuple(KEYS), our_body, FRESH
            ),
        }
        for name, container in peers().items():
            candidate = peer_candidate(container, operation)
            if candidate is not None:
                candidates[name] = candidate
        results.append(
            harness.compare(
                f"SharedDict, 1000 str keys, {operation}",
                candidates,
                per=len(KEYS),
                quick=options.quick,
            )
        )
    place.close()
    harness.report(*results)


if __name__ == "__main__":
    main()
