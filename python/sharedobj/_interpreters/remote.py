"""The other side of Interpreter.exec(), call() and prepare_main(): runs in the target.

One channel carries the task here and the reply back:

    caller: send(main, task) -> run BOOT in the target -> recv(reply)
    target:                     recv, do it, send(reply)

A task is a tuple whose first item says what to do:

    ("exec", code)                      marshalled; run in __main__
    ("bind", values)                    a dict; into __main__
    ("call", callable, args, kwargs)    callable: see `resolve`

and a reply is one of ("done", result), ("failed", a description of the exception),
("unreadable", why the task could not be decoded), ("unshareable", why not the result).

Imports only what every task needs: a new interpreter imports all of it anew.
"""

from __future__ import annotations

import marshal
import sys

from .. import Channel, ChannelEmpty, NotShareableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

# The caller's main module, as imported here under another name: by file or module name.
_mains: dict[tuple[str, str], ModuleType] = {}


def _load_main(kind: str, name: str) -> ModuleType:
    """The caller's script, run once as an import would: not as __main__."""
    module = _mains.get((kind, name))
    if module is None:
        import runpy

        run = runpy.run_module if kind == "module" else runpy.run_path
        try:
            content = run(name, run_name="<fake __main__>")
        except (Exception, SystemExit) as error:
            raise ImportError(
                f"{name}, the program's main module, fails when it is imported "
                f"({type(error).__name__}: {error}); put what starts the work under "
                'if __name__ == "__main__":'
            ) from error
        module = _mains[kind, name] = type(sys)("<fake __main__>")
        module.__dict__.update(content)
    return module


def resolve(how: tuple[Any, ...]) -> Callable[..., Any]:
    """The callable of a task: ("name", module, qualified name), ("code", code, name) of a
    function without state, or ("object", anything that was sent as a message)."""
    if how[0] == "name":
        __import__(how[1])
        found: Any = sys.modules[how[1]]
        for part in how[2].split("."):
            found = getattr(found, part)
    elif how[0] == "code":
        from types import FunctionType

        namespace = sys.modules["__main__"].__dict__
        found = FunctionType(marshal.loads(how[1]), namespace, how[2])
    else:
        found = how[1]
    return found  # type: ignore[no-any-return]


def describe(error: BaseException) -> tuple[str, ...]:
    """Type name, qualified name and module, message, last line, the whole display."""
    import traceback

    kind = type(error)
    here = describe.__code__.co_filename
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == here:
        trace = trace.tb_next
    shown = traceback.TracebackException(kind, error, trace)
    try:
        message = str(error)
    except Exception:
        message = ""
    display = "".join(shown.format()).rstrip("\n")
    shown.__notes__ = []  # they would be the last line
    last = list(shown.format_exception_only())[-1].strip()
    return kind.__name__, kind.__qualname__, kind.__module__, message, last, display


def perform(task: tuple[Any, ...], function: Callable[..., Any] | None) -> Any:
    if function is not None:
        return function(*task[2], **task[3])
    namespace = sys.modules["__main__"].__dict__
    if task[0] == "bind":
        namespace.update(task[1])
    else:
        exec(marshal.loads(task[1]), namespace)
    return None


def _receive(channel: Channel) -> tuple[tuple[Any, ...], Callable[..., Any] | None]:
    """The task, and its callable if it is a call."""
    main = channel.recv_nowait()
    own = sys.modules["__main__"]
    try:
        if main is not None:
            # Makes the names of the caller's __main__ findable.
            sys.modules["__main__"] = _load_main(*main)
        task = channel.recv_nowait()
        return task, resolve(task[1]) if task[0] == "call" else None
    finally:
        sys.modules["__main__"] = own


def _discard(channel: Channel) -> None:
    """What is left of a task that nobody will do: the reply must come first."""
    while True:
        try:
            channel.recv_nowait()
        except ChannelEmpty:
            return
        except Exception:
            continue  # it cannot be read, and is out


def answer(channel: Channel) -> None:
    """Does the task that waits in the channel and leaves the reply there."""
    try:
        task, function = _receive(channel)
    except Exception as error:
        _discard(channel)
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, AttributeError) and "__main__" in text:
            text += (
                "; define it in a module, or at the top level of the program, above "
                'if __name__ == "__main__":'
            )
        channel.send_nowait(("unreadable", text))
        return
    try:
        reply = ("done", perform(task, function))
    except BaseException as error:
        channel.send_nowait(("failed", describe(error)))
        return
    try:
        channel.send_nowait(reply)
    except NotShareableError as error:
        channel.send_nowait(("unshareable", str(error).replace("message[1]", "result", 1)))
