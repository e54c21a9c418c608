"""The demo's job by one worker, by one for each core, and by a pool of processes."""

import os
import time

import harness

from sharedobj import demo
from sharedobj._demo import files as tree
from sharedobj._demo import others


def main():
    options = harness.arguments()
    workers = max(2, len(os.sched_getaffinity(0)))
    limit = 2_000_000 if options.quick else None
    files = tree.find_files(
        tree.default_roots(), lambda name: os.path.splitext(name)[1] in tree.SOURCES, None, limit
    )
    expected = others.count_one_by_one([path for path, _ in files])  # and warms the cache

    def checked(function):
        def run(loops):
            begin = time.perf_counter()
            results = [function() for _ in range(loops)]
            took = time.perf_counter() - begin
            assert all(result == expected for result in results)
            return took

        return run

    megabytes = sum(size for _, size in files) / 1e6
    result = harness.compare(
        f"the demo: words of {len(files)} files, {megabytes:.1f} MB, from start to result",
        {
            "1 interpreter": checked(lambda: demo.count(files, 1)),
            f"{workers} interpreters": checked(lambda: demo.count(files, workers)),
            f"{workers} processes (ProcessPoolExecutor), merged": checked(
                lambda: others.count_in_processes(files, workers)
            ),
            "collections.Counter in 1 thread": checked(
                lambda: others.count_one_by_one([path for path, _ in files])
            ),
        },
        unit="s",
        quick=options.quick,
        rounds=5,
        seconds=0.001,
    )
    harness.report(result)


if __name__ == "__main__":
    main()
