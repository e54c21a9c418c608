"""Interpreters with a GIL of their own, the same way on every version.

The product has such an interface too (sharedobj.interpreters); the tests of the roads
between interpreters must not depend on it.
"""

import sys
import threading

if sys.version_info >= (3, 13):
    import _interpreters
else:
    import _xxinterpchannels
    import _xxsubinterpreters as _interpreters

# CPython before 3.14 is not safe when interpreters are made and destroyed at the same time.
_one_at_a_time = threading.Lock()


class Sub:
    """One interpreter. `with` destroys it."""

    def __init__(self):
        with _one_at_a_time:
            self.id = _interpreters.create()

    def run(self, code, **shared):
        """Executes code in its __main__, where `shared` are variables."""
        if sys.version_info < (3, 13):
            for name, value in shared.items():
                if isinstance(value, _Channel):  # noqa: F821
                    shared[name] = value.id
                    code = f"{_CHANNEL_CODE}\n{name} = _Channel({name})\n{code}"
            _interpreters.run_string(self.id, code, shared)
            return
        for value in shared.values():
            if type(value).__name__ == "Queue":  # 3.13 does not import by itself
                _interpreters.exec(self.id, f"import {type(value).__module__}")
        if shared:
            _interpreters.set___main___attrs(self.id, shared)
        if (error := _interpreters.exec(self.id, code)) is not None:
            raise RuntimeError(f"in the interpreter: {error.formatted}")

    def close(self):
        if sys.version_info < (3, 13):
            # 3.12 joins the thread that has imported threading there, unless it is this one.
            self.run(
                "import sys\n"
                "if (t := sys.modules.get('threading')) is not None:\n"
                "    t._main_thread._ident = t.get_ident()\n"
            )
        with _one_at_a_time:
            _interpreters.destroy(self.id)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


# 3.12 has channels only; this gives one the methods of a queue, here and in interpreters.
_CHANNEL_CODE = """if 1:
    import _xxinterpchannels
    class _Channel:
        def __init__(self, id):
            self.id = id
        def put(self, value):
            _xxinterpchannels.send(self.id, value)
        def get(self):
            return _xxinterpchannels.recv(self.id)
"""
if sys.version_info < (3, 13):
    exec(_CHANNEL_CODE)


def std_queue():
    """A queue of the standard library. Goes through Sub.run() as a shared variable."""
    if sys.version_info >= (3, 14):
        from concurrent import interpreters

        return interpreters.create_queue()
    if sys.version_info >= (3, 13):
        from test.support.interpreters import queues

        return queues.create(syncobj=True)
    own = _xxinterpchannels.create()
    channel = _Channel(int(own))  # noqa: F821
    channel.own = own  # the channel goes with it
    return channel


def destroy_queue(queue):
    if sys.version_info >= (3, 13):
        import _interpqueues

        _interpqueues.destroy(queue.id)
    else:
        _xxinterpchannels.destroy(queue.id)


def in_thread(function, *args, **kwargs):
    """Starts a thread; its join() raises what the function has raised."""
    thread = _Thread(function, args, kwargs)
    thread.start()
    return thread


class _Thread(threading.Thread):
    def __init__(self, function, args, kwargs):
        super().__init__()
        self.call = function, args, kwargs
        self.error = self.result = None

    def run(self):
        function, args, kwargs = self.call
        try:
            self.result = function(*args, **kwargs)
        except BaseException as error:
            self.error = error
        finally:
            self.call = None

    def join(self, timeout=240):
        super().join(timeout)
        assert not self.is_alive(), "the thread does not end"
        if self.error is not None:
            raise self.error
        return self.result
