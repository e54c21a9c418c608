"""AtomicInt in one thread: it acts like the int it holds."""

import copy
import itertools
import math
import operator
import sys
from fractions import Fraction

import pytest
from memory import each_allocation_fails

from sharedobj import AtomicInt

MAX = 2**63 - 1
MIN = -(2**63)
# Around every boundary of ints, of 64 bits, and of what a shift or power makes of them.
VALUES = [0, 1, -1, 2, -2, 3, 7, -7, 63, 64, 65, 2**30 - 1, 2**30, -(2**30), 2**31, 2**32, 2**60,
          2**61 - 1, 2**61, -(2**61) - 1, 2**62, MAX - 1, MAX, MIN + 1, MIN]  # fmt: skip
BINARY = {
    "+": (operator.add, operator.iadd),
    "-": (operator.sub, operator.isub),
    "*": (operator.mul, operator.imul),
    "//": (operator.floordiv, operator.ifloordiv),
    "%": (operator.mod, operator.imod),
    "**": (operator.pow, operator.ipow),
    "<<": (operator.lshift, operator.ilshift),
    ">>": (operator.rshift, operator.irshift),
    "&": (operator.and_, operator.iand),
    "|": (operator.or_, operator.ior),
    "^": (operator.xor, operator.ixor),
}
UNARY = [
    operator.neg, operator.pos, operator.abs, operator.invert, operator.index, int, float, bool,
    complex, round, math.trunc, math.floor, math.ceil, bin, hex, chr,
]  # fmt: skip


def outcome(function, *args):
    try:
        result = function(*args)
    except Exception as error:
        return type(error)
    return type(result), result


def cheap(symbol, b):
    return not (symbol in ("**", "<<") and b > 200)


@pytest.mark.parametrize("symbol", BINARY)
def test_binary_operators_act_like_int(symbol):
    function = BINARY[symbol][0]
    for a, b in itertools.product(VALUES, [*VALUES, True, 1.5, -0.5, Fraction(1, 3), 1j]):
        if isinstance(b, int) and not cheap(symbol, b):
            continue
        expected = outcome(function, a, b)
        assert outcome(function, AtomicInt(a), b) == expected
        if isinstance(b, int):
            assert outcome(function, a, AtomicInt(b)) == expected
            assert outcome(function, AtomicInt(a), AtomicInt(b)) == expected
    # (Before 3.13 Fraction.__pow__ makes floats of numbers it does not know.)
    for b in (1.5, Fraction(1, 3), 1j) if symbol != "**" else (1.5, 1j):
        assert outcome(function, b, AtomicInt(3)) == outcome(function, b, 3)


@pytest.mark.parametrize("symbol", BINARY)
@pytest.mark.parametrize("wrap", [int, AtomicInt], ids=["int", "AtomicInt"])
def test_in_place_operators_change_the_object(symbol, wrap):
    function, in_place = BINARY[symbol]
    for a, b in itertools.product(VALUES, VALUES):
        counter = AtomicInt(a)
        try:
            # Far powers and shifts are decided without being computed.
            far = abs(a) > (1 if symbol == "**" else 0) and not cheap(symbol, b)
            expected = MAX + 1 if far else function(a, b)
        except (ZeroDivisionError, ValueError) as error:
            with pytest.raises(type(error)):
                in_place(counter, wrap(b))
            assert counter.get() == a
            continue
        if isinstance(expected, float):
            with pytest.raises(TypeError, match="float"):
                in_place(counter, wrap(b))
            assert counter.get() == a
        elif MIN <= expected <= MAX:
            assert in_place(counter, wrap(b)) is counter
            assert counter.get() == expected
        else:
            with pytest.raises(OverflowError, match="unchanged"):
                in_place(counter, wrap(b))
            assert counter.get() == a


@pytest.mark.parametrize("symbol", [*BINARY, "/"])
def test_in_place_operators_never_make_something_else(symbol):
    in_place = BINARY[symbol][1] if symbol in BINARY else operator.itruediv
    counter = AtomicInt(5)
    for other in (1.0, "1", None, [1], Fraction(2), 1j):
        with pytest.raises(TypeError):
            in_place(counter, other)
        assert counter.get() == 5


def test_true_division_in_place_is_refused():
    counter = AtomicInt(6)
    with pytest.raises(TypeError, match="use //="):
        counter /= 2
    assert counter / 4 == 1.5 and 3 / counter == 0.5 and counter == 6


@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_unary_operators_act_like_int(function):
    for value in VALUES:
        assert outcome(function, AtomicInt(value)) == outcome(function, value)


def test_functions_of_several_arguments():
    a = AtomicInt(1234567)
    assert divmod(a, 1000) == (1234, 567) and divmod(2345678, a) == divmod(2345678, 1234567)
    assert pow(a, 3, 1000) == pow(1234567, 3, 1000)
    assert pow(2, AtomicInt(5), AtomicInt(7)) == 4
    assert round(a, -3) == 1235000 and type(round(a, -3)) is int and round(a, None) == 1234567
    assert f"{a}" == "1234567" and f"{a:,}" == "1,234,567" and f"{a:#x}" == hex(1234567)
    assert "%d" % a == "1234567"  # noqa: UP031
    assert [0, 1, 2][AtomicInt(1)] == 1 and [7] * AtomicInt(2) == [7, 7]
    assert list(range(AtomicInt(3))) == [0, 1, 2]
    assert repr(a) == "AtomicInt(1234567)" and repr(AtomicInt(MIN)) == f"AtomicInt({MIN})"
    with pytest.raises(TypeError):
        round(a, 1, 2)
    with pytest.raises(TypeError):
        a + "1"
    with pytest.raises(ValueError, match="format"):
        f"{a:q}"


def test_comparison_is_by_value():
    for a, b in itertools.product([-1, 0, 3, MAX], [-1, 0, 3, MAX, 3.0, 2.5, 2**70, "3"]):
        for compare in (
            operator.eq,
            operator.ne,
            operator.lt,
            operator.le,
            operator.gt,
            operator.ge,
        ):
            expected = outcome(compare, a, b)
            assert outcome(compare, AtomicInt(a), b) == expected
            if isinstance(b, int) and b <= MAX:
                assert outcome(compare, AtomicInt(a), AtomicInt(b)) == expected
                assert outcome(compare, a, AtomicInt(b)) == expected
    with pytest.raises(TypeError):
        hash(AtomicInt(1))


def test_constructor():
    assert AtomicInt().get() == 0 and AtomicInt(True).get() == 1
    assert AtomicInt(value=-3).value == -3 and AtomicInt(AtomicInt(4)).get() == 4

    class Index:
        def __index__(self):
            return 12

    assert AtomicInt(Index()).get() == 12
    for bad in (1.0, "1", None, [], b"1"):
        with pytest.raises(TypeError):
            AtomicInt(bad)
    for bad in (MAX + 1, MIN - 1, 10**100):
        with pytest.raises(OverflowError, match="64 bits"):
            AtomicInt(bad)
    with pytest.raises(TypeError):
        AtomicInt(1, 2)
    with pytest.raises(AttributeError):
        AtomicInt().value = 3
    with pytest.raises(AttributeError):
        AtomicInt().other = 3


def test_methods():
    a = AtomicInt(10)
    assert a.get() == a.value == 10
    assert a.set(20) is None and a.get() == 20
    assert a.exchange(30) == 20 and a.get() == 30
    assert a.increment() == 31 and a.increment(4) == 35 and a.increment(n=-5) == 30
    assert a.decrement() == 29 and a.decrement(9) == 20 and a.decrement(n=-5) == 25
    assert a.fetch_add() == 25 and a.fetch_add(4) == 26 and a.fetch_add(n=AtomicInt(-5)) == 30
    assert a.fetch_max(20) == 25 and a.fetch_max(40) == 25 and a.get() == 40
    assert a.fetch_min(50) == 40 and a.fetch_min(-4) == 40 and a.get() == -4
    for name in (
        "set",
        "exchange",
        "increment",
        "decrement",
        "fetch_add",
        "fetch_max",
        "fetch_min",
    ):
        for bad in (1.0, "1", None):
            with pytest.raises(TypeError, match="int"):
                getattr(a, name)(bad)
        with pytest.raises(OverflowError):
            getattr(a, name)(2**70)
        assert a.get() == -4


def test_compare_and_set():
    a = AtomicInt(5)
    assert a.compare_and_set(5, 6) is True and a.get() == 6
    assert a.compare_and_set(expected=5, desired=7) is False and a.get() == 6
    assert a.compare_and_set(2**64 + 6, 7) is False and a.get() == 6
    assert a.compare_and_set(6, desired=AtomicInt(8)) is True and a.get() == 8
    with pytest.raises(OverflowError):
        a.compare_and_set(8, 2**63)
    for args in ((), (1,), (1, 2, 3), (1.0, 2), (1, None)):
        with pytest.raises(TypeError):
            a.compare_and_set(*args)
    with pytest.raises(TypeError, match="multiple values"):
        a.compare_and_set(1, expected=1, desired=2)
    with pytest.raises(TypeError, match="unexpected keyword"):
        a.compare_and_set(1, wanted=1)
    assert a.get() == 8


@pytest.mark.parametrize("add", ["increment", "fetch_add", "decrement"])
def test_the_limits(add):
    """What counts is whether the result fits, not whether the summand does."""
    sign = -1 if add == "decrement" else 1
    for start, n in itertools.product(
        [MIN, MIN + 1, -5, 0, 5, MAX], [*VALUES, 2**63, 2**64, -(2**64)]
    ):
        a = AtomicInt(start)
        expected = start + sign * n
        if MIN <= expected <= MAX:
            assert getattr(a, add)(n) == (start if add == "fetch_add" else expected)
            assert a.get() == expected
        else:
            with pytest.raises(OverflowError, match="SharedDict"):
                getattr(a, add)(n)
            assert a.get() == start


def test_update():
    a = AtomicInt(3)
    assert a.update(lambda v: v * v) == 9 and a.get() == 9
    with pytest.raises(KeyError, match="mine"):
        a.update(lambda v: {}["mine"])
    for bad in (None, 1.5, "1"):
        with pytest.raises(TypeError, match="update"):
            a.update(lambda v, bad=bad: bad)
    with pytest.raises(OverflowError):
        a.update(lambda v: 2**63)
    with pytest.raises(TypeError, match="function"):
        a.update(5)
    assert a.get() == 9


def test_update_runs_again_when_the_value_has_changed():
    a = AtomicInt(0)
    seen = []

    def function(value):
        seen.append(value)
        if len(seen) < 4:
            a.set(10 * len(seen))
        return value + 1

    assert a.update(function) == 31
    assert seen == [0, 10, 20, 30] and a.get() == 31


def test_wait_that_need_not_wait():
    a = AtomicInt(3)
    assert a.wait(4) == 3 and a.wait(2**80) == 3 and a.wait(while_equal=4, timeout=0) == 3
    with pytest.raises(TimeoutError):
        a.wait(3, 0)
    with pytest.raises(TimeoutError):
        a.wait(3, timeout=0.01)
    for timeout, error in [(-1, ValueError), (-1e-9, ValueError), (math.nan, ValueError),
                           ("1", TypeError), ([], TypeError), (-math.inf, ValueError)]:  # fmt: skip
        with pytest.raises(error, match="timeout"):
            a.wait(4, timeout)
    for far in (1e10, 1e300, math.inf, 2**100, sys.float_info.max):
        assert a.wait(4, far) == 3
    with pytest.raises(OverflowError):
        a.wait(4, 10**400)
    for args in ((), (1, 2, 3), ("3",), (3.0,)):
        with pytest.raises(TypeError):
            a.wait(*args)


def test_copies_are_the_object_itself():
    a = AtomicInt(3)
    assert copy.copy(a) is a and copy.deepcopy([a])[0] is a


def test_everything_has_a_docstring_and_a_signature():
    import inspect

    assert str(inspect.signature(AtomicInt)) == "(value=0)"
    for name, member in vars(AtomicInt).items():
        if callable(member) and name not in ("__new__", "__hash__"):
            assert member.__doc__, name
            inspect.signature(member)
    assert str(inspect.signature(AtomicInt.wait)) == "(self, /, while_equal, timeout=None)"


def test_no_memory():
    """Each allocation of the core fails once; nothing is lost or half done."""
    value, after = each_allocation_fails(lambda: AtomicInt(7).increment(), silent=True)
    assert value == 8 and after > 0
