"""Threads that start together."""

import threading


def run(*functions, again=()):
    """Runs the functions in threads that start together; raises what they raise. Those in `again`
    are called over and over until the others have ended."""
    barrier = threading.Barrier(len(functions) + len(again))
    errors, ended = [], []

    def call(function):
        barrier.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)
        finally:
            ended.append(function)

    def repeat(function):
        barrier.wait()
        try:
            function()
            while len(ended) < len(functions):
                function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(f,)) for f in functions]
    threads += [threading.Thread(target=repeat, args=(f,)) for f in again]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
