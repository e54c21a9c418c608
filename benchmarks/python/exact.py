"""Are the totals exact, with threads in several interpreters adding at the same time?"""

import threading

import harness

import sharedobj as so

INTERPRETERS, THREADS = 4, 8


def work(counter, shared, each):
    import threading

    def add():
        mine = counter
        for number in range(each):
            mine += 1
            shared.increment("one key")
            shared.tally(("a", "b", number % 7))

    threads = [threading.Thread(target=add) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    options = harness.arguments()
    each = 500 if options.quick else 10_000
    counter, shared = so.AtomicInt(), so.SharedDict()
    made = [so.interpreters.create() for _ in range(INTERPRETERS)]
    threads = [threading.Thread(target=i.call, args=(work, counter, shared, each)) for i in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for interpreter in made:
        interpreter.close()
    total = INTERPRETERS * THREADS * each
    counts = shared.snapshot()
    sevenths = sum(counts[number] for number in range(7))
    harness.report(
        harness.fact(
            f"{INTERPRETERS} interpreters with {THREADS} threads each, {total} times each",
            **{
                "AtomicInt `+= 1`": "exact" if counter == total else f"WRONG: {int(counter)}",
                "SharedDict.increment": "exact" if counts["one key"] == total else "WRONG",
                "SharedDict.tally": "exact"
                if counts["a"] == counts["b"] == sevenths == total
                else "WRONG",
            },
        )
    )
