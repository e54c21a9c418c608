"""Threads that start together."""

import threading


def run(*functions):
    """Runs the functions in threads that start together; raises what they raise."""
    barrier = threading.Barrier(len(functions))
    errors = []

    def call(function):
        barrier.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
