"""The job: count words in several interpreters that share everything.

main interpreter                          worker interpreters
feed  ── file names, a bounded Channel ──> count()
                                            │  words.tally(...)      one SharedDict
                                            │  bytes, files += ...   AtomicInts
watch <── progress.wait() ──────────────────┤
      <── skipped files, a Channel ─────────┘
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

from .. import AtomicInt, Channel, ChannelClosed, ChannelEmpty, SharedDict
from ..interpreters import Interpreter, create
from .worker import count

# File names wait here: enough that no worker starves, few enough to need no memory.
WAITING_NAMES = 64

# A display is refreshed when so much time has passed without progress.
REFRESH_SECONDS = 1.0


class State(NamedTuple):
    """What the main interpreter sees of a running job."""

    bytes: int
    files: int
    words: int  # different ones


class Job:
    """A context manager that leaves nothing running behind it.

    stop() makes it end early: each worker finishes the piece of a file that it is at.
    """

    def __init__(self, files: Sequence[tuple[str, int]], workers: int, steps: int = 100) -> None:
        self.files = files
        self.total = sum(size for _, size in files)
        self.skipped: list[tuple[str, str]] = []
        # Shared by all interpreters; see `count`.
        self.words = SharedDict()
        self._names, self._skipped = Channel(WAITING_NAMES), Channel()
        self._bytes, self._files = AtomicInt(), AtomicInt()
        self._progress, self._stop = AtomicInt(), AtomicInt()
        self._bytes_per_step = max(1, -(-self.total // steps))
        self._ended = steps + 1  # a step that no count of bytes reaches
        self._workers = workers
        self._running = AtomicInt(workers)
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        try:
            self._start(self._feed)
            for _ in range(self._workers):
                self._start(self._work)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def stop(self) -> None:
        """End early. Does not wait."""
        self._stop.set(1)
        # Ends the feeder where it waits for room and the workers where they wait for names.
        self._names.close(immediate=True)

    def watch(self) -> Iterator[State]:
        """Yield the state whenever there is progress, until the job has ended."""
        step = 0
        while step != self._ended:
            yield self.state()
            try:
                step = self._progress.wait(step, REFRESH_SECONDS)
            except TimeoutError:
                pass
            self._collect_skipped()
        if self._error is not None:
            raise self._error
        yield self.state()

    def state(self) -> State:
        return State(self._bytes.get(), self._files.get(), len(self.words))

    def _start(self, function: Callable[[], None]) -> None:
        thread = threading.Thread(target=function)
        thread.start()
        self._threads.append(thread)

    def _feed(self) -> None:
        try:
            for file in self.files:
                self._names.send(file)
        except ChannelClosed:
            return
        self._names.close()

    def _work(self) -> None:
        try:
            # Made and closed here, so that several are at the same time.
            interpreter = create()
            try:
                self._count_in(interpreter)
            finally:
                interpreter.close()
        except BaseException as error:
            self._error = error
            self.stop()
        finally:
            if self._running.decrement() == 0:
                self._progress.set(self._ended)

    def _count_in(self, interpreter: Interpreter) -> None:
        interpreter.call(
            count,
            self._names,
            self.words,
            self._skipped,
            self._bytes,
            self._files,
            self._progress,
            self._bytes_per_step,
            self._stop,
        )

    def _collect_skipped(self) -> None:
        try:
            while True:
                self.skipped.append(self._skipped.recv_nowait())
        except ChannelEmpty:
            pass

    def _end(self) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()
