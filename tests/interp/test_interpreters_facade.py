"""sharedobj.interpreters: one interface on every Python.

On 3.14 and later these tests run against the standard library's own module, which shows
that they ask for what it does; on 3.12 and 3.13 against ours.
"""

import functools
import gc
import json
import operator
import pickle
import sys
import textwrap
import threading
import zipapp
from pathlib import Path

import pytest

import sharedobj as so
from sharedobj import interpreters

OURS = sys.version_info < (3, 14)


@pytest.fixture
def interp():
    interpreter = interpreters.create()
    yield interpreter
    try:
        interpreter.close()
    except interpreters.InterpreterNotFoundError:
        pass  # The test has closed it.


@pytest.fixture
def busy(interp):
    """An interpreter that runs until the test is over."""
    begun, end = so.Channel(), so.Channel()
    interp.prepare_main(begun=begun, end=end)
    thread = threading.Thread(target=interp.exec, args=("begun.send(1)\nend.recv()",))
    thread.start()
    begun.recv(timeout=240)
    yield interp
    end.send(1)
    thread.join()


def test_it_is_the_standard_module_where_there_is_one():
    if OURS:
        assert interpreters.__name__ == "sharedobj.interpreters"
    else:
        assert interpreters.__name__ == "concurrent.interpreters"
    assert so.interpreters is interpreters is sys.modules["sharedobj.interpreters"]


def test_what_is_there():
    assert issubclass(interpreters.InterpreterNotFoundError, interpreters.InterpreterError)
    assert issubclass(interpreters.ExecutionFailed, interpreters.InterpreterError)
    assert issubclass(so.NotShareableError, interpreters.NotShareableError)
    assert interpreters.is_shareable("x") and not interpreters.is_shareable([])


# ---- finding them


def test_create_lists_and_closes(interp):
    assert isinstance(interp.id, int)
    assert interp in interpreters.list_all()
    assert interpreters.get_main() in interpreters.list_all()
    assert interpreters.get_current() is interpreters.get_main()
    assert not interp.is_running()
    interp.close()
    assert interp not in interpreters.list_all()


def test_one_object_for_each_interpreter(interp):
    assert interpreters.Interpreter(interp.id) is interp
    assert pickle.loads(pickle.dumps(interp)) is interp
    assert repr(interp) == f"Interpreter({interp.id})"
    assert len({interp, interpreters.get_main(), interpreters.get_main()}) == 2
    assert interp.whence != interpreters.get_main().whence


def test_unknown_ones():
    with pytest.raises(interpreters.InterpreterNotFoundError):
        interpreters.Interpreter(1_000_000)
    with pytest.raises(TypeError):
        interpreters.Interpreter("1")


def test_it_ends_with_its_last_object():
    before = interpreters.list_all()
    interpreter = interpreters.create()
    interpreter.exec("import threading")
    assert len(interpreters.list_all()) == len(before) + 1
    del interpreter
    gc.collect()
    assert len(interpreters.list_all()) == len(before)


def test_the_main_one_is_not_for_us():
    main = interpreters.get_main()
    for attempt in (lambda: main.exec("pass"), lambda: main.call(len, ""), main.close):
        with pytest.raises(interpreters.InterpreterError):
            attempt()


def test_a_closed_one(interp):
    interp.close()
    for attempt in (
        interp.close,
        interp.is_running,
        lambda: interp.exec("pass"),
        lambda: interp.call(len, ""),
        lambda: interp.prepare_main(x=1),
    ):
        with pytest.raises(interpreters.InterpreterNotFoundError):
            attempt()


def test_a_running_one(busy):
    assert busy.is_running()
    for attempt in (
        busy.close,
        lambda: busy.exec("pass"),
        lambda: busy.call(len, ""),
        lambda: busy.prepare_main(x=1),
    ):
        with pytest.raises(interpreters.InterpreterError, match="running") as caught:
            attempt()
        if OURS:
            assert f"interpreter {busy.id} is" in str(caught.value)
            assert "wait for its end" in str(caught.value)  # what to do


@pytest.mark.skipif(not OURS, reason="of our own module")
def test_closed_while_a_thread_is_on_its_way(run_python):
    """Either the thread comes first and close() says so, or it finds nobody."""
    done = run_python(
        """if 1:
        import threading
        import sharedobj as so
        interpreters, outcomes = so.interpreters, []
        threading.excepthook = lambda args: outcomes.append(args.exc_type)
        for turn in range(60):
            interp, ready = interpreters.create(), threading.Event()
            def late():
                ready.set()
                interp.exec("pass")
            thread = threading.Thread(target=late)
            thread.start()
            ready.wait()
            for _ in range(turn * 20):
                pass  # to be late by another while each time
            try:
                interp.close()
            except interpreters.InterpreterError as error:
                assert "is running already" in str(error), error
                thread.join()
                interp.close()
            thread.join()
        assert set(outcomes) <= {interpreters.InterpreterNotFoundError}, outcomes
        assert interpreters.list_all() == [interpreters.get_main()]
        """
    )
    assert done.stderr == ""


def test_closed_by_another_thread_than_ran_it(interp):
    """3.12 waits for ever for the thread that first imported threading there."""
    interp.exec("import threading; threading.Event().wait(0.001)")
    first = threading.Thread(target=interp.close)
    first.start()
    first.join(240)
    assert not first.is_alive()

    second = interpreters.create()
    thread = threading.Thread(target=second.exec, args=("import threading",))
    thread.start()
    thread.join()
    second.close()


# ---- exec and prepare_main


def test_exec_keeps_its_names_and_adds_none(interp):
    interp.exec("before = set(globals())")
    interp.exec("x = 1")
    interp.exec("x += 1")
    interp.exec("assert x == 2")
    interp.exec("added = set(globals()) - before\nassert added == {'before', 'x'}, added")


def test_exec_reports_what_was_raised(interp):
    with pytest.raises(interpreters.ExecutionFailed) as caught:
        interp.exec("def f():\n    raise ValueError('no luck')\nf()")
    info = caught.value.excinfo
    assert (info.type.__name__, info.type.__module__) == ("ValueError", "builtins")
    assert info.msg == "no luck"
    assert info.formatted == "ValueError: no luck"
    assert 'File "<script>", line 2, in f' in info.errdisplay
    assert "remote.py" not in info.errdisplay
    assert str(caught.value).startswith("ValueError: no luck\n\nUncaught in the interpreter:\n\n")
    interp.exec("assert f")  # it goes on


def test_exec_of_exit_and_of_nonsense(interp):
    with pytest.raises(interpreters.ExecutionFailed, match="SystemExit: 3"):
        interp.exec("raise SystemExit(3)")
    with pytest.raises(SyntaxError):
        interp.exec("1 +")


def test_prepare_main(interp):
    counter, shared = so.AtomicInt(1), so.SharedDict(a=1)
    interp.prepare_main({"text": "x", "number": 2**62}, counter=counter, shared=shared)
    interp.prepare_main(both=("t", (1.5, b"b", None, counter)))
    interp.exec(
        "assert text == 'x' and number == 2**62\n"
        "counter += 1\nshared['b'] = both[1]\nassert both[1][3] is counter"
    )
    assert counter == 2
    assert shared["b"] == (1.5, b"b", None, counter)


def test_prepare_main_takes_only_what_is_shareable(interp):
    for value in ([1], {"a": 1}, threading.Lock(), object()):
        with pytest.raises(interpreters.NotShareableError):
            interp.prepare_main(ok=1, value=value)
    interp.exec("assert 'ok' not in globals()")
    with pytest.raises(TypeError):
        interp.prepare_main({1: 2})


# ---- call


def test_call_returns_the_result(interp):
    assert interp.call(operator.add, 1, 2) == 3
    assert interp.call(json.dumps, {"a": [1]}, indent=None) == '{"a": [1]}'
    assert interp.call(len, [1, 2]) == 2
    assert interp.call(operator.itemgetter(1), "ab") == "b"
    assert interp.call(str.upper, "x") == "X"


def test_call_runs_there(interp):
    def where():
        from sharedobj import interpreters

        return interpreters.get_current().id

    assert interp.call(where) == interp.id


def test_call_ships_code_that_needs_no_surroundings(interp):
    assert interp.call(lambda a, *, c: (a, c), 1, c=[2]) == (1, [2])
    assert interp.call(lambda a, *rest, **more: (a, rest, more), 1, 2, c=3) == (1, (2,), {"c": 3})
    assert interp.call(lambda: [x for x in range(3)]) == [0, 1, 2]


def test_call_refuses_what_cannot_be_taken_along(interp):
    local = 1
    for function in (lambda: local, lambda: operator):
        with pytest.raises(interpreters.NotShareableError):
            interp.call(function)
    with pytest.raises(interpreters.NotShareableError):
        interp.call(len, threading.Lock())
    with pytest.raises(interpreters.NotShareableError):
        interp.call(threading.Lock)  # the result
    with pytest.raises(TypeError):
        interp.call("print(1)")
    assert interp.call(len, "abc") == 3  # and goes on


def test_call_reports_what_was_raised(interp):
    with pytest.raises(interpreters.ExecutionFailed) as caught:
        interp.call(json.loads, "{")
    assert caught.value.excinfo.type.__name__ == "JSONDecodeError"
    assert "in raw_decode" in str(caught.value) or "in decode" in str(caught.value)
    with pytest.raises(interpreters.ExecutionFailed, match="SystemExit"):
        interp.call(sys.exit, 3)


def test_call_reports_the_exception_and_not_its_note(interp):
    def work():
        error = ValueError("what went wrong")
        error.add_note("and a note")
        raise error

    with pytest.raises(interpreters.ExecutionFailed) as caught:
        interp.call(work)
    assert caught.value.excinfo.formatted == "ValueError: what went wrong"
    assert "and a note" in caught.value.excinfo.errdisplay


@pytest.mark.skipif(not OURS, reason="of our own module")
def test_call_names_what_cannot_be_passed_as_the_caller_does(interp):
    def lock():
        import _thread

        return _thread.allocate_lock()

    def refusal(*args, **kwargs):
        with pytest.raises(interpreters.NotShareableError) as caught:
            interp.call(*args, **kwargs)
        return str(caught.value)

    assert refusal(len, (1, lock())).startswith("args[0][1] is a _thread.lock, ")
    assert refusal(len, x=lock()).startswith("kwargs['x'] is a _thread.lock, ")
    assert refusal(functools.partial(len, lock())).startswith("callable")
    assert refusal(lock).startswith("the result cannot be sent: result is a _thread.lock, ")
    assert "top level of a module" in refusal(len, lambda: 1)


def test_handles_go_both_ways(interp):
    counter, shared, channel = so.AtomicInt(), so.SharedDict(), so.Channel()

    def work(objects, more):
        objects[0].increment(5)
        objects[1]["it"] = objects[0]
        more["channel"].send({"deep": [objects]})
        return {"all": (objects, more)}

    result = interp.call(work, [counter, shared], {"channel": channel})
    assert counter == 5
    assert shared["it"] is counter
    assert result["all"][0][1] is shared
    assert channel.recv()["deep"][0][0] is counter


def test_handles_survive_the_interpreter_that_made_them(interp):
    def make():
        from sharedobj import AtomicInt, SharedDict

        return SharedDict(counter=AtomicInt(7))

    shared = interp.call(make)
    interp.close()
    assert shared["counter"] == 7


def test_call_in_thread(interp):
    channel = so.Channel()
    thread = interp.call_in_thread(lambda channel, x: channel.send(x), channel, x=7)
    assert channel.recv(timeout=240) == 7
    thread.join()
    assert not interp.is_running()


def test_interpreters_make_interpreters(interp):
    total = so.AtomicInt()
    interp.prepare_main(total=total)
    interp.exec(
        textwrap.dedent(
            """
            from sharedobj import interpreters
            inner = interpreters.create()
            assert interpreters.get_current() is not interpreters.get_main()
            inner.call(lambda total: total.increment(3), total)
            inner.close()
            total += 4
            """
        )
    )
    assert total == 7


def test_many_at_once():
    """From several threads: made, used, closed."""
    total, failures = so.AtomicInt(), []

    def work():
        try:
            for _ in range(3):
                interpreter = interpreters.create()
                interpreter.prepare_main(total=total)
                interpreter.exec("import threading\nfor _ in range(1000): total += 1")
                assert interpreter.call(operator.add, 1, 1) == 2
                interpreter.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert total == 4 * 3 * 1000


# ---- whole programs: functions of __main__, modules beside the script, leftovers

PROGRAM = """
import helper
import sharedobj as so
from sharedobj import interpreters

BASE = 10

class Point:
    def __init__(self, x):
        self.x = x

def add(counter, point):
    counter += point.x + BASE
    return __name__

if __name__ == "__main__":
    counter = so.AtomicInt()
    interp = interpreters.create()
    assert interp.call(add, counter, Point(1)) != "__main__"
    assert counter == 11, counter
    assert interp.call(max, [1, 3], key=helper.negative) == 1
    assert interp.call(helper.twice, counter) == 22
    interp.exec("assert __name__ == '__main__' and 'Point' not in globals()")
    interp.call(print, "printed there", flush=True)
    interp.close()
"""

HELPER = """
def negative(x):
    return -x

def twice(x):
    return 2 * x
"""


@pytest.mark.parametrize("way", ["script", "module"])
def test_program(tmp_path, run_python, way):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "helper.py").write_text(HELPER)
    script, args = (tmp_path / "program.py", ()) if way == "script" else ("-m", ["program"])
    done = run_python(script=script, args=args, cwd=tmp_path)
    assert done.stdout.splitlines() == ["printed there"]
    assert done.stderr == ""


SHORT = """
import sharedobj as so

def work(d):
    d["x"] = 1

if __name__ == "__main__":
    d, interp = so.SharedDict(), so.interpreters.create()
    interp.call(work, d)
    print(d)
    interp.close()
"""


@pytest.mark.skipif(not OURS, reason="of our own module")
@pytest.mark.parametrize("way", ["folder", "archive", "piped in"])
def test_program_that_is_no_file(tmp_path, run_python, way):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").write_text(SHORT)
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    if way == "piped in":
        done = run_python(script="-", input=SHORT)
    else:
        done = run_python(script="app" if way == "folder" else "app.pyz", cwd=tmp_path)
    assert done.stdout == "SharedDict({'x': 1})\n"
    assert done.stderr == ""


@pytest.mark.skipif(not OURS, reason="of our own module")
def test_what_is_defined_too_late_in_a_program(tmp_path, run_python):
    (tmp_path / "program.py").write_text(
        textwrap.dedent("""\
        import sharedobj as so

        if __name__ == "__main__":
            class Late: pass
            def late(): pass

            interp = so.interpreters.create()
            for attempt in (lambda: interp.call(late), lambda: interp.call(id, Late())):
                try:
                    attempt()
                except so.NotShareableError as error:
                    print(error)
            interp.close()
        """),
        encoding="utf-8",
    )
    lines = run_python(script=tmp_path / "program.py").stdout.splitlines()
    assert len(lines) == 2
    assert all("at the top level of the program, above if __name__ ==" in line for line in lines)


def test_a_message_made_of_main_says_where_to_define_it(run_python):
    done = run_python("""if 1:
        import sharedobj as so
        class Local: pass
        channel, interp = so.Channel(), so.interpreters.create()
        channel.send(Local())
        interp.prepare_main(channel=channel)
        interp.exec("import sharedobj")
        try:
            interp.exec("channel.recv()")
        except so.interpreters.ExecutionFailed as error:
            print(error.excinfo.errdisplay)
        interp.close()
    """)
    last, note = done.stdout.splitlines()[-2:]
    assert last.startswith("AttributeError: ") and "'Local'" in last
    assert "each interpreter has a __main__ of its own" in note


@pytest.mark.parametrize("way", ["script", "module"])
def test_what_a_call_has_imported_of_main_is_no_value(tmp_path, run_python, way):
    (tmp_path / "program.py").write_text(
        textwrap.dedent("""\
        import enum
        import sharedobj as so

        class Kind(enum.Enum):
            A = 1

        def work(d):
            for store in (lambda: d.update(a=Kind.A), lambda: d.update(a=work), lambda: d[Kind.A]):
                try:
                    store()
                except so.NotShareableError as error:
                    print(error, flush=True)

        if __name__ == "__main__":
            interp = so.interpreters.create()
            interp.call(work, so.SharedDict())
            interp.close()
        """),
        encoding="utf-8",
    )
    script, args = (tmp_path / "program.py", ()) if way == "script" else ("-m", ["program"])
    lines = run_python(script=script, args=args, cwd=tmp_path).stdout.splitlines()
    assert len(lines) == 3 and lines[2].startswith("key is a <fake __main__>.Kind, whose class ")
    for line in lines:
        assert "is in the copy of __main__ that was made here for a call, which no other " in line
        assert "move it into a module" in line


@pytest.mark.skipif(not OURS, reason="of our own module")
@pytest.mark.parametrize("last", ["raise LookupError(1)", "raise SystemExit(0)"])
def test_program_that_cannot_be_imported(tmp_path, run_python, last):
    """The task was left in the channel, and came back to the caller as its own answer."""
    (tmp_path / "program.py").write_text(
        textwrap.dedent(f"""\
        import sharedobj as so

        def work(x):
            return x

        if __name__ == "__main__":
            interp = so.interpreters.create()
            try:
                print(interp.call(work, 1))
            except so.NotShareableError as error:
                print(error)
        else:
            {last}
        """),
        encoding="utf-8",
    )
    done = run_python(script=tmp_path / "program.py")
    assert "not readable there" in done.stdout
    assert "program.py, the program's main module, fails when it is imported" in done.stdout
    assert 'if __name__ == "__main__":' in done.stdout


def test_package_that_is_not_on_the_path(run_python):
    """Only the running interpreter knows this package's folder, not those it makes."""
    code = f"""
import sys
sys.path.append({str(Path(so.__file__).parents[1])!r})
import sharedobj as so
counter = so.AtomicInt(3)
interp = so.interpreters.create()
interp.prepare_main(counter=counter)
interp.exec("import sys; assert sys.path == {{}}".format(sys.path[:-1]))
interp.exec("counter += 1")
interp.call(print, counter, flush=True)
interp.close()
"""
    done = run_python(script="-SIc", args=[code])
    assert done.stdout == "AtomicInt(4)\n"
    assert done.stderr == ""


def test_interpreters_that_are_left_at_exit(run_python):
    done = run_python(
        """
import threading
from sharedobj import interpreters
left = [interpreters.create() for _ in range(3)]
for interp in left[:2]:
    thread = threading.Thread(target=interp.exec, args=("import threading",))
    thread.start()
    thread.join()
print("end")
"""
    )
    assert done.stdout == "end\n"
    # 3.14 and later say that they were not closed.
    assert done.stderr == "" or (not OURS and "remaining subinterpreters" in done.stderr)


def test_interpreters_that_interpreters_leave_at_exit(run_python):
    """Each ends once, with the one that made it, and may ask who it is while it ends."""
    done = run_python(
        """
from sharedobj import interpreters
outer = interpreters.create()
outer.exec('''if True:
    import atexit
    from sharedobj import interpreters
    inner = interpreters.create()
    inner.exec("import sharedobj; left = sharedobj.Channel()")
    atexit.register(lambda: print("ends:", interpreters.get_current().id))
''')
print("made:", outer.id)
"""
    )
    made, ends = (line.split() for line in done.stdout.splitlines())
    assert made[1] == ends[1]


THREADS_THAT_WAIT = """if 1:
    import gc, warnings
    warnings.simplefilter("ignore")
    import sharedobj as so
    from sharedobj import interpreters
    interp, channel, begun = interpreters.create(), so.Channel(), so.AtomicInt()
    interp.prepare_main(channel=channel, begun=begun)
    interp.exec('''if 1:
        import threading
        threading.excepthook = lambda args: print(f"{args.exc_type.__name__} ", end="", flush=True)
        def work():
            begun.increment()
            channel.recv()
        for _ in range(3):
            threading.Thread(target=work).start()
    ''')
    while (n := begun.get()) < 3:
        begun.wait(n)
"""


@pytest.mark.parametrize("end", ["pass", "del interp; gc.collect(); interpreters.create()"])
def test_an_interpreter_that_is_left_with_threads_that_wait(run_python, end):
    """They are told, at the end of the process if not before."""
    done = run_python(f"{THREADS_THAT_WAIT}    {end}")
    assert "Fatal" not in done.stderr
    expected = "PythonFinalizationError" if sys.version_info >= (3, 13) else "RuntimeError"
    assert done.stdout.split() == [expected] * 3
