"""Objects that do in their own methods what the binding does not expect."""

import copy
import enum

import pytest

import sharedobj as so


def test_the_reason_may_change_the_message_while_the_error_is_made():
    """The path showed a key that the message did not hold any more: freed memory."""

    class Reason(Exception):
        def __str__(self):
            self.message.clear()
            self.other = [f"other{n}" * 9 for n in range(100)]
            return "the reason"

    class Refuses:
        def __reduce__(self):
            reason = Reason()
            reason.message = message
            raise reason

    channel = so.Channel()
    for n in range(50):
        message = {f"key{n}" * 3: Refuses()}
        with pytest.raises(so.NotShareableError, match=rf"\['{f'key{n}' * 3}'\].*the reason"):
            channel.send(message)


def test_increment_by_an_instance_of_a_subclass_of_int():
    """Its __radd__ decided what was stored: a str, for instance."""

    class Number(int):
        def __radd__(self, other):
            return "text"

        __add__ = __radd__

    class Colour(enum.IntEnum):
        RED = 4

    d = so.SharedDict(a=1)
    assert d.increment("a", Number(5)) == 6 == d["a"]
    assert d.increment("b", 1, Number(5)) == 6 == d["b"]
    assert d.increment("c", default=Number(2**70)) == 2**70 + 1
    assert d.tally("aab", Number(10)) == 3
    assert d == {"a": 26, "b": 16, "c": 2**70 + 1}
    assert type(d.increment("n", Colour.RED)) is int
    assert type(d.increment("t", True, False)) is int and d["t"] == 1
    for wrong in "text", None, 1j, type("F", (float,), {})(1):
        with pytest.raises(TypeError, match="n must be an int or a float"):
            d.increment("a", wrong)
        with pytest.raises(TypeError, match="n must be an int or a float"):
            d.tally("a", wrong)
        with pytest.raises(TypeError, match="default must be an int or a float"):
            d.increment("a", 1, wrong)
    assert d["a"] == 26


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ZeroDivisionError, MemoryError])
def test_update_passes_on_what_looking_for_keys_raises(raised):
    """Everything but AttributeError was swallowed."""

    class Mapping:
        def __getattr__(self, name):
            raise raised

        def __iter__(self):
            return iter([("a", 1)])

    with pytest.raises(raised):
        so.SharedDict(Mapping())
    d = so.SharedDict()
    with pytest.raises(raised):
        d.update(Mapping())
    assert len(d) == 0


def test_an_id_with_too_many_digits_to_print():
    """It was a ValueError about the digits."""
    for number in 10**5000, -(10**5000), 2**63, -1, 0:
        with pytest.raises(LookupError):
            so.attach(number)


def test_a_type_name_that_is_no_utf8():
    """It was a UnicodeEncodeError."""
    odd = type("Odd", (), {"__module__": "\udc80"})
    assert not so.is_shareable(odd())
    assert "Odd" in so.explain((1, odd()))
    with pytest.raises(so.NotShareableError, match=r"value\[1\] is a.*Odd"):
        so.SharedDict(a=(1, odd()))


def test_deepcopy_with_a_memo_that_remembers_nothing():
    class Forgets(dict):
        def __setitem__(self, key, value):
            pass

        def get(self, key, default=None):
            return default

    d = so.SharedDict()
    d["self"] = d
    with pytest.raises(RecursionError):
        d.__deepcopy__(Forgets())
    with pytest.raises(TypeError):
        d.__deepcopy__(None)
    twin = copy.deepcopy(d)
    assert twin["self"] is twin and twin is not d
    d.clear()
    twin.clear()
