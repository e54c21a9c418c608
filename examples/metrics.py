"""Metrics of several workers in one place, exact while everything runs.

A fixed number is an AtomicInt; numbers by name are a SharedDict with increment(). The main
program waits for the value to change instead of asking again and again.
"""

import sharedobj as so


def serve(requests, done, metrics):
    for path, size in requests:
        metrics.increment(("requests", path))
        metrics.increment(("bytes", path), size)
        done += 1


def main():
    requests, done, metrics = so.Channel(32), so.AtomicInt(), so.SharedDict()
    workers = [so.interpreters.create() for _ in range(3)]
    with requests:  # closed at the end: then the workers end, also after Ctrl-C
        threads = [worker.call_in_thread(serve, requests, done, metrics) for worker in workers]
        for number in range(900):
            requests.send((("/", "/about", "/data")[number % 3], number))

    seen = 0
    while seen < 900:
        seen = done.wait(seen)
    for thread, worker in zip(threads, workers, strict=True):
        thread.join()
        worker.close()
    for (what, path), value in sorted(metrics.items()):
        print(f"{what:<10}{path:<8}{value:>8}")


if __name__ == "__main__":
    main()
