"""What immortal() says on every build, also where it returns what it was given."""

import datetime

import immortals
import pytest

import sharedobj as so


def test_an_equal_object():
    for value in immortals.values():
        one = so.immortal(value)
        assert one == value and type(one) is type(value) and repr(one) == repr(value)
        assert so.immortal(one) is one
        d = so.SharedDict(k=one)
        assert d == {"k": value} and d.compare_and_set("k", value, 1)


@pytest.mark.skipif(immortals.SUPPORTED, reason="immortal() makes objects here")
def test_elsewhere_obj_itself():
    for value in immortals.values():
        assert so.immortal(value) is value
    assert so.stats()["immortal"]["count"] == so.stats()["immortal"]["bytes"] == 0
    before = so.immortal_limit(0)
    assert so.immortal("text" * 1000) and so.immortal_limit(before) == 0


def test_what_cannot_be_immortal():
    class Text(str):
        pass

    def error(value):
        with pytest.raises(so.NotShareableError) as raised:
            so.immortal(value)
        assert isinstance(raised.value, TypeError)
        return str(raised.value)

    assert error(["x"]).startswith("obj is a list and cannot be immortal; str, bytes, int")
    assert error((1, ("a", {1}))).startswith("obj[1][1] is a set and cannot")
    assert "obj[0] is a frozenset and cannot be immortal" in error((frozenset(),))
    assert error((0, bytearray(b"x"))).endswith("use bytes(x)")
    assert error((Text("x"),)).endswith("Text, which is not str: use str(x)")
    for value in (range(3), so.SharedDict(), so.AtomicInt(), len, object(), int, datetime.date.min):
        assert "obj[0] is a" in error((value,)) and error(value).endswith("more kinds of values")
    deep = ()
    for _ in range(1001):
        deep = (deep,)
    assert "nested too deeply" in error(deep)
    assert so.immortal(deep[0]) == deep[0]
