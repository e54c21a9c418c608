"""The exceptions."""

import pickle
import queue
import sys

import pytest

import sharedobj as so

NAMES = [name for name in so.__all__ if isinstance(getattr(so, name), type)
         and issubclass(getattr(so, name), BaseException)]  # fmt: skip


def test_bases():
    assert issubclass(so.NotShareableError, TypeError)
    assert issubclass(so.UnresolvedError, LookupError)
    assert issubclass(so.ChannelEmpty, queue.Empty) and issubclass(so.ChannelFull, queue.Full)
    assert issubclass(so.ChannelTimeout, TimeoutError)
    if hasattr(queue, "ShutDown"):
        assert issubclass(so.ChannelClosed, queue.ShutDown)
    if sys.version_info >= (3, 14):
        from concurrent import interpreters

        assert issubclass(so.NotShareableError, interpreters.NotShareableError)
    empty, full = so.ChannelEmptyTimeout, so.ChannelFullTimeout
    assert issubclass(empty, so.ChannelEmpty) and issubclass(empty, so.ChannelTimeout)
    assert issubclass(full, so.ChannelFull) and issubclass(full, so.ChannelTimeout)


@pytest.mark.parametrize("name", [*NAMES, "ChannelEmptyTimeout", "ChannelFullTimeout"])
def test_each_is_one_class_with_a_home(name):
    error = getattr(so, name)
    assert getattr(so, name) is error and getattr(so._sharedobj, name) is error
    assert error.__module__ == "sharedobj" and error.__name__ == name and error.__doc__
    with pytest.raises(error, match="reason") as info:
        raise error("reason")
    again = pickle.loads(pickle.dumps(info.value))
    assert type(again) is error and again.args == ("reason",)


def test_unknown_names():
    assert len(NAMES) == 6
    for module in (so, so._sharedobj):
        for name in ("ChannelBroken", "", "sharedobj.ChannelEmpty", "\udc80"):
            with pytest.raises(AttributeError):
                getattr(module, name)
        with pytest.raises(TypeError):
            getattr(module, 5)
    with pytest.raises(ImportError):
        from sharedobj import ChannelBroken  # noqa: F401


def test_importing_stays_light(run_python):
    run_python(
        """if 1:
        import sys
        before = set(sys.modules)
        import sharedobj
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        assert new <= {"sharedobj", "__future__"}, new
        """
    )
