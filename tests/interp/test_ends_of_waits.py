"""Calls that wait, all kinds at once: signals, forks, debuggers, ends of interpreters and of
processes. What ends a wait ends it, and nothing else does."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from interps import Sub, in_thread
from waits import CODE, NAMES, Waits

import sharedobj as so
from sharedobj import AtomicInt, Channel

FINALIZATION = "PythonFinalizationError" if sys.version_info >= (3, 13) else "RuntimeError"

# After CODE: a thread waits in each call; start() returns when they all have begun.
THREADS = """if 1:
    import threading
    results, begun, threads = {}, threading.Semaphore(0), []
    def run(name):
        begun.release()
        try:
            results[name] = calls[name]()
        except BaseException as error:
            results[name] = error
    def start(daemon=False):
        for name in calls:
            threads.append(threading.Thread(target=run, args=(name,), daemon=daemon))
            threads[-1].start()
        for _ in threads:
            begun.acquire()
    def finish():
        wake()
        for thread in threads:
            thread.join()
        assert list(map(type, map(results.get, calls))) == [
            str, bool, list, int, tuple, str, type(None), int, int
        ], results
        check()
"""


def test_ctrl_c_in_every_call(run_python):
    """Repeated: a signal after the last look and before the system call is seen with the next.
    Only one of them may raise."""
    run_python(
        CODE
        + """if 1:
        import os, signal, threading
        def press(stopped):
            while not stopped.wait(0.01):
                os.kill(os.getpid(), signal.SIGINT)
        def once(*args):
            signal.signal(signal.SIGINT, lambda *args: None)
            signal.default_int_handler(*args)
        ended = []
        for name, call in calls.items():
            stopped = threading.Event()
            thread = threading.Thread(target=press, args=(stopped,))
            signal.signal(signal.SIGINT, lambda *args: None)
            thread.start()
            try:
                signal.signal(signal.SIGINT, once)
                call()
            except KeyboardInterrupt:
                ended.append(name)
            stopped.set()
            thread.join()
        assert ended == list(calls)
        wake()
        for call in calls.values():
            call(240)
        check()
        """
    )


def test_a_process_ends_while_daemon_threads_wait_in_every_call(run_python):
    done = run_python(CODE + THREADS + "    start(daemon=True)\n    print('end')")
    assert done.stdout == "end\n" and done.stderr == ""


def test_a_process_exits_at_once_while_threads_wait(run_python):
    """No handler runs, and nobody is asked."""
    run_python(CODE + THREADS + "    start()\n    import os\n    os._exit(7)", expected=7)


def test_a_process_that_dies_of_a_signal_while_threads_wait(run_python):
    code = CODE + THREADS + "    start()\n    import os, signal\n    os.kill(os.getpid(), 15)"
    run_python(code, expected=-signal.SIGTERM)


def test_an_interpreter_is_closed_while_its_threads_wait_in_every_call():
    """Each gets the error; those who wait for the same things elsewhere go on."""
    waits, ended, held = Waits(), Channel(), Channel()
    others = [in_thread(call) for call in waits.calls.values()]
    mine = in_thread(held.recv)
    sub = Sub()
    sub.run(CODE + THREADS + "    start()")
    sub.run(
        """if 1:
        def wait_here():
            begun.release()
            try:
                held.recv()
            except Exception as error:
                ended.send(type(error).__name__)
        def tell(thread, name):
            thread.join()
            ended.send(type(results[name]).__name__)
        for thread, name in list(zip(threads, calls)):
            threading.Thread(target=tell, args=(thread, name)).start()
        threading.Thread(target=wait_here).start()
        begun.acquire()
        """,
        held=held,
        ended=ended,
    )
    sub.close()
    assert ended.recv_many(100) == [FINALIZATION] * (len(NAMES) + 1)
    assert mine.is_alive() and all(thread.is_alive() for thread in others)
    held.send("still here")
    assert mine.join() == "still here"
    waits.wake()
    for thread in others:
        thread.join()
    waits.check()


def test_fork_while_others_wait_in_every_call(run_python):
    """The child has the objects, but not the waiters: what it does wakes its own ones only."""
    done = run_python(
        CODE
        + THREADS
        + """
    import os, warnings
    warnings.simplefilter("ignore")
    start()
    for generation in range(3):
        pid = os.fork()
        if pid == 0:
            ok = False
            try:
                assert full.qsize() == 1 and empty.qsize() == 0 and number.get() == 0
                threads.clear()
                start()
                finish()
                ok = True
            finally:
                os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert not results and all(thread.is_alive() for thread in threads)
    finish()
    print("both")
        """
    )
    assert done.stdout == "both\n"


# A process that waits in every call until its standard input has a line.
STANDING = (
    CODE
    + THREADS
    + """
    import sys
    start()
    print("waiting", flush=True)
    sys.stdin.readline()
    finish()
    print("done", flush=True)
"""
)


@pytest.fixture
def standing():
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", STANDING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "waiting\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def goes_on(process):
    """Returns: what it has written to standard error."""
    out, err = process.communicate("\n", timeout=240)
    assert (out, process.returncode) == ("done\n", 0), err
    return err


def test_stopped_and_continued(standing):
    for _ in range(5):
        standing.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(standing.pid, os.WUNTRACED)[1])
        standing.send_signal(signal.SIGCONT)
        assert os.WIFCONTINUED(os.waitpid(standing.pid, os.WCONTINUED)[1])
    assert goes_on(standing) == ""


@pytest.mark.skipif(shutil.which("gdb") is None, reason="needs gdb")
def test_a_debugger_comes_and_goes(standing):
    for _ in range(2):
        done = subprocess.run(
            ["gdb", "-nx", "-batch", "-p", str(standing.pid), "-ex", "info threads"],
            capture_output=True,
            text=True,
            timeout=240,
        )
        if "Operation not permitted" in done.stdout + done.stderr:
            pytest.skip("this system allows no debugger")
        assert done.stdout.count("Thread 0x") >= len(NAMES), done.stdout + done.stderr
    assert goes_on(standing) == ""


def test_faulthandler_shows_who_waits(run_python):
    done = run_python(
        CODE
        + THREADS
        + """
    import faulthandler
    start()
    for _ in range(10):
        faulthandler.dump_traceback(all_threads=True)
    finish()
        """
    )
    assert done.stderr.count("Thread 0x") >= 10 * len(NAMES)


@pytest.mark.parametrize("setter", ["settrace", "setprofile"])
def test_somebody_looks_on(run_python, setter):
    """A trace function, which uses the very objects, in threads that wait."""
    done = run_python(
        CODE
        + THREADS
        + f"""
    events = set()
    def look(frame, event, arg):
        events.add(event)
        assert empty.qsize() >= 0 and number.get() in (0, 1) and table.get("key") in (0, 1)
        return look
    threading.{setter}(look)
    import sys
    sys.{setter}(look)
    start()
    finish()
    sys.{setter}(None)
    print(*sorted(events))
        """
    )
    assert done.stderr == ""
    expected = "call" if setter == "settrace" else "c_call c_return call return"
    assert set(expected.split()) <= set(done.stdout.split())


def test_a_profiler_that_raises(run_python):
    """When the wait has ended, the message is there or the error is."""
    run_python(
        """if 1:
        import sys, threading, sharedobj
        channel = sharedobj.Channel()
        got, lost = [], []
        def look(frame, event, arg):
            if event == "c_return" and getattr(arg, "__name__", "") == "recv":
                raise KeyError("from the profiler")
        def work():
            sys.setprofile(look)
            try:
                got.append(channel.recv())
            except KeyError as error:
                lost.append(error)
            finally:
                sys.setprofile(None)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for n in range(8):
            channel.send(n)
        for thread in threads:
            thread.join()
        assert len(got) + len(lost) == 8 and channel.qsize() == 0
        channel.send("works")
        assert channel.recv() == "works"
        """
    )


# ---- many

MANY = """if 1:
    import threading, sharedobj
    def work():
        begun.increment()
        try:
            while True:
                # What it has got it passes on before it can be told to end.
                got.send_many(channel.recv_many(3))
        except Exception as error:
            ended.send(type(error).__name__)
    for _ in range(n):
        threading.Thread(target=work).start()
"""
WAITERS = 40


def test_200_waiters_and_interpreters_that_end():
    """Interpreters end one after the other, in any order, while messages come. Every message
    is received once; every waiter of a closed interpreter ends by itself."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    channel, got, ended, begun = Channel(), Channel(), Channel(), AtomicInt()
    shared = {"channel": channel, "got": got, "ended": ended, "begun": begun, "n": WAITERS}
    subs = [Sub() for _ in range(4)]
    for sub in subs:
        sub.run(MANY, **shared)
    exec(MANY, dict(shared))
    while (n := begun.get()) < WAITERS * 5:
        begun.wait(n)
    stop = threading.Event()

    def send():
        total = 0
        while not stop.is_set():
            total += channel.send_many(range(total, total + rng.randrange(1, 50)))
            time.sleep(0)
        return total

    sender = in_thread(send)
    rng.shuffle(subs)
    for count, sub in enumerate(subs, 1):
        sub.close()
        names = []
        while len(names) < WAITERS:
            names += ended.recv_many(WAITERS - len(names))
        assert set(names) == {FINALIZATION}, count
    stop.set()
    total = sender.join()
    assert total > 0
    channel.close()
    names = []
    while len(names) < WAITERS:
        names += ended.recv_many(WAITERS - len(names))
    assert set(names) == {"ChannelClosed"} and ended.qsize() == 0
    messages = got.recv_many(total + 1)
    assert sorted(messages) == list(range(total))


def test_a_channel_that_only_its_waiter_holds():
    """Both go when the interpreter does."""
    number = AtomicInt()
    sub = Sub()
    sub.run(
        """if 1:
        import threading, sharedobj
        def work(channel):
            number.set(channel.id)
            channel.recv()
        threading.excepthook = lambda args: None
        threading.Thread(target=work, args=(sharedobj.Channel(),)).start()
        number.wait(0)
        """,
        number=number,
    )
    so.attach(number.get())
    sub.close()
    so.collect()
    with pytest.raises(LookupError, match=re.escape("gone")):
        so.attach(number.get())
