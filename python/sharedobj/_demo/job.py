"""The job: count words in several interpreters that share everything.

main interpreter                          worker interpreters
feed  ── file names, a bounded Channel ──> count()
                                            │  words.tally(...)      one SharedDict
                                            │  bytes, files += ...   AtomicInts
watch <── progress.wait() ──────────────────┤
      <── skipped files, a Channel ─────────┘
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self

from .. import AtomicInt, Channel, ChannelClosed, ChannelEmpty, SharedDict
from ..interpreters import Interpreter, create
from .worker import Shared, count

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

    In the main thread, Ctrl-C does not raise just anywhere in between: it stops the
    workers, each after the piece of a file that it is at, and KeyboardInterrupt comes when
    all has ended.
    """

    def __init__(self, files: Sequence[tuple[str, int]], workers: int, steps: int = 100) -> None:
        self.files = files
        self.total = sum(size for _, size in files)
        self.skipped: list[tuple[str, str]] = []
        self.shared = Shared(
            names=Channel(WAITING_NAMES),
            words=SharedDict(),
            skipped=Channel(),
            bytes=AtomicInt(),
            files=AtomicInt(),
            progress=AtomicInt(),
            stop=AtomicInt(),
        )
        self._bytes_per_step = max(1, -(-self.total // steps))
        self._ended = steps + 1  # a step that no count of bytes reaches
        self._workers = workers
        self._running = AtomicInt(workers)
        self._interpreters: list[Interpreter] = []
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._interrupted = False
        self._handler: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        try:
            self._start(self._feed)
            for _ in range(self._workers):
                self._interpreters.append(create())
                self._start(self._work, self._interpreters[-1])
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()
        if self._interrupted:
            raise KeyboardInterrupt

    def watch(self) -> Iterator[State]:
        """Yield the state whenever there is progress, until the job is done."""
        step = 0
        while step != self._ended:
            yield self.state()
            try:
                step = self.shared.progress.wait(step, REFRESH_SECONDS)
            except TimeoutError:
                pass
            self._collect_skipped()
        if self._error is not None:
            raise self._error
        if self._interrupted:
            raise KeyboardInterrupt
        yield self.state()

    def state(self) -> State:
        shared = self.shared
        return State(int(shared.bytes), int(shared.files), len(shared.words))

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)
        thread.start()
        self._threads.append(thread)

    def _feed(self) -> None:
        names = self.shared.names
        try:
            for file in self.files:
                names.send(file)
        except ChannelClosed:
            return
        names.close()

    def _work(self, interpreter: Interpreter) -> None:
        try:
            interpreter.call(count, self.shared, self._bytes_per_step)
        except BaseException as error:
            self._error = error
            self._stop()
        finally:
            if self._running.decrement() == 0:
                self.shared.progress.set(self._ended)

    def _collect_skipped(self) -> None:
        try:
            while True:
                self.skipped.append(self.shared.skipped.recv_nowait())
        except ChannelEmpty:
            pass

    def _stop(self) -> None:
        self.shared.stop.set(1)
        # Ends the feeder where it waits for room and the workers where they wait for names.
        self.shared.names.close(immediate=True)

    def _interrupt(self, signum: int, frame: object) -> None:
        self._interrupted = True
        self._stop()

    def _end(self) -> None:
        self._stop()
        for thread in self._threads:
            thread.join()
        for interpreter in self._interpreters:
            interpreter.close()
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
