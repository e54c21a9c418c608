"""A token bucket for a whole process: workers in several interpreters, one limit.

The bucket is one value, (tokens, time of the last look), changed by compare-and-set:
whoever was overtaken looks again, nobody ever waits for somebody who was descheduled.
"""

import time

import sharedobj as so


def try_acquire(limits, name, rate, burst):
    """Take a token if there is one. `rate`: new ones a second, `burst`: the most kept."""
    while True:
        bucket = limits.get(name)
        now = time.monotonic()
        tokens, then = bucket or (burst, now)
        tokens = min(burst, tokens + (now - then) * rate)
        if tokens < 1:
            return False
        expected = so.MISSING if bucket is None else bucket
        if limits.compare_and_set(name, expected, (tokens - 1, now)):
            return True


def worker(limits, allowed, refused, attempts):
    for _ in range(attempts):
        if try_acquire(limits, "api", 50, 10):
            allowed += 1
        else:
            refused += 1


def main():
    limits, allowed, refused = so.SharedDict(), so.AtomicInt(), so.AtomicInt()
    workers = [so.interpreters.create() for _ in range(4)]
    began = time.monotonic()
    threads = [w.call_in_thread(worker, limits, allowed, refused, 5000) for w in workers]
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    for interpreter in workers:
        interpreter.close()
    most = 10 + 50 * seconds
    assert allowed <= most, (allowed, most)
    assert allowed + refused == 20_000
    print(f"20000 attempts, no more than 10 and 50 a second allowed: {allowed <= most}")


if __name__ == "__main__":
    main()
