"""The argument timeout of every call that waits."""

import contextlib
import math
import queue
import signal
import sys
import threading
import time

import pytest
from waits import NAMES, Waits

EVERY = pytest.mark.parametrize("name", NAMES)
# Queue's methods raise those of queue, for which a timeout is the same as no waiting.
TIMEOUTS = TimeoutError, queue.Empty, queue.Full


@EVERY
@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 0.0004, 0.01])
def test_never_early(name, timeout):
    call = Waits().calls[name]
    began = time.monotonic()
    with pytest.raises(TIMEOUTS):
        call(timeout)
    assert time.monotonic() >= began + timeout


@EVERY
@pytest.mark.parametrize("timeout", [-1, -1e-9, -math.inf, math.nan])
def test_not_a_time(name, timeout):
    waits = Waits()
    with pytest.raises(ValueError, match=r"timeout|negative"):
        waits.calls[name](timeout)


@EVERY
@pytest.mark.parametrize("timeout", ["1", b"1", 1j, (), object()])
def test_not_a_number(name, timeout):
    waits = Waits()
    with pytest.raises(TypeError, match="timeout"):
        waits.calls[name](timeout)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 2**62, threading.TIMEOUT_MAX, sys.maxsize])
def test_far_away_is_for_ever(timeout):
    waits, got = Waits(), {}
    threads = [
        threading.Thread(target=lambda name=name: got.update({name: waits.calls[name](timeout)}))
        for name in NAMES
    ]
    for thread in threads:
        thread.start()
    waits.wake()
    for thread in threads:
        thread.join()
    waits.check()
    assert got == {
        "recv": "message", "send": True, "recv_many": ["message"], "send_many": 1,
        "select": (3, "message"), "get": "task", "put": None, "wait_for": 1, "wait": 1,
    }  # fmt: skip


def test_an_int_too_large_for_a_float():
    waits = Waits()
    for name in NAMES:
        with pytest.raises(OverflowError):
            waits.calls[name](10**400)


class Seconds:
    def __init__(self, value):
        self.value = value

    def __float__(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@EVERY
def test_what_has_a_float(name):
    waits = Waits()
    with pytest.raises(TIMEOUTS):
        waits.calls[name](Seconds(0.001))
    with pytest.raises(KeyError, match="no float today"):
        waits.calls[name](Seconds(KeyError("no float today")))


# ---- signals


@contextlib.contextmanager
def alarms(handler):
    """SIGALRM every millisecond."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@EVERY
def test_handlers_neither_shorten_nor_lengthen_a_wait(name):
    """Were the timeout begun anew after each signal, this one would never end."""
    calls, seen = Waits().calls, []
    with alarms(lambda *args: seen.append(args)):
        began = time.monotonic()
        with pytest.raises(TIMEOUTS):
            calls[name](0.05)
        assert time.monotonic() >= began + 0.05
        while not seen:  # a busy machine may be late with the first
            time.sleep(0.001)


class Stop(Exception):
    pass


@EVERY
def test_a_handler_that_raises_ends_the_wait(name):
    waits, seen = Waits(), []

    def handler(*args):
        seen.append(args)
        if len(seen) == 10:
            raise Stop

    with pytest.raises(Stop), alarms(handler):
        waits.calls[name](240)
    # Nothing was sent, nothing was received, and nobody is left waiting.
    threads = [threading.Thread(target=call) for call in waits.calls.values()]
    for thread in threads:
        thread.start()
    waits.wake()
    for thread in threads:
        thread.join()
    waits.check()


def test_a_handler_that_wakes_the_wait_it_interrupts():
    for name in NAMES:
        waits = Waits()

        def handler(*args, wake=waits.wake):
            signal.setitimer(signal.ITIMER_REAL, 0)
            wake()

        with alarms(handler):
            waits.calls[name](240)


def test_signals_at_threads_that_wait():
    """Handlers run in the main thread; the others sleep on."""
    waits, seen = Waits(), []
    before = signal.signal(signal.SIGUSR1, lambda *args: seen.append(args))
    threads = [threading.Thread(target=call) for call in waits.calls.values()]
    try:
        for thread in threads:
            thread.start()
        for _ in range(20):
            for thread in threads:
                signal.pthread_kill(thread.ident, signal.SIGUSR1)
        assert all(thread.is_alive() for thread in threads)
        waits.wake()
        for thread in threads:
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    waits.check()
    assert seen
