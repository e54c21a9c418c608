"""is_shareable and explain: where, what, and what to do."""

import array
import collections
import enum
import re

import pytest
import values

import sharedobj as so


class Text(str):
    pass


class Pair(tuple):
    pass


class Scalar(float):
    """Stands for numpy.float64, which is a float that is not a float."""


def numpy_like(name, base):
    """A class that calls itself numpy.NAME, as far as its own name goes."""
    cls = type(name, (base,), {})
    cls.__module__ = "numpy"
    return cls


@pytest.mark.parametrize(
    "value, text",
    [
        ([1], r"^value is a list; use tuple\(x\) or a SharedList, or send it through a Channel, "),
        ({}, r"^value is a dict; use a SharedDict, or send it through a Channel"),
        (set(), r"^value is a set; use frozenset\(x\) or a SharedSet, or send"),
        (bytearray(), r"^value is a bytearray; use bytes\(x\), or send"),
        ((1, [2]), r"^value\[1\] is a list;"),
        ((1, (2, (3, {}))), r"^value\[1\]\[1\]\[1\] is a dict;"),
        (frozenset({(1, object())}), r"^value\{\.\.\.\}\[1\] is an object; values are None, bool"),
        (memoryview(b""), r"^value is a memoryview; values are .*; a Channel takes anything that"),
        (collections.OrderedDict(), r"^value is a collections.OrderedDict; use a SharedDict"),
        (collections.defaultdict(), r"^value is a collections.defaultdict; use a SharedDict"),
        (Text("x"), r"^value is a .*\.Text, which is not str: use str\(x\)$"),
        (Pair((1, 2)), r"^value is a .*\.Pair, which is not tuple: use tuple\(x\)$"),
        (Scalar(1), r"^value is a .*\.Scalar, which is not float: use float\(x\)$"),
        (numpy_like("float64", float)(1), r"^value is a numpy.float64, which is not float: use x"),
        (numpy_like("int64", object)(), r"^value is a numpy.int64: use x.item\(\)$"),
        (numpy_like("ndarray", object)(), r"^value is a numpy.ndarray; use a SharedArray, or send"),
        (array.array("b"), r"^value is an array.array; use a SharedArray, or send it through a"),
        ([].append, r"^value is a builtin_function_or_method; values are"),
        (lambda: 1, r"^value is the function .*<lambda>, which has no name: write it with def"),
        (enum, r"^value is a module; values are"),
    ],
)  # fmt: skip
def test_text(value, text):
    assert not so.is_shareable(value)
    assert re.search(text, so.explain(value))


def test_what_is_shareable():
    handles = [so.Channel(), so.AtomicInt(), (so.Channel(), 1)]
    for value in [*values.LEAVES, *values.COMPOUND, *handles]:
        assert so.is_shareable(value) is True
        assert so.explain(value) is None


def test_deep_paths_are_shortened():
    value = []
    for _ in range(100_000):
        value = (1, value)
    reason = so.explain(value)
    assert reason.startswith("value" + "[1]" * 8 + "..." + "[1]" * 4 + " is a list")


def test_other_errors_are_not_swallowed():
    class Meta(type):
        @property
        def __module__(cls):
            raise KeyboardInterrupt

    class Evil(metaclass=Meta):
        pass

    for function in (so.is_shareable, so.explain):
        with pytest.raises(KeyboardInterrupt):
            function((1, Evil()))


def test_it_is_the_text_of_the_error():
    assert isinstance(so.NotShareableError("x"), TypeError)
    value = (1, [2])
    with pytest.raises(so.NotShareableError) as caught:
        so._sharedobj._roundtrip(value)
    assert str(caught.value) == so.explain(value)
