"""The interface of ``concurrent.interpreters`` on 3.12 and 3.13; see ../interpreters.py.

Tasks and replies travel through a Channel, so what a Channel takes may be passed: values,
handles by reference, copies of what can be pickled. Differences from 3.14: call() looks a
function up by its name where it can and ships its code only where it cannot (lambdas,
functions of an interactive session), and prepare_main() takes all that sharedobj calls
shareable. Every interpreter that is made and closed costs some 1.7 MB on these versions,
with or without this package: use them again rather than make new ones.
"""

import atexit
import builtins
import dis
import marshal
import os
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from .. import Channel, NotShareableError, explain, is_shareable
from . import raw
from .raw import InterpreterError, InterpreterNotFoundError

__all__ = [
    "ExecutionFailed",
    "Interpreter",
    "InterpreterError",
    "InterpreterNotFoundError",
    "NotShareableError",
    "create",
    "get_current",
    "get_main",
    "is_shareable",
    "list_all",
]

# Run in the target by the private module. It finds this package even where it is not on
# the path, and leaves nothing in __main__.
_BOOT = """\
def __sharedobj__():
    names = globals()
    channel = names.pop("__sharedobj_channel__")
    del names["__sharedobj__"]
    import sys
    try:
        from sharedobj._interpreters.remote import answer
    except ImportError:
        sys.path.append({folder!r})
        try:
            from sharedobj._interpreters.remote import answer
        finally:
            sys.path.remove({folder!r})
    answer(channel)
__sharedobj__()
""".format(folder=os.path.abspath(os.path.join(__file__, "../../..")))


class ExecutionFailed(InterpreterError):
    """What ran in the other interpreter raised an exception that nothing caught there.

    ``excinfo`` describes it: ``type`` (with its names), ``msg``, ``formatted`` (the last
    line) and ``errdisplay`` (the traceback).
    """

    __module__ = "sharedobj.interpreters"

    def __init__(self, excinfo: types.SimpleNamespace) -> None:
        super().__init__(excinfo.formatted)
        self.excinfo = excinfo

    def __str__(self) -> str:
        return f"{super().__str__()}\n\nUncaught in the interpreter:\n\n{self.excinfo.errdisplay}"


def _excinfo(
    name: str, qualname: str, module: str, message: str, last: str, display: str
) -> types.SimpleNamespace:
    kind = types.SimpleNamespace(__name__=name, __qualname__=qualname, __module__=module)
    return types.SimpleNamespace(type=kind, msg=message, formatted=last, errdisplay=display)


def _main_origin() -> tuple[str, str] | None:
    """Where the target can get this interpreter's __main__ from."""
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name and name != "__main__":
        return "module", name
    file = getattr(main, "__file__", None)
    if file and name:
        file = os.path.dirname(file)  # a folder or an archive that was started
    # A program that is piped in is called "<stdin>".
    return ("path", os.path.abspath(file)) if file and os.path.exists(file) else None


def _is_found_by_name(thing: Any) -> bool:
    found: Any = sys.modules.get(thing.__module__ or "")
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is thing and (thing.__module__ != "__main__" or _main_origin() is not None)


def _global_names(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _stateless_code(function: types.FunctionType) -> bytes:
    used = sorted({n for n in _global_names(function.__code__) if not hasattr(builtins, n)})
    reason = None
    if function.__closure__:
        reason = "it is a closure over " + ", ".join(function.__code__.co_freevars)
    elif function.__defaults__ or function.__kwdefaults__:
        reason = "it has default arguments"
    elif used:
        reason = "it uses the global names " + ", ".join(used)
    if reason is not None:
        raise NotShareableError(
            f"{function.__qualname__} cannot be found by its name in another interpreter, and "
            f"its code alone cannot be sent: {reason}. Define it in a module that both can import"
        )
    return marshal.dumps(function.__code__)


def _describe(function: Callable[..., Any]) -> tuple[Any, ...]:
    """How the target gets the callable; see `remote.resolve`."""
    if not callable(function):
        raise TypeError(f"expected a callable, got {function!r}")
    if isinstance(function, types.FunctionType | type) and _is_found_by_name(function):
        return "name", function.__module__, function.__qualname__
    if isinstance(function, types.FunctionType):
        return "code", _stateless_code(function), function.__name__
    return "object", function


_known: weakref.WeakValueDictionary[int, "Interpreter"] = weakref.WeakValueDictionary()


class Interpreter:
    """One interpreter of this process; there is one such object for each id.

    Those that create() made end with the last object that stands for them, or by close().
    The others can be looked at only.
    """

    _id: int
    _hold: raw.Hold

    def __new__(cls, id: int, /, _hold: raw.Hold | None = None) -> Self:
        if not isinstance(id, int):
            raise TypeError(f"id must be an int, got {id!r}")
        self = _known.get(id)
        if self is None:
            hold = raw.Hold(id) if _hold is None else _hold
            self = super().__new__(cls)
            self._id, self._hold = id, hold
            # Of two threads that make one, one object wins.
            self = _known.setdefault(id, self)
        return self  # type: ignore[return-value]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._id})"

    def __hash__(self) -> int:
        return hash(self._id)

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return type(self), (self._id,)

    def __del__(self) -> None:
        hold = self.__dict__.get("_hold")
        if hold is not None:  # __new__ did not fail
            hold.drop()

    @property
    def id(self) -> int:
        """The number of the interpreter in this process."""
        return self._id

    @property
    def whence(self) -> str:
        """Where the interpreter was created."""
        return raw.origin(self._id)

    def is_running(self) -> bool:
        """Return whether code runs in its __main__ now."""
        return raw.is_running(self._id)

    def close(self) -> None:
        """End the interpreter. InterpreterError if it is running or is this one."""
        raw.destroy(self._id)

    def prepare_main(self, ns: Mapping[str, Any] | None = None, /, **kwargs: Any) -> None:
        """Bind shareable values to names in its __main__."""
        values = dict(ns, **kwargs) if ns is not None else kwargs
        for name, value in values.items():
            if not isinstance(name, str):
                raise TypeError(f"names must be str, got {name!r}")
            if not is_shareable(value):
                raise NotShareableError(f"{name}: {explain(value)}")
        self._perform(("bind", values))

    def exec(self, code: str, /) -> None:
        """Run source code in its __main__ and wait for the end.

        ExecutionFailed if it raises. Other threads of this interpreter go on meanwhile.
        """
        compiled = compile(code, "<script>", "exec", dont_inherit=True)
        self._perform(("exec", marshal.dumps(compiled)))

    def call(self, callable: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in the interpreter, wait, and return what it returns.

        The callable is found there by module and name; one without such a name must be a
        function that uses nothing but its arguments and built-in names. Arguments and the
        result are passed like messages of a Channel. ExecutionFailed if it raises.
        """
        how = _describe(callable)
        task = ("call", how, args, kwargs)
        main = _main_origin() if how[:2] == ("name", "__main__") else None
        try:
            return self._perform(task, main)
        except _Unreadable as error:
            # An argument may be of a class of this __main__.
            origin = _main_origin() if main is None and "__main__" in str(error) else None
            if origin is None:
                raise NotShareableError(f"not readable there: {error}") from None
        try:
            return self._perform(task, origin)
        except _Unreadable as error:
            raise NotShareableError(f"not readable there: {error}") from None

    def call_in_thread(
        self, callable: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> threading.Thread:
        """Start and return a thread that calls the function; its result is dropped."""
        thread = threading.Thread(target=self.call, args=(callable, *args), kwargs=kwargs)
        thread.start()
        return thread

    def _perform(self, task: tuple[Any, ...], main: tuple[str, str] | None = None) -> Any:
        """Have the task done. Return its result or raise what the reply says."""
        channel = Channel()
        channel.send_nowait(main)
        try:
            channel.send_nowait(task)
        except NotShareableError as error:
            raise NotShareableError(_in_words(str(error))) from error.__cause__
        raw.run(self._id, _BOOT, {"__sharedobj_channel__": channel})
        try:
            reply = channel.recv_nowait()
        except Exception as error:
            raise NotShareableError(f"the result is not readable here: {error}") from error
        if reply[0] == "failed":
            raise ExecutionFailed(_excinfo(*reply[1]))
        if reply[0] == "unreadable":
            raise _Unreadable(reply[1])
        if reply[0] == "unshareable":
            raise NotShareableError(f"the result cannot be sent: {reply[1]}")
        return reply[1]


def _in_words(text: str) -> str:
    """Of an error that names a part of a task: what the caller calls it."""
    for part, name in ("message[1]", "callable"), ("message[2]", "args"), ("message[3]", "kwargs"):
        if text.startswith(part):
            return name + text.removeprefix(part)
    return text


class _Unreadable(Exception):
    """The target could not decode the task."""


def create() -> Interpreter:
    """Make a new interpreter, with a GIL of its own, that runs nothing yet."""
    return Interpreter(*raw.create())


def list_all() -> list[Interpreter]:
    """Return all interpreters of the process."""
    found = []
    for id in raw.list_all():
        try:
            found.append(Interpreter(id))
        except InterpreterNotFoundError:
            pass  # It ended after it was listed.
    return found


def get_current() -> Interpreter:
    """Return the interpreter that runs this call."""
    return Interpreter(raw.current())


def get_main() -> Interpreter:
    """Return the main interpreter."""
    return Interpreter(raw.main())


@atexit.register
def _close_all() -> None:
    """Interpreters that are left at exit end in order, while this one still works."""
    for interpreter in list(_known.values()):
        try:
            running = interpreter.is_running()
        except InterpreterNotFoundError:
            continue  # It was closed.
        if not running:
            interpreter._hold.drop()
    if sys.version_info < (3, 13):
        raw.destroy_dropped()
