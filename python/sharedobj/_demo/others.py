"""The same job without this package: to check the counts, and to compare the time."""

import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing.synchronize import Event

from .. import Channel, ChannelClosed
from .interrupt import Interrupt, held_back
from .text import NotText, words_of

# Tasks for each process: few, since every one brings back a Counter of its own that must
# be pickled and merged; more than one, so that no process is idle at the end.
TASKS_EACH = 4


def count_one_by_one(
    paths: Sequence[str], stopped: Callable[[], bool] = lambda: False
) -> Counter[str]:
    """In one thread."""
    counts: Counter[str] = Counter()
    for path in paths:
        if stopped():
            break
        try:
            for _, words in words_of(path):
                counts.update(words)
        except (NotText, OSError):
            pass
    return counts


_stop: Event  # in each process of the pool


def _begin_process(stop: Event) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _count_share(paths: Sequence[str]) -> Counter[str]:
    return count_one_by_one(paths, _stop.is_set)


def _shares(files: Sequence[tuple[str, int]], parts: int) -> list[list[str]]:
    """Lists of about the same number of bytes."""
    shares: list[list[str]] = [[] for _ in range(parts)]
    sizes = [0] * parts
    for path, size in sorted(files, key=lambda file: -file[1]):
        smallest = sizes.index(min(sizes))
        shares[smallest].append(path)
        sizes[smallest] += size
    return [share for share in shares if share]


def count_in_processes(
    files: Sequence[tuple[str, int]], workers: int, interrupt: Interrupt | None = None
) -> Counter[str]:
    """In a pool of processes, each task with a Counter of its own, merged here.

    Interrupted, the processes end after the file they are at (to kill them could leave the
    pool waiting for ever), and the counts so far are returned.
    """
    counts: Counter[str] = Counter()
    stop = multiprocessing.Event()
    finished = Channel()  # numbers of tasks
    tasks: list[Future[Counter[str]]] = []
    pool = ProcessPoolExecutor(workers, initializer=_begin_process, initargs=(stop,))

    def report(number: int, task: object) -> None:
        try:
            finished.send_nowait(number)
        except ChannelClosed:
            pass  # Nobody waits for it any more.

    with (interrupt or Interrupt()).calling(lambda: finished.close(immediate=True)):
        try:
            with held_back():
                for number, share in enumerate(_shares(files, workers * TASKS_EACH)):
                    tasks.append(pool.submit(_count_share, share))
                    tasks[-1].add_done_callback(partial(report, number))
            for _ in tasks:
                counts.update(tasks[finished.recv()].result())
        except ChannelClosed:
            stop.set()
        finally:
            with held_back():
                pool.shutdown(cancel_futures=True)
    return counts
