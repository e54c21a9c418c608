"""The same job without this package: to check the counts, and to compare the time."""

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children

from .words import NotText, words_of

# Tasks for each process: few, since every one brings back a Counter of its own that must
# be pickled and merged; more than one, so that no process is idle at the end.
TASKS_EACH = 4


def count_one_by_one(paths: Sequence[str]) -> Counter[str]:
    """In one thread."""
    counts: Counter[str] = Counter()
    for path in paths:
        try:
            for _, words in words_of(path):
                counts.update(words)
        except (NotText, OSError):
            pass
    return counts


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C is felt at the end; processes that are started meanwhile never feel it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shares(files: Sequence[tuple[str, int]], parts: int) -> list[list[str]]:
    """Lists of about the same number of bytes."""
    shares: list[list[str]] = [[] for _ in range(parts)]
    sizes = [0] * parts
    for path, size in sorted(files, key=lambda file: -file[1]):
        smallest = sizes.index(min(sizes))
        shares[smallest].append(path)
        sizes[smallest] += size
    return [share for share in shares if share]


def count_in_processes(files: Sequence[tuple[str, int]], workers: int) -> Counter[str]:
    """In a pool of processes, each task with a Counter of its own, merged here."""
    counts: Counter[str] = Counter()
    pool = ProcessPoolExecutor(workers)
    try:
        with _interrupts_wait():
            tasks = [
                pool.submit(count_one_by_one, share)
                for share in _shares(files, workers * TASKS_EACH)
            ]
        for task in tasks:
            counts.update(task.result())
    except BaseException:
        with _interrupts_wait():
            for process in active_children():
                process.terminate()
        raise
    finally:
        with _interrupts_wait():
            pool.shutdown(cancel_futures=True)
    return counts
