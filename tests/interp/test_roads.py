"""Handles on every road that CPython offers between interpreters."""

import pickle
import sys

import pytest
from interps import Sub, std_queue

import sharedobj
from sharedobj import AtomicInt

new_interface = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="concurrent.interpreters is new in 3.14"
)


@pytest.fixture
def program(tmp_path, run_python):
    """Runs a main program beside a module `work`, in a process of its own: the functions
    that interpreters call must be importable there."""

    def run(work, main):
        (tmp_path / "work.py").write_text(work)
        (tmp_path / "program.py").write_text(main)
        return run_python(script=tmp_path / "program.py")

    return run


def test_shared_variables():
    a = AtomicInt(1)
    with Sub() as sub:
        sub.run(
            """if 1:
            assert type(a).__name__ == "AtomicInt"
            a += 1
            import sharedobj
            assert type(a) is sharedobj.AtomicInt and sharedobj.attach(a.id) is a
            assert a.local() == a and a.local() is not a
            mine = a
            """,
            a=a,
        )
        assert a.get() == 2
        sub.run("assert again is mine; mine.increment(10)", again=a)
        assert a.get() == 12


def test_queue_in_both_directions():
    a, queue = AtomicInt(1), std_queue()
    with Sub() as sub:
        queue.put(a)
        sub.run(
            """if 1:
            b = queue.get()
            b += 10
            import sharedobj
            queue.put(sharedobj.AtomicInt(b))
            queue.put(b)
            """,
            queue=queue,
        )
        assert a.get() == 11
        other = queue.get()
        assert queue.get() is a
        assert other.get() == 11 and other is not a
    assert other.increment() == 12  # its creator is gone


def test_the_same_interpreter():
    a, queue = AtomicInt(1), std_queue()
    for _ in range(3):
        queue.put(a)
        assert queue.get() is a


def test_pickles():
    a = AtomicInt(1)
    with Sub() as sub:
        sub.run(
            "import pickle\nfor a in pickle.loads(data)['list']: a += 1",
            data=pickle.dumps({"list": [a, a.local()]}),
        )
    assert a.get() == 3


def test_ids():
    a = AtomicInt(1)
    with Sub() as sub:
        sub.run("import sharedobj; sharedobj.attach(id).increment()", id=a.id)
    assert a.get() == 2


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.12 has no such queues")
def test_containers_in_queues():
    """Tuples go item by item, lists and dicts are pickled."""
    a = AtomicInt(1)
    if sys.version_info < (3, 14):
        from test.support.interpreters import queues

        queue = queues.create(syncobj=False)
    else:
        queue = std_queue()
    with Sub() as sub:
        queue.put((a, 1, "x"))
        queue.put({"list": [a, AtomicInt(5)], "n": 1})
        sub.run(
            """if 1:
            b, one, x = queue.get()
            tree = queue.get()
            assert tree["list"][0] is b
            b += tree["list"][1]
            queue.put([b, {"b": b}])
            """,
            queue=queue,
        )
        assert a.get() == 6
        back = queue.get()
        assert back[0] is a and back[1]["b"] is a


@new_interface
def test_the_new_interface(program):
    program(
        """if 1:
        import sharedobj
        def add(a, n):
            a += n
            return a
        def deep(tree):
            tree["c"][0] += 1
            return {"back": tree["c"][0], "new": sharedobj.AtomicInt(77)}
        def keyword(*, a):
            return a.id
        """,
        """if 1:
        import work
        from concurrent import interpreters
        import sharedobj
        a = sharedobj.AtomicInt(1)
        interp = interpreters.create()
        interp.prepare_main(counter=a)
        interp.exec("counter += 1")
        assert a.get() == 2
        assert interp.call(work.add, a, 5) is a and a.get() == 7
        back = interp.call(work.deep, {"c": [a]})
        assert back["back"] is a and back["new"].get() == 77 and a.get() == 8
        assert interp.call(work.keyword, a=a) == a.id
        results = []
        thread = interp.call_in_thread(work.add, a, 2)
        thread.join()
        assert a.get() == 10
        assert interpreters.is_shareable(a)
        interp.close()
        """,
    )


@new_interface
def test_the_pool_executor(program):
    program(
        """if 1:
        import sharedobj
        mine = None
        def start(a):
            import work
            work.mine = a
        def work(n):
            import work
            work.mine += n
            return work.mine
        def add(a, n):
            a += n
            return [a]
        """,
        """if 1:
        import work
        from concurrent.futures import InterpreterPoolExecutor
        import sharedobj
        a, b = sharedobj.AtomicInt(), sharedobj.AtomicInt()
        with InterpreterPoolExecutor(3, initializer=work.start, initargs=(a,)) as pool:
            assert all(r is a for r in pool.map(work.work, range(100)))
            futures = [pool.submit(work.add, b, n) for n in range(100)]
            assert all(f.result()[0] is b for f in futures)
        assert a.get() == b.get() == 4950
        """,
    )


UNIMPORTABLE = {
    "no path": "import sys; sys.path.clear(); sys.path_importer_cache.clear()",
    "decoy": "import sys, types; sys.modules['sharedobj'] = types.ModuleType('sharedobj')",
    "forbidden": "import sys; sys.modules['sharedobj'] = None; sys.path.clear()",
    "half": "import sys; sys.modules['sharedobj._sharedobj'] = None",
}


@pytest.mark.parametrize("how", UNIMPORTABLE)
def test_a_receiver_that_cannot_import(how):
    a, queue = AtomicInt(1), std_queue()
    with Sub() as sub:
        sub.run(UNIMPORTABLE[how])
        sub.run("a += 1; b = a.local(); b += 1; assert repr(a) == 'AtomicInt(3)'", a=a)
        assert a.get() == 3
        queue.put(a)
        if sys.version_info >= (3, 13) and how in ("decoy", "half"):
            # (The queue's own module is not importable without a path.)
            sub.run("assert queue.get() is a; queue.put(type(a)(5))", queue=queue)
            assert queue.get().get() == 5
        else:
            assert queue.get() is a


def test_a_receiver_without_the_path_gets_the_whole_package():
    with Sub() as sub:
        sub.run(UNIMPORTABLE["no path"])
        sub.run("assert a", a=AtomicInt(1))
        sub.run(
            "import sharedobj; "
            "assert sharedobj.AtomicInt is type(a) and sharedobj.__file__ == file",
            file=sharedobj.__file__,
        )


@new_interface
def test_call_does_not_lose_its_arguments(program):
    """CPython's call() gives None, silently, if an argument cannot be decoded."""
    program(
        """if 1:
        def add(a):
            a += 1
            return 'called'
        """,
        """if 1:
        import work
        from concurrent import interpreters
        import sharedobj
        a = sharedobj.AtomicInt(1)
        interp = interpreters.create()
        interp.exec("import sys, work; sys.path[:] = []")
        assert interp.call(work.add, a) == 'called' and a.get() == 2
        interp.close()
        """,
    )


def test_unreceivable_items_are_an_error():
    """An item whose reference has gone with its sender: an error, not a crash."""
    a, queue = AtomicInt(1), std_queue()
    with Sub() as sub:
        sub.run("import sharedobj; keep = sharedobj.AtomicInt(3); queue.put(keep)", queue=queue)
    try:
        item = queue.get()
    except Exception:
        item = None
    assert not isinstance(item, AtomicInt)
    assert a.get() == 1
