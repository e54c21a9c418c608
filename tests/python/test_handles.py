"""What all handles have in common."""

import gc
import importlib
import sys
import threading
import weakref

import pytest

import sharedobj
from sharedobj import AtomicInt, attach


def test_one_handle_per_object():
    a = AtomicInt(1)
    assert attach(a.id) is a
    many = [AtomicInt(i) for i in range(1000)]
    assert all(attach(h.id) is h for h in many)
    del many[::2]  # the table closes its gaps
    assert all(attach(h.id) is h for h in many)
    assert len({h.id for h in many}) == 500 and all(h.id > 0 for h in many)


def test_the_object_dies_with_its_last_handle():
    a = AtomicInt(1)
    id_ = a.id
    del a
    with pytest.raises(LookupError, match=str(id_)):
        attach(id_)
    again = [AtomicInt(2) for _ in range(100)]
    assert id_ not in [h.id for h in again], "an id is never used twice"


def test_local_makes_a_further_equal_handle():
    a = AtomicInt(1)
    b = a.local()
    assert b is not a and b == a and b.id == a.id and a.local() is not b
    b += 1
    assert a.get() == 2 and attach(a.id) is a
    id_ = a.id
    del a
    c = attach(id_)  # a new one enters the table: the further one was never in it
    assert c is not b and attach(id_) is c and c.get() == 2


def test_weak_references():
    a = AtomicInt(1)
    seen = []
    ref = weakref.ref(a, lambda r: seen.append(r() is None))
    assert ref() is a
    id_ = a.id
    del a
    gc.collect()
    assert ref() is None and seen == [True]
    with pytest.raises(LookupError):
        attach(id_)


def test_a_weakref_callback_may_attach_the_dying_object():
    keep = []
    a = AtomicInt(1)
    further, id_ = a.local(), a.id
    weakref.finalize(a, lambda: keep.append(attach(id_)))
    old = id(a)
    del a
    gc.collect()
    (b,) = keep
    assert b == further and attach(id_) is b and old != 0


def test_handles_in_garbage_cycles():
    class Node:
        def __del__(self):
            resurrected.append(attach(self.id))

    resurrected = []
    node = Node()
    node.self, node.counter = node, AtomicInt(5)
    node.id = node.counter.id
    del node
    gc.collect()
    (counter,) = resurrected
    assert counter.get() == 5 and attach(counter.id) is counter


def test_attach_takes_ids_only():
    a = AtomicInt(1)
    for bad in ("1", 1.0, None, a):
        with pytest.raises(TypeError, match="id"):
            attach(bad)
    for bad in (0, -1, 1, a.id + 1, a.id ^ (1 << 40), 2**63, 2**64, -(2**63), 10**30, a.id - 2**63):
        with pytest.raises(LookupError):
            attach(bad)
    with pytest.raises(AttributeError):
        a.id = 5


def test_attach_is_audited():
    events = []
    active = True

    def hook(event, args):
        if active and event.startswith("sharedobj."):
            events.append((event, args))

    sys.addaudithook(hook)
    a = AtomicInt(1)
    attach(a.id)
    active = False
    assert events == [("sharedobj.attach", (a.id,))]


def test_an_audit_hook_may_forbid(run_python):
    run_python(
        """if 1:
        import sys, sharedobj
        def hook(event, args):
            if event == "sharedobj.attach":
                raise PermissionError("no")
        sharedobj.collect()
        before = sharedobj.stats()["objects"]
        a = sharedobj.AtomicInt(1)
        sys.addaudithook(hook)
        try:
            sharedobj.attach(a.id)
        except PermissionError:
            del a
            sharedobj.collect()
            assert sharedobj.stats()["objects"] == before
        else:
            raise SystemExit(1)
        """
    )


def test_types_are_final():
    with pytest.raises(TypeError):
        type("Sub", (AtomicInt,), {})
    with pytest.raises(TypeError):
        AtomicInt.get = None
    assert AtomicInt.__module__ == "sharedobj" and AtomicInt.__qualname__ == "AtomicInt"


def test_threads_agree_on_the_handle():
    """Handles come and go while other threads look the same objects up."""
    keep = [AtomicInt(i) for i in range(4)]
    ids = [k.id for k in keep]
    furthers = [k.local() for k in keep]
    del keep
    barrier = threading.Barrier(4)
    errors = []

    def work(seed):
        barrier.wait()
        for i in range(4000):
            k = (i * 7 + seed) % 4
            first = attach(ids[k])
            second = attach(ids[k])
            if first is not second or first != furthers[k] or first.get() != k:
                errors.append((i, k))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_the_module_imported_again(run_python):
    """New types, the same objects; the old handles keep working."""
    run_python(
        """if 1:
        import gc, pickle, sys
        import sharedobj as old
        old.collect()
        before = old.stats()["objects"]
        a = old.AtomicInt(1)
        token = pickle.dumps(a)
        for name in [name for name in sys.modules if name.startswith("sharedobj")]:
            del sys.modules[name]
        import sharedobj as new
        assert new.AtomicInt is not old.AtomicInt
        b = new.attach(a.id)
        assert type(b) is new.AtomicInt and type(a) is old.AtomicInt
        assert a == b and a.id == b.id
        a += b
        assert b.get() == 2 and new.AtomicInt(b) == 2 and old.AtomicInt(b) + b == 4
        assert type(pickle.loads(token)) is new.AtomicInt
        del old
        gc.collect()
        a += 1
        assert b == 3 and b == a.local()
        del a, b
        gc.collect()
        new.collect()
        assert new.stats()["objects"] == before
        """
    )


def test_the_module_is_not_reset_by_reload():
    a = AtomicInt(1)
    module = importlib.reload(sharedobj._sharedobj)
    assert module.AtomicInt is AtomicInt and attach(a.id) is a


def test_handles_outlive_the_modules_of_their_interpreter(run_python):
    """At the end of the process handles are used and freed when the module is gone."""
    done = run_python(
        """if 1:
        import builtins, sys, sharedobj
        class Late:
            def __init__(self):
                self.counter = sharedobj.AtomicInt(1)
                self.cycle = self
            def __del__(self):
                self.counter += 1
                stdout.write(f"{self.counter.get()}\\n")
                stdout.flush()
        stdout = sys.stdout
        late = Late()
        builtins.keep = Late()
        builtins.more = sharedobj.AtomicInt(9)
        """
    )
    assert done.stdout.split() == ["2", "2"]
    assert done.stderr == ""


def test_stats():
    before = sharedobj.stats()["objects"]
    handles = [AtomicInt() for _ in range(10)]
    assert sharedobj.stats()["objects"] == before + 10
    del handles
    sharedobj.collect()
    assert sharedobj.stats()["objects"] == before
