"""What CPython 3.12 and 3.13 offer privately, behind one small interface.

Making and ending interpreters is serialised: both versions have races there (gh-126644,
gh-127041). The lock is reentrant because the collector may end one at any point.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_lifecycle = threading.RLock()


# Both versions end an interpreter, and the process with it, into which a thread is just going:
# they look only for one that has arrived. So this counts who is on the way or there. Its lock
# is never held during a run or an end.
_runs: dict[int, int] = {}
_ending: set[int] = set()
_counting = threading.RLock()
_RUNNING = "interpreter already running"


@contextmanager
def _entered(id: int) -> Iterator[None]:
    with _counting:
        if id in _ending:
            raise InterpreterNotFoundError(f"interpreter {id} is being closed")
        _runs[id] = _runs.get(id, 0) + 1
    try:
        yield
    finally:
        with _counting:
            _runs[id] -= 1
            if not _runs[id]:
                del _runs[id]


@contextmanager
def _empty(id: int) -> Iterator[None]:
    with _counting:
        if id in _runs:
            raise _with_remedy(id, InterpreterError(_RUNNING))
        if id in _ending:
            raise InterpreterNotFoundError(f"interpreter {id} is being closed")
        _ending.add(id)
    try:
        yield
    finally:
        with _counting:
            _ending.discard(id)


def _with_remedy(id: int | None, error: Exception) -> Exception:
    """What to raise for an error of CPython's, whose text does not say what to do."""
    if str(error) in (_RUNNING, "interpreter running"):
        return type(error)(
            f"interpreter {id} is running already, and runs one thing at a time: wait for its end "
            "(join its thread), or create() another interpreter"
        )
    return error


if sys.version_info >= (3, 13):
    import _interpreters  # type: ignore[import-not-found, unused-ignore]

    InterpreterError = _interpreters.InterpreterError
    InterpreterNotFoundError = _interpreters.InterpreterNotFoundError

    ORIGINS = {
        _interpreters.WHENCE_UNKNOWN: "unknown",
        _interpreters.WHENCE_RUNTIME: "runtime init",
        _interpreters.WHENCE_LEGACY_CAPI: "legacy C-API",
        _interpreters.WHENCE_CAPI: "C-API",
        _interpreters.WHENCE_XI: "cross-interpreter C-API",
        _interpreters.WHENCE_STDLIB: "_interpreters module",
    }

    _CURRENT = int(_interpreters.get_current()[0])

    class Hold:
        """Keeps an interpreter that was created here alive; the last one to go ends it.

        None holds the interpreter that it is made in: one that has begun to end has no
        reference left, and would begin a second time when such a Hold went.
        """

        def __init__(self, id: int) -> None:
            self._id: int | None = None
            if id == _CURRENT:
                return
            if _interpreters.whence(id) == _interpreters.WHENCE_STDLIB:
                _interpreters.incref(id)
                self._id = id

        # Its globals may be gone when it is called last, so it brings its own.
        def drop(
            self,
            lifecycle: Any = _lifecycle,
            decref: Any = _interpreters.decref,
            gone: Any = InterpreterNotFoundError,
        ) -> None:
            id, self._id = self._id, None
            if id is not None:
                with lifecycle:
                    try:
                        decref(id)
                    except gone:
                        pass

    def create() -> tuple[int, Hold]:
        with _lifecycle:
            # Ends with the last Hold, of which there is none yet.
            id = _interpreters.create(reqrefs=True)
            return id, Hold(id)

    def origin(id: int) -> str:
        return ORIGINS[_interpreters.whence(id)]

    def run(id: int, code: str, shared: Mapping[str, Any]) -> None:
        try:
            with _entered(id):
                failure = _interpreters.exec(id, code, dict(shared), restrict=True)
        except InterpreterError as error:
            raise _with_remedy(id, error) from None
        if failure is not None:
            raise InterpreterError(failure.errdisplay or failure.formatted)

    def destroy(id: int) -> None:
        with _lifecycle, _empty(id):
            try:
                _interpreters.destroy(id, restrict=True)
            except InterpreterError as error:
                raise _with_remedy(id, error) from None

    def is_running(id: int) -> bool:
        return bool(_interpreters.is_running(id)) or id in _runs

    def list_all() -> list[int]:
        return [id for id, _ in _interpreters.list_all(require_ready=True)]

    def current() -> int:
        return _CURRENT

    def main() -> int:
        return int(_interpreters.get_main()[0])

else:
    import _xxsubinterpreters as _interpreters  # type: ignore[import-not-found, unused-ignore]

    class InterpreterError(Exception):
        """A cross-interpreter operation failed."""

        __module__ = "sharedobj.interpreters"

    class InterpreterNotFoundError(InterpreterError):
        """There is no such interpreter (any more)."""

        __module__ = "sharedobj.interpreters"

    @contextmanager
    def _translated(id: int | None = None) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            kind = InterpreterError
            if str(error).startswith("unrecognized interpreter"):
                kind = InterpreterNotFoundError
            raise _with_remedy(id, kind(str(error))) from None

    # An interpreter's end waits for the end of the thread that first imported threading
    # there, unless that is the one that ends it; but that thread may run for ever.
    _ADOPT = """\
def __sharedobj__():
    del globals()["__sharedobj__"]
    import sys
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._main_thread._ident = threading.get_ident()
__sharedobj__()
"""

    # For good: to ask again is to make a reference and drop it, see Hold.
    _MAIN = int(_interpreters.get_main())
    _CURRENT = int(_interpreters.get_current())

    def _prepare_end(
        id: int,
        code: str = _ADOPT,
        raw: Any = _interpreters,
        never: Any = (_MAIN, _CURRENT),
    ) -> None:
        if id not in never and not raw.is_running(id):
            raw.run_string(id, code)

    # With the last reference CPython ends the interpreter in the name of one of the threads that
    # are left there, and the process with it. destroy() does not; so these are kept for it.
    _with_threads: "dict[int, Hold]" = {}
    _ADOPT_IF_ALONE = "if __import__('_thread')._count(): raise RuntimeError('threads')\n" + _ADOPT

    class Hold:
        """Keeps an interpreter that was created here alive; the last one to go ends it.

        None holds the interpreter that it is made in: one that has begun to end has no
        reference left, and would begin a second time when such a Hold went.
        """

        def __init__(self, id: int) -> None:
            self._id = None
            if id == _CURRENT:
                return
            with _translated():
                self._id = _interpreters.InterpreterID(id)

        # Its globals may be gone when it is called last, so it brings its own.
        def drop(
            self,
            lifecycle: Any = _lifecycle,
            prepare_end: Any = _prepare_end,
            code: str = _ADOPT_IF_ALONE,
            failed: Any = _interpreters.RunFailedError,
            with_threads: Any = _with_threads,
        ) -> None:
            id, self._id = self._id, None
            if id is not None:
                with lifecycle:
                    with_threads.pop(int(id), None)
                    try:
                        prepare_end(id, code)
                    except failed:
                        self._id, with_threads[int(id)] = id, self
                    except RuntimeError:
                        pass  # It has ended already.
                    del id  # ends it, if it was the last

    def create() -> tuple[int, Hold]:
        drop_again()
        with _lifecycle, _translated():
            id = _interpreters.create(isolated=True)
            return int(id), Hold(int(id))

    def origin(id: int) -> str:
        Hold(id)
        return "runtime init" if id == main() else "_xxsubinterpreters module"

    def run(id: int, code: str, shared: Mapping[str, Any]) -> None:
        if id == main():
            raise InterpreterError(f"cannot exec code for unrecognized interpreter {id}")
        with _entered(id), _translated(id):
            _interpreters.run_string(id, code, dict(shared))

    def destroy(id: int) -> None:
        with _lifecycle, _empty(id), _translated(id):
            if id == main():
                raise InterpreterError(f"cannot destroy unrecognized interpreter {id}")
            _prepare_end(id)
            _interpreters.destroy(id)

    def drop_again() -> None:
        """End those whose threads have ended since they were dropped."""
        for hold in list(_with_threads.values()):
            hold.drop()

    def destroy_dropped() -> None:
        """End those that were dropped, with the threads that are left there."""
        for id in list(_with_threads):
            try:
                destroy(id)
            except InterpreterError:
                pass  # It runs, or another one has ended it.

    def is_running(id: int) -> bool:
        with _translated():
            return bool(_interpreters.is_running(id)) or id in _runs

    def list_all() -> list[int]:
        return [int(id) for id in _interpreters.list_all()]

    def current() -> int:
        return _CURRENT

    def main() -> int:
        return _MAIN
