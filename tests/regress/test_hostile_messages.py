"""Classes that see, change or outlive a message while it is received."""

import dataclasses
import gc
import pickle
import sys
import sysconfig
import weakref

import pytest
import records
from records import Counted, Hashed

import sharedobj as so


@pytest.fixture
def received():
    """Receives a message with a class that looks at it while its instances are hashed."""

    def receive(message, hook):
        channel = so.Channel()
        channel.send(message)
        Hashed.hook = hook
        try:
            return channel.recv()
        finally:
            Hashed.hook = None

    return receive


def test_a_key_sees_the_list_that_it_is_in(received):
    """The items to come were NULL."""
    message = []
    message += [{Hashed(message): 1}, 2]
    seen = []
    result = received(message, lambda self: seen.append(repr(self.parent)) or 1)
    assert seen == ["[None, None]"]
    assert result[1] == 2 and next(iter(result[0])).parent is result


def test_a_key_sees_the_tuple_that_it_is_in(received):
    """The same, of a tuple to which a list leads."""
    way = []
    message = (way, {Hashed(way): 1}, 2)
    way.append(message)
    seen = []
    result = received(message, lambda self: seen.append(repr(self.parent[0])) or 1)
    assert seen == ["([(...)], None, None)"]
    assert result[0][0] is result and result[2] == 2


def test_a_key_empties_the_list_that_it_is_in(received):
    """Then items were written to memory that had been freed."""
    message = []
    message += [{Hashed(message): 1}, *range(1000)]
    with pytest.raises(RuntimeError, match=r"shorter.*must leave it alone"):
        received(message, lambda self: self.parent.clear() or 1)
    result = received(message, lambda self: self.parent.append("more") or 1)
    assert result[1:] == [*range(1000), "more"]


def test_a_key_that_fails_leaves_what_can_be_collected(received):
    """The list stayed hidden from the collector, with NULL in it."""
    message = []
    message += [{Hashed(message): 1}, 2]
    left = []

    def fail(self):
        left.append(weakref.ref(self))
        raise ValueError

    with pytest.raises(ValueError):
        received(message, fail)
    found = left[0]()
    assert found is None or found.parent == [None, None]
    del found
    gc.collect()
    assert left[0]() is None


@pytest.mark.skipif(
    sysconfig.get_config_var("Py_GIL_DISABLED"),
    reason="a free-threaded 3.13 frees lists that find no memory twice",
)
def test_a_list_for_which_there_is_no_memory_leaves_none_half_made():
    """The collector found it through the dict that it is in, with NULL in it."""
    testcapi = pytest.importorskip("_testcapi")
    channel, received = so.Channel(), None
    for after in range(1, 200):
        message = ["first"]
        message += [{"up": message}, [1.5] * 3, ("y" * 3, 2**70), "x" * 100]
        channel.send(message)
        del message
        gc.collect()
        testcapi.set_nomemory(after, after + 1)
        try:
            received = channel.recv()
        except MemoryError:
            pass
        finally:
            testcapi.remove_mem_hooks()
        left = [o for o in gc.get_objects() if type(o) is dict and "up" in o]
        assert "NULL" not in repr(left)
        if received is not None:
            break
    assert after > 5 and received[1]["up"] is received


def test_a_class_that_changes_more_often_than_it_can_be_told():
    """CPython gives a class a limited number of version tags; after that, what was sent
    before could not be received, as if the class were no dataclass."""
    channel, message = so.Channel(), Counted(1)
    channel.send(message)
    for n in range(3000):
        Counted.made = n
        so.Channel().send([message])
    assert channel.recv() == message
    for _ in range(2):
        channel.send([message])
        assert channel.recv() == [message]


def slotted(name, bases=(), **attributes):
    """A dataclass with one slot, `name`, that can be found by its name."""
    namespace = {"__slots__": (name,), "__annotations__": {name: object}, "__module__": "records"}
    cls = type("Changing", bases, {**namespace, **attributes})
    return dataclasses.dataclass(eq=False)(cls)


def test_a_key_gives_its_class_another_base(monkeypatch):
    """Where the slots are was looked up in the old base, which was gone."""
    base = [slotted("a")]
    changes = []

    def change(self):
        if changes:
            changes.clear()
            old = weakref.ref(base.pop())
            cls.__bases__ = (slotted("a"),)
            gc.collect()
            assert old() is None
        return 1

    cls = slotted("b", (base[0],), __hash__=change)
    monkeypatch.setattr(records, "Changing", cls, raising=False)
    message = {cls(1, 2): "x", cls(3, 4): "y"}
    channel = so.Channel()
    channel.send(message)
    changes.append(1)
    assert [(key.a, key.b) for key in channel.recv()] == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    "message",
    [records.IteratedPair(1, 2), records.SetsAttributes("x"), records.ShowsAnother(1)],
    ids=lambda m: type(m).__name__,
)
def test_what_pickle_would_see_or_set(message):
    """It went by field, and arrived as something else than from pickle."""
    channel = so.Channel()
    channel.send(message)
    result, pickled = channel.recv(), pickle.loads(pickle.dumps(message, 5))
    for name in ("x", "y"):
        assert getattr(result, name, None) == getattr(pickled, name, None)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="nor can pickle")
def test_a_buffer_that_only_pickle_can_get_at():
    """Of a class with a __buffer__: it could not be sent."""
    channel = so.Channel()
    channel.send(["a", records.Exports(b"bytes"), records.Exports(bytearray(b"array"))])
    assert channel.recv() == ["a", b"bytes", b"array"]
    channel.send([records.Exports(b"x"), bytearray(b"y"), pickle.PickleBuffer(bytearray(b"z"))])
    assert channel.recv() == [b"x", bytearray(b"y"), bytearray(b"z")]
