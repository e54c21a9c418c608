"""Ctrl-C as a flag.

An exception that may come anywhere may also come where nobody can handle it: while a thread or
a process is being started, in a destructor. So the demo's handler only sets a flag and calls
what ends the waiting; the program looks at the flag where it can stop.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self


class Interrupt:
    """A context manager in the main thread; elsewhere it does nothing."""

    def __init__(self) -> None:
        self.happened = False
        self._callbacks: list[Callable[[], object]] = []
        self._before: Any = None

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        # Where it is ignored, as by nohup, it stays so.
        if in_main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            # After the first one nothing is left to interrupt.
            after = signal.SIG_IGN if self.happened else self._before
            signal.signal(signal.SIGINT, after)

    def _handle(self, signum: int, frame: object) -> None:
        if not self.happened:
            self.happened = True
            for callback in self._callbacks:
                callback()

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was one."""
        if self.happened:
            raise KeyboardInterrupt

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Inside, an interrupt calls `callback`, which must not wait; it may come twice."""
        self._callbacks.append(callback)
        try:
            if self.happened:
                callback()
            yield
        finally:
            self._callbacks.remove(callback)


@contextmanager
def held_back() -> Iterator[None]:
    """An interrupt comes at the end; processes that are started inside never get one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
