"""Cancelling: long work in other interpreters that ends when it is told to.

Who computes looks at a flag between two steps: reading an AtomicInt takes nanoseconds and
no lock. Who waits at a channel cannot look; closing the channel wakes it.
"""

import sys

import sharedobj as so


def search(first, cancelled, found, progress):
    """A number with which its own square ends; of numbers beyond a million none will do."""
    number = first
    while not cancelled:
        if number * number % 1_000_000 == number:
            found.send(number)
            return
        number += 2
        if number % 50_000 < 2:
            progress.send(number)  # nobody waits: what has not been looked at is dropped


def report(progress):
    for number in progress:
        if sys.stderr.isatty():
            print(f"at {number:,}", file=sys.stderr)


def main():
    cancelled, found = so.AtomicInt(0), so.Channel()
    progress = so.Channel(1, overflow="drop_old")
    interpreters = [so.interpreters.create() for _ in range(3)]
    even, odd, reporter = interpreters
    searching, reporting = [], []
    try:
        searching += [even.call_in_thread(search, 200_000, cancelled, found, progress)]
        searching += [odd.call_in_thread(search, 200_001, cancelled, found, progress)]
        reporting += [reporter.call_in_thread(report, progress)]
        print("found", found.recv(timeout=60))
    finally:  # also after Ctrl-C
        cancelled.set(1)
        for thread in searching:
            thread.join()
        progress.close()  # now that nobody sends any more
        for thread in reporting:
            thread.join()
        for interpreter in interpreters:
            interpreter.close()
    print("the others have ended")


if __name__ == "__main__":
    main()
