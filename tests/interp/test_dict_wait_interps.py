"""SharedDict.get_or_set and wait_for across interpreters, and when they end."""

import sys

import pytest
from interps import Sub, in_thread

from sharedobj import AtomicInt, SharedDict

FINALIZATION = "PythonFinalizationError" if sys.version_info >= (3, 13) else "RuntimeError"


def test_one_factory_of_all_interpreters():
    d, runs, ready = SharedDict(), AtomicInt(), AtomicInt()
    subs = [Sub() for _ in range(3)]
    code = """if 1:
        import threading
        def factory():
            runs.increment()
            for _ in range(2000):
                d.get("other")
            return ("value", 2**70)
        def ask():
            for key in range(20):
                if ready.increment() % 8 != 0:  # all begin each key together
                    while (n := ready.get()) < 8 * (key + 1):
                        ready.wait(n)
                assert d.get_or_set(key, factory) == ("value", 2**70)
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for t in threads: t.start()
        for t in threads: t.join()
    """

    def here():
        space = {"d": d, "runs": runs, "ready": ready}
        exec(code, space)

    threads = [in_thread(sub.run, code, d=d, runs=runs, ready=ready) for sub in subs]
    here()
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()
    assert runs.get() == 20 and len(d) == 20


def test_a_failure_is_the_callers_own():
    d, begun, end = SharedDict(), AtomicInt(), AtomicInt()
    with Sub() as sub:
        thread = in_thread(
            sub.run,
            """if 1:
            def factory():
                begun.set(1)
                end.wait(0)
                raise KeyError("theirs")
            try:
                d.get_or_set("a", factory)
            except KeyError as error:
                assert error.args == ("theirs",)
            else:
                raise SystemExit(1)
            """,
            d=d,
            begun=begun,
            end=end,
        )
        begun.wait(0, 240)
        waiter = in_thread(d.get_or_set, "a", lambda: "ours")
        end.set(1)
        thread.join()
        assert waiter.join() == "ours" and d == {"a": "ours"}


def test_wait_for_is_woken_from_another_interpreter():
    d, rounds = SharedDict(ping=0, pong=0), 300
    with Sub() as sub:
        thread = in_thread(
            sub.run,
            """if 1:
            for i in range(rounds):
                assert d.wait_for("ping", lambda v: v > i) == i + 1
                d["pong"] = i + 1
            """,
            d=d,
            rounds=rounds,
        )
        for i in range(rounds):
            d["ping"] = i + 1
            assert d.wait_for("pong", lambda v: v > i, 240) == i + 1  # noqa: B023
        thread.join()


def test_interpreters_that_want_each_others_keys():
    d, met, told = SharedDict(), AtomicInt(), AtomicInt()
    code = """if 1:
        def factory():
            if met.increment() == 1:
                met.wait(1)
            try:
                return d.get_or_set(other, int) + 1
            except RuntimeError as error:
                assert "wait for itself" in str(error)
                told.increment()
                return 0
        d.get_or_set(own, factory)
    """
    with Sub() as one, Sub() as two:
        threads = [
            in_thread(one.run, code, d=d, met=met, told=told, own="a", other="b"),
            in_thread(two.run, code, d=d, met=met, told=told, own="b", other="a"),
        ]
        for thread in threads:
            thread.join()
    assert told.get() == 1 and sorted(d.values()) == [0, 1]


def test_one_thread_in_two_interpreters():
    """A thread that goes over to another interpreter is still the one that runs the factory."""
    d, told = SharedDict(), AtomicInt()
    with Sub() as sub:

        def factory():
            sub.run(
                """if 1:
                try:
                    d.get_or_set("a", int)
                except RuntimeError as error:
                    told.increment()
                assert d.get_or_set("b", lambda: 7) == 7
                """,
                d=d,
                told=told,
            )
            return 5

        assert d.get_or_set("a", factory) == 5
    assert told.get() == 1 and d == {"a": 5, "b": 7}


BLOCKED_THREAD = """if 1:
    import threading
    def work():
        try:
            if what == "wait_for":
                started.increment()
                d.wait_for("a", lambda v: v)
            elif what == "waiter":
                started.increment()
                d.get_or_set("a", int)
            else:
                def factory():
                    started.increment()
                    return d.wait_for("never", bool)
                d.get_or_set("mine", factory)
        except Exception as error:
            result.set(1 if type(error).__name__ == expected else 2)
        else:
            result.set(3)
    thread = threading.Thread(target=work)
    thread.start()
    started.wait(0)
"""


@pytest.mark.parametrize("what", ["wait_for", "waiter", "owner"])
def test_an_interpreter_is_closed_meanwhile(what):
    """Its waits end; its factory ends with the wait in it, and the next one makes a value."""
    d, started, result = SharedDict(a=0), AtomicInt(), AtomicInt()
    begun, end = AtomicInt(), AtomicInt()
    if what == "waiter":
        del d["a"]

    def factory():
        begun.set(1)
        end.wait(0, 240)
        return 5

    owner = in_thread(d.get_or_set, "a", factory)
    if what == "waiter":
        begun.wait(0, 240)
    sub = Sub()
    sub.run(BLOCKED_THREAD, d=d, started=started, result=result, expected=FINALIZATION, what=what)
    waiter = in_thread(d.get_or_set, "mine", lambda: "ours")
    if what != "owner":
        assert waiter.join() == "ours"
    sub.close()
    assert result.get() == 1
    end.set(1)
    assert owner.join() == (5 if what == "waiter" else 0)
    assert waiter.join() == "ours" and d["mine"] == "ours"


SIGNALS = """if 1:
    import os, signal, threading, sharedobj
    def once(*args):
        signal.signal(signal.SIGINT, lambda *args: None)
        signal.default_int_handler(*args)
    d, stopped = sharedobj.SharedDict(), threading.Event()
    begun, end = threading.Event(), threading.Event()
    def factory():
        begun.set()
        end.wait()
        return 3
    owner = threading.Thread(target=d.get_or_set, args=("a", factory))
    owner.start()
    begun.wait()
    def interrupt():
        while not stopped.wait(0.05):
            os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    signal.signal(signal.SIGINT, lambda *args: None)
    thread.start()
    try:
        signal.signal(signal.SIGINT, once)
        CALL
    except KeyboardInterrupt:
        stopped.set()
    else:
        raise SystemExit(1)
    thread.join()
    end.set()
    owner.join()
    assert d.wait_for("a", lambda v: v == 3) == d.get_or_set("a", int) == 3
"""


@pytest.mark.parametrize("call", ["d.wait_for('a', bool)", "d.get_or_set('a', int)"])
def test_ctrl_c(run_python, call):
    """Repeated: a signal after the last look and before the system call is seen with the next.
    Only one of them may raise."""
    run_python(SIGNALS.replace("CALL", call))


def test_handlers_run_during_the_wait(run_python):
    done = run_python(
        """if 1:
        import signal, sharedobj
        d, calls = sharedobj.SharedDict(), 0
        def handler(*args):
            global calls
            calls += 1
            if calls == 10:
                d["a"] = "from the handler"
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        value = d.wait_for("a", bool)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(value, calls >= 10)
        """
    )
    assert done.stdout.strip() == "from the handler True"


def test_a_process_ends_in_the_middle(run_python):
    """Daemon threads run factories, wait for them, and wait for keys."""
    done = run_python(
        """if 1:
        import threading, sharedobj
        threading.excepthook = lambda args: None
        d, started = sharedobj.SharedDict(), threading.Semaphore(0)
        def busy():
            started.release()
            while True:
                d.get("other")
        def forever():
            started.release()
            d.wait_for("never", bool)
        def start(function, *args):
            threading.Thread(target=function, args=args, daemon=True).start()
        start(d.get_or_set, "a", busy)
        start(d.get_or_set, "b", forever)
        started.acquire()
        started.acquire()
        for _ in range(3):
            start(d.get_or_set, "a", int)
            start(d.get_or_set, "b", int)
            start(d.wait_for, "a", bool)
        """
    )
    assert "Fatal" not in done.stderr


def test_fork(run_python):
    """In the child the factories of vanished threads are over; that of the forking thread goes
    on. Both again in the parent."""
    done = run_python(
        """if 1:
        import os, sys, threading, warnings, sharedobj
        warnings.simplefilter("ignore")
        d, begun, end = sharedobj.SharedDict(), threading.Event(), threading.Event()
        def theirs():
            begun.set()
            end.wait()
            return "theirs"
        owner = threading.Thread(target=d.get_or_set, args=("a", theirs))
        owner.start()
        begun.wait()
        def mine():
            global pid
            pid = os.fork()
            return "child" if pid == 0 else "parent"
        d.get_or_set("b", mine)
        if pid == 0:
            ok = d == {"b": "child"} and d.get_or_set("a", lambda: "anew", 5) == "anew"
            try:
                d.wait_for("c", bool, 0.01)
            except TimeoutError:
                pass
            else:
                ok = False
            os._exit(0 if ok else 1)
        end.set()
        owner.join()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print(d["a"], d["b"])
        """
    )
    assert done.stdout.split() == ["theirs", "parent"]
