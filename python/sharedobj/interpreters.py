"""Interpreters of this process: the same small interface on every Python.

On 3.14 and later this *is* the standard library's ``concurrent.interpreters``. On 3.12 and
3.13, which can do the same but have no public module for it, the part that most programs
need is built here, and code that keeps to it runs everywhere:

    create() list_all() get_current() get_main() is_shareable(obj)
    Interpreter: id whence is_running() prepare_main() exec() call() call_in_thread() close()
    InterpreterError InterpreterNotFoundError ExecutionFailed NotShareableError

There is no Queue: ``sharedobj.Channel`` is faster and can be closed.
"""

import sys

if sys.version_info >= (3, 14):
    from concurrent import interpreters
    from concurrent.interpreters import *  # noqa: F403 (for type checkers)
    from concurrent.interpreters import __all__ as __all__

    # Whoever imports this module gets the standard one.
    sys.modules[__name__] = interpreters
else:
    from ._interpreters.local import *  # noqa: F403
    from ._interpreters.local import __all__ as __all__
