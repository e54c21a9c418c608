"""Blocking calls: across interpreters, and when interpreters and processes end."""

import sys

from interps import Sub, in_thread

from sharedobj import AtomicInt

FINALIZATION = "PythonFinalizationError" if sys.version_info >= (3, 13) else "RuntimeError"


def test_interpreters_wake_each_other():
    ping, pong, rounds = AtomicInt(), AtomicInt(), 300
    with Sub() as sub:
        thread = in_thread(
            sub.run,
            "for i in range(rounds): assert ping.wait(i) == i + 1; pong += 1",
            ping=ping,
            pong=pong,
            rounds=rounds,
        )
        for i in range(rounds):
            ping += 1
            assert pong.wait(i, timeout=240) == i + 1
        thread.join()


def test_many_waiters_in_many_interpreters():
    gate, woken = AtomicInt(), AtomicInt()
    subs = [Sub() for _ in range(3)]
    threads = [
        in_thread(sub.run, "woken += gate.wait(0)", gate=gate, woken=woken) for sub in subs
    ] + [in_thread(lambda: woken.increment(gate.wait(0))) for _ in range(3)]
    gate.set(5)
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()
    assert woken.get() == 30


BLOCKED_THREAD = """if 1:
    import sys, threading
    def work():
        started.increment()
        try:
            gate.wait(0)
        except Exception as error:
            result.set(1 if type(error).__name__ == expected else 2)
        else:
            result.set(3)
    thread = threading.Thread(target=work)
    thread.start()
    started.wait(0)
"""


def test_a_closed_interpreter_ends_the_waits_of_its_threads():
    gate, started, result = AtomicInt(), AtomicInt(), AtomicInt()
    sub = Sub()
    sub.run(BLOCKED_THREAD, gate=gate, started=started, result=result, expected=FINALIZATION)
    other = in_thread(gate.wait, 0)
    sub.close()
    assert result.get() == 1
    assert gate.get() == 0 and other.is_alive()  # threads of others wait on
    gate.set(9)
    assert other.join() == 9


def test_waiting_while_an_interpreter_ends():
    """After the threads have been told, no wait begins any more."""
    gate, result = AtomicInt(), AtomicInt()
    with Sub() as sub:
        sub.run(
            """if 1:
            import atexit
            def late():
                try:
                    gate.wait(0)
                except Exception as error:
                    result.set(1 if type(error).__name__ == expected else 2)
            atexit.register(late)
            try:
                gate.wait(0, 0.001)
            except TimeoutError:
                pass
            """,
            gate=gate,
            result=result,
            expected=FINALIZATION,
        )
    assert result.get() == 1


def test_signals(run_python):
    """A handler runs during the wait, which goes on to its deadline unless it raises."""
    done = run_python(
        """if 1:
        import signal, sharedobj
        calls = 0
        def handler(*args):
            global calls
            calls += 1
            if calls == 20:
                raise KeyError("from the handler")
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        a = sharedobj.AtomicInt()
        try:
            a.wait(0)
        except KeyError:
            print(calls, end=" ")
        calls = 100
        try:
            a.wait(0, 0.2)
        except TimeoutError:
            print(calls > 100, end=" ")
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, lambda *args: a.set(7))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        print(a.wait(0))
        """
    )
    assert done.stdout.split() == ["20", "True", "7"]


def test_ctrl_c(run_python):
    """The interrupt comes from another thread while the main thread waits. It is repeated:
    as in every blocking call of Python, a signal that comes after the last look and before
    the system call is seen with the next one. Only one of them may raise."""
    run_python(
        """if 1:
        import os, signal, threading, sharedobj
        a, stopped = sharedobj.AtomicInt(), threading.Event()
        def once(*args):
            signal.signal(signal.SIGINT, lambda *args: None)
            signal.default_int_handler(*args)
        def interrupt():
            while not stopped.wait(0.05):
                os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=interrupt)
        signal.signal(signal.SIGINT, lambda *args: None)
        thread.start()
        try:
            signal.signal(signal.SIGINT, once)
            a.wait(0)
        except KeyboardInterrupt:
            stopped.set()
        else:
            raise SystemExit(1)
        thread.join()
        a += 1
        assert a.wait(0) == 1
        """
    )


def test_a_process_ends_while_daemon_threads_wait(run_python):
    done = run_python(
        """if 1:
        import threading, sharedobj
        threading.excepthook = lambda args: None
        a, started = sharedobj.AtomicInt(), sharedobj.AtomicInt()
        def work():
            started.increment()
            while True:
                a.wait(0)
        for _ in range(5):
            threading.Thread(target=work, daemon=True).start()
        while (n := started.get()) < 5:
            started.wait(n)
        """
    )
    assert "Fatal" not in done.stderr


def test_daemon_threads_are_told(run_python):
    """They get the error while they can still run: handlers registered earlier run later."""
    done = run_python(
        """if 1:
        import atexit, threading, sharedobj
        a, started, ended = (sharedobj.AtomicInt() for _ in range(3))
        told = threading.Event()
        def work():
            try:
                started.increment()
                a.wait(0)
            except Exception as error:
                print(type(error).__name__, flush=True)
            finally:
                told.set()
        atexit.register(told.wait, 240)
        threading.Thread(target=work, daemon=True).start()
        try:
            # The wait of the thread, or this one, registers the wake-up at the exit.
            ended.wait(0, 0.001)
        except TimeoutError:
            pass
        while started.get() == 0:
            started.wait(0)
        """
    )
    assert done.stdout.split() == [FINALIZATION]


def test_threads_of_the_program_go_on_when_the_main_thread_ends(run_python):
    """They are joined before anything is shut down, and may wait for each other."""
    done = run_python(
        """if 1:
        import threading, sharedobj
        a = sharedobj.AtomicInt()
        def consume():
            value = 0
            while value < 50:
                value = a.wait(value)
            print("done", value)
        def produce():
            threading.main_thread().join()
            for _ in range(50):
                a.increment()
        threading.Thread(target=consume).start()
        threading.Thread(target=produce).start()
        """
    )
    assert done.stdout.split() == ["done", "50"] and done.stderr == ""


def test_a_wait_at_the_very_end_does_not_hang(run_python):
    done = run_python(
        """if 1:
        import sys, sharedobj
        class Late:
            a = sharedobj.AtomicInt()
            out = sys.stdout
            def __del__(self):
                try:
                    self.a.wait(0)
                except Exception as error:
                    self.out.write(type(error).__name__ + "\\n")
                    self.out.flush()
        late = Late()
        late.cycle = late
        """
    )
    assert done.stdout.split() == [FINALIZATION]
