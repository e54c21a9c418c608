"""``python -m sharedobj demo``: count the words of many files in several interpreters.

The interpreters share one SharedDict, into which all of them count; no result is sent or
merged. See _demo/job.py for how it works. Afterwards the counts are checked, and the time
is compared with one worker's and with a pool of processes.
"""

import argparse
import heapq
import os
import sys
import time
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path

from ._demo import files as tree
from ._demo import others, show
from ._demo.interrupt import Interrupt
from ._demo.job import Job, State


def _cores() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        type=Path,
        help="files and folders; the default is the sources and documentation of this Python",
    )
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="interpreters; the default is one a core"
    )
    parser.add_argument(
        "--top", type=_positive, default=15, metavar="N", help="words in the table (default 15)"
    )
    parser.add_argument("--limit-mb", type=_positive, metavar="N", help="read no more than N MB")
    parser.add_argument(
        "--no-compare", action="store_true", help="do not measure one worker and processes"
    )


def _find(
    arguments: argparse.Namespace, interrupt: Interrupt
) -> tuple[list[tuple[str, int]], list[tuple[str, str]]]:
    """The files, and what could not be looked at."""
    failed: list[tuple[str, str]] = []

    def on_error(error: OSError) -> None:
        failed.append((str(error.filename), error.strerror or "unreadable"))

    def is_wanted(name: str) -> bool:
        interrupt.check()
        # In the default tree only what people have written, not what was compiled of it.
        return bool(arguments.paths) or os.path.splitext(name)[1] in tree.SOURCES

    limit = arguments.limit_mb * show.MB if arguments.limit_mb else None
    roots = arguments.paths or tree.default_roots()
    return tree.find_files(roots, is_wanted, on_error, limit), failed


def _timed[T](function: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    result = function()
    return time.monotonic() - began, result


def count(
    files: Sequence[tuple[str, int]], workers: int, interrupt: Interrupt | None = None
) -> dict[str, int]:
    """The whole job without a display."""
    with Job(files, workers, steps=1) as job:
        with (interrupt or Interrupt()).calling(job.stop):
            for _ in job.watch():
                pass
        return job.words.snapshot()


def _compare(
    files: Sequence[tuple[str, int]],
    workers: int,
    counts: dict[str, int],
    checked: float,
    interrupt: Interrupt,
) -> bool:
    """Time the same job again, now that the files are in the system's cache."""
    print("\ntime, from start to the whole result:")
    runs: list[tuple[str, Callable[[], object]]] = [
        (f"{workers} interpreters, one SharedDict", lambda: count(files, workers, interrupt)),
        ("1 interpreter, one SharedDict", lambda: count(files, 1, interrupt)),
        (
            f"{workers} processes, merged Counters",
            lambda: others.count_in_processes(files, workers, interrupt),
        ),
    ]
    right, first = True, 0.0
    for what, function in runs:
        seconds, result = _timed(function)
        interrupt.check()
        first = first or seconds
        right = right and result == counts
        show.timing(what, seconds, first, result == counts)
    show.timing("1 thread, one Counter", checked, first, True)
    return right


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status."""
    missing = [path for path in arguments.paths if not path.exists()]
    if missing:
        print(f"python -m sharedobj demo: no such file or folder: {missing[0]}", file=sys.stderr)
        return 2
    with Interrupt() as interrupt:
        try:
            return _run(arguments, arguments.workers or max(2, _cores()), interrupt)
        except KeyboardInterrupt:
            print("\ninterrupted; nothing is left running", flush=True)
            return 130


def _run(arguments: argparse.Namespace, workers: int, interrupt: Interrupt) -> int:
    out = sys.stdout
    files, failed = _find(arguments, interrupt)
    where = ", ".join(map(str, arguments.paths or tree.default_roots()))
    print(
        f"counting the words of {show.number(len(files))} files under {where}\n"
        f"in {workers} interpreters (Python {sys.version.split()[0]})",
        flush=True,
    )
    progress = show.Progress(sum(size for _, size in files), len(files), out)
    progress.show(State(0, 0, 0))
    with Job(files, workers, progress.steps) as job:
        with interrupt.calling(job.stop):
            for state in job.watch():
                progress.show(state)
        progress.end()
        interrupt.check()
        seconds = progress.seconds
        counts = job.words.snapshot()
    total = sum(counts.values())
    print(
        f"{show.number(total)} words, {show.number(len(counts))} different, in {seconds:.2f} s "
        f"({show.megabytes(int(job.total / max(seconds, 1e-9)))}/s)"
    )
    show.skipped(failed + job.skipped, out)
    print("\nthe most frequent words:")
    show.table(heapq.nlargest(arguments.top, counts.items(), key=itemgetter(1)), total, out)

    print("\nchecking against a single-threaded collections.Counter ...", end=" ", flush=True)
    paths = [path for path, _ in files]
    checked, expected = _timed(lambda: others.count_one_by_one(paths, lambda: interrupt.happened))
    interrupt.check()
    if counts != expected:
        wrong = sum(counts.get(word) != expected.get(word) for word in counts.keys() | expected)
        print(f"DIFFERENT: {show.number(wrong)} words")
        return 1
    print(f"all {show.number(len(counts))} counts are the same")
    if arguments.no_compare or _compare(files, workers, counts, checked, interrupt):
        return 0
    return 1
