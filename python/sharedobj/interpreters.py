"""Interpreters of this process: the same small interface on every Python.

On 3.14 and later this *is* the standard library's ``concurrent.interpreters``. On 3.12 and
3.13, which can do the same but have no public module for it, the part that most programs
use is built here: code that keeps to it runs on all of them.

Where this differs from 3.14: arguments and results may be anything that a Channel takes;
``call()`` prefers to find a function by its name over shipping its code; there is no Queue
(use ``sharedobj.Channel``). Creating and closing interpreters leaks some 1.7 MB each time
on 3.12 and 3.13, with or without this package: use them again rather than make new ones.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from concurrent import interpreters as _standard

    # An import of this module, and the attribute of the package, give the standard one.
    sys.modules[__name__] = _standard
else:
    import atexit
    import marshal
    import threading
    import types
    import weakref
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any, TypeVar

    from . import Channel, ChannelEmpty, NotShareableError, explain, is_shareable

    if sys.version_info >= (3, 13):
        from . import _interpreters_313 as _raw
    else:
        from . import _interpreters_312 as _raw

    InterpreterError = _raw.InterpreterError
    InterpreterNotFoundError = _raw.InterpreterNotFoundError

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
