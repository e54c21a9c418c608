"""Values made by immortal() against ordinary ones, which are copied: stored, read, sent."""

import harness

import sharedobj as so

SIZES = [64, 1024, 65536]
READ = "for k in keys: d[k]"
WRITE = "for k in keys: d[k] = value"
KEYS = [f"key number {number}" for number in range(100)]


def text(size):
    return "a text ".ljust(size, ".")


def elsewhere(loops, d, keys):
    """READ, in another interpreter. What only the first rounds cost, since the keys are new in
    each call, is not measured."""
    import time

    keys = list(keys)
    for n in range(-4, loops):
        if n == 0:
            begin = time.thread_time()
        for k in keys:
            d[k]
    return time.thread_time() - begin


def variants(size):
    """An ordinary text and the immortal one, by the name of the row."""
    return {"str": text(size), "immortal": so.immortal(text(size))}


def stored(size, quick):
    candidates = {
        name: harness.timed(WRITE, d=so.SharedDict(), keys=KEYS, value=value)
        for name, value in variants(size).items()
    }
    title = f"immortal(), d[k] = v of strs of {size}"
    return harness.compare(title, candidates, per=len(KEYS), quick=quick)


def read(place, size, quick):
    candidates = {
        "str in a dict": harness.timed(READ, d=dict.fromkeys(KEYS, text(size)), keys=KEYS)
    }
    for name, value in variants(size).items():
        d = so.SharedDict.fromkeys(KEYS, value)
        candidates[name] = harness.timed(READ, d=d, keys=KEYS)
        candidates[f"{name}, from another interpreter"] = place.candidate(elsewhere, d, tuple(KEYS))
    title = f"immortal(), d[k] of strs of {size}"
    return harness.compare(title, candidates, per=len(KEYS), quick=quick)


def read_once(size, quick):
    """Each value once, so that nothing that was made before can be given again."""
    candidates = {
        name: harness.timed("for v in d.values(): pass", d=so.SharedDict.fromkeys(KEYS, value))
        for name, value in variants(size).items()
    }
    title = f"immortal(), for v in d.values() of strs of {size}"
    return harness.compare(title, candidates, per=len(KEYS), quick=quick)


def sent(size, quick):
    channel = so.Channel()
    candidates = {
        name: harness.timed(
            "send(value); recv()", send=channel.send, recv=channel.recv, value=value
        )
        for name, value in variants(size).items()
    }
    title = f"immortal(), a str of {size} sent and received"
    return harness.compare(title, candidates, quick=quick)


def found(size, quick):
    """What immortal() costs for a text that it has already."""
    ordinary, known = text(size), so.immortal(text(size))
    candidates = {
        "a copy, in two parts": harness.timed(
            "value[:half] + value[half:]", value=ordinary, half=size // 2
        ),
        "immortal(equal str)": harness.timed(
            "immortal(value)", immortal=so.immortal, value=ordinary
        ),
        "immortal(immortal)": harness.timed("immortal(value)", immortal=so.immortal, value=known),
    }
    title = f"immortal(), a str of {size} that is there"
    return harness.compare(title, candidates, quick=quick)


def main():
    options = harness.arguments()
    place = harness.Elsewhere()
    results = []
    for size in SIZES:
        results.append(stored(size, options.quick))
        results.append(read(place, size, options.quick))
        results += [what(size, options.quick) for what in (read_once, sent, found)]
    place.close()
    harness.report(*results)


if __name__ == "__main__":
    main()
