"""Allocations of the core that fail, one after the other."""

from sharedobj import _sharedobj


def each_allocation_fails(work, *, make=None, failed=None, silent=False):
    """Calls `work` with its first allocation of the core failing, then with the second, and so
    on, until none is left to fail. `make` makes the argument of each call, while nothing fails;
    `failed` is called, with the same argument, when the MemoryError has come out. Unless
    `silent`, each failure must come out.
    Returns: what the last call gave; how many allocations failed."""
    for after in range(10_000):
        arguments = () if make is None else (make(),)
        _sharedobj._fail_allocation(after)
        try:
            result, raised = work(*arguments), False
        except MemoryError:
            result, raised = None, True
        finally:
            left = _sharedobj._fail_allocation(-1)
        if left >= 0:
            assert not raised, "a MemoryError that nobody asked for"
            return result, after
        assert raised or silent, "a failing allocation went unnoticed"
        if raised and failed is not None:
            failed(*arguments)
    raise AssertionError("it allocates without end")
