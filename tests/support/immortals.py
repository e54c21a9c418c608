"""What Python does with text and numbers, done with immortal ones.

check(o, e) takes such an object and an ordinary one that is equal, made in the interpreter
where this runs. On protected pages a write to the object ends the process; everything else
is an assertion. Nothing here is of pytest: it runs in every interpreter.
"""

import ast
import builtins
import copy
import gc
import io
import json
import marshal
import operator
import pickle
import re
import string
import struct
import sys
import sysconfig
import types

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
# Where immortal() makes objects; elsewhere it returns what it was given.
SUPPORTED = (
    sys.version_info < (3, 16)
    and not (FREE_THREADED and sys.version_info >= (3, 14))
    and not hasattr(sys, "gettotalrefcount")
)


def values(without_utf8=True):
    """Fresh ones, in every interpreter its own. To find that a text has no UTF-8, builds
    without the GIL take its own lock each time: a write, but no race."""
    text = ["hello_attr", "plain ascii text with spaces", "42", "3.5", "x" * 1000, "append"]
    text += ["__eq__", "__init__", "__call__", "__no_slot__", "__", "____x"]
    text += ["h\xe9llo_latin1", "\xff\xfe", "\u4f60\u597d_attr", "\u20ac", "\U0001f600smile"]
    text += ["os", "nul\0in", "\u0130", "a" * 100_000, "\u20ac" * 5000]
    data = [b"hello bytes", b"x" * 1000, b"\x00\xff\x80", bytes(range(256)) * 300]
    ints = [257, 1024, 1025, -6, 2**30 - 1, 2**30, -(2**30), 2**60 - 1, 2**60, 2**63, 2**64]
    ints += [-(2**100), 10**30, 3**200, -(7**2000)]
    floats = [0.0, -0.0, 1.5, 1e308, float("inf"), 2.0**-300, 5e-324]
    numbers = [*ints, *floats, 3 + 4j, complex(-0.0, 0.5)]
    if without_utf8:
        text += ["\ud800x", "\U0001f600\udfff"]
    return [*text, *data, *numbers]


def names(o, e):
    """As the name of an attribute, variable, argument, class, module."""
    if e.startswith("__"):
        return
    thing = types.SimpleNamespace()
    cls = type("C", (), {})
    for where in (thing, cls, types.ModuleType("m")):
        setattr(where, o, 5)
        assert getattr(where, e) == 5 and getattr(where, o) == 5 and hasattr(where, o)
        assert vars(where)[e] == 5 and vars(where)[o] == 5
        delattr(where, o)
        assert not hasattr(where, e)
        setattr(where, e, 6)
        for _ in range(20):  # specialised after some rounds
            assert getattr(where, o) == 6
    setattr(cls, o, property(lambda self: 8))
    assert getattr(cls(), e) == 8
    assert getattr(types.SimpleNamespace(**{o: 1}), e) == 1

    class Slots:
        __slots__ = ()

    try:
        getattr(Slots(), o)
    except (AttributeError, UnicodeEncodeError) as error:
        str(getattr(error, "name", None))
    variables = {o: 3}
    exec("first = 1", variables)
    assert variables[e] == 3
    if e.isidentifier():
        assert eval(e, {}, {o: 4}) == 4 and eval(o, {e: 4}) == 4
        exec(f"{e} = 9", variables)
        assert variables[o] == 9
        made = type("D", (), {"__slots__": (o,)})()
        setattr(made, o, 2)
        assert getattr(made, e) == 2
        code = compile(f"def f({e}): return {e}", o, "exec")
        space = {}
        exec(code, space)
        assert space["f"](**{o: 7}) == 7
    globals()[o] = 1
    assert globals().pop(e) == 1

    def keywords(**kwargs):
        return kwargs

    for _ in range(10):
        assert keywords(**{o: 1}) == {e: 1}
    if "\0" not in e and e.isprintable():
        assert type(o, (), {}).__name__ == e


def text(o, e):
    names(o, e)
    assert sys.intern(o) == e and sys.intern(e + "") == e
    grown = o
    for _ in range(5):
        grown += "z"
    assert grown == e + "zzzzz" and o == e
    doubled = o
    doubled += o
    assert doubled == e + e and o * 2 == doubled and "q" + o == "q" + e
    assert o[:] == e and o[::-1] == e[::-1] and o[1:] == e[1:] and list(o) == list(e)
    assert ",".join([o, o, "x"]) == ",".join([e, e, "x"]) and "".join([o]) == e
    assert f"{o}!{o!r:>5}" == f"{e}!{e!r:>5}" and "%s%r" % (o, o) == "%s%r" % (e, e)  # noqa: UP031
    assert f"{o}" == e and str(o) == e and format(o, ">3") == format(e, ">3")
    for method in (
        str.upper, str.lower, str.title, str.strip, str.casefold, str.swapcase, str.splitlines,
        str.isidentifier, str.isdigit, str.isalpha, str.capitalize, str.isprintable, str.split,
    ):  # fmt: skip
        assert method(o) == method(e)
    assert o.replace("a", "bb") == e.replace("a", "bb") and o.find("zz") == e.find("zz")
    assert o.partition("l") == e.partition("l") and o.zfill(3) == e.zfill(3)
    assert o.translate({97: "X"}) == e.translate({97: "X"}) and ("a" in o) == ("a" in e)
    assert o.encode("utf-16", "surrogatepass") == e.encode("utf-16", "surrogatepass")
    assert o.encode("ascii", "replace") == e.encode("ascii", "replace")
    assert (o < "m") == (e < "m") and sorted([o, "b"]) == sorted([e, "b"]) and max(o, o) == e
    assert re.escape(o) == re.escape(e) and re.match(re.escape(o), o)
    match o:
        case str(whole):
            assert whole is o
    stream = io.StringIO(o, newline="")
    assert stream.read() == e and stream.write(o) == len(e) and stream.getvalue() == e + e
    assert string.Template("$x").substitute(x=o) == e and operator.concat(o, o) == e + e
    try:
        encoded = e.encode()
    except UnicodeEncodeError:
        for _ in range(2):
            try:
                o.encode()
            except UnicodeEncodeError:
                pass
            else:
                raise AssertionError("lone surrogates have no UTF-8")
        return
    assert o.encode() == encoded and o.encode("utf-8") == encoded
    for call in (int, float, complex, __import__, lambda name: open(name).close()):
        try:
            call(o)
        except (ValueError, OSError, ImportError):
            pass
    try:
        eval(o, {})
    except Exception:  # whatever the text says
        pass
    if "\0" not in e:
        assert compile("1", o, "eval").co_filename == e
    assert json.loads(json.dumps({o: o})) == {e: e}


def numbers(o, e):
    for f in (
        lambda a: a + 1, lambda a: a - 1, lambda a: a * 3, lambda a: -a, lambda a: a * a,
        lambda a: 1 + a, lambda a: a + a, repr, bool, lambda a: a == a, lambda a: a != 2,
        lambda a: a.conjugate(), lambda a: a.real, lambda a: a.imag, complex, lambda a: a / 3,
    ):  # fmt: skip
        assert repr(outcome(f, o)) == repr(outcome(f, e))
    ordinary, immortal = e, o
    for _ in range(50):  # specialised, with the result in place of the operand
        immortal = immortal + o
        immortal -= o
        immortal += 1
        ordinary = ordinary + e
        ordinary -= e
        ordinary += 1
    assert repr(ordinary) == repr(immortal)
    assert repr(sum([o, o, o])) == repr(sum([e, e, e]))
    if type(e) is not complex:
        for f in (abs, lambda a: a < 3, lambda a: a >= 2, lambda a: max(a, 1), lambda a: a % 7):
            assert repr(f(o)) == repr(f(e))
    if type(e) is float:
        for f in (float.hex, float.is_integer, round, float.as_integer_ratio, int):
            assert outcome(f, o) == outcome(f, e)
    if type(e) is int:
        for f in (
            lambda a: a << 3, lambda a: a >> 2, lambda a: a & 0xFFFF, lambda a: a | 1, hex,
            lambda a: ~a, lambda a: a % 7, lambda a: a // 3, lambda a: a ^ 5, int.bit_length,
            lambda a: a.to_bytes(1000, "big", signed=True), lambda a: a.__index__(), int, str,
            lambda a: divmod(a, 13), lambda a: pow(a, 3, 97), float, round, lambda a: a / 3,
            lambda a: range(a)[-1], lambda a: [1, 2][a], lambda a: b"x" * (a % 5), chr,
        ):  # fmt: skip
            assert outcome(f, o) == outcome(f, e)


def outcome(f, value):
    try:
        return f(value)
    except Exception as error:
        return type(error)


def data(o, e):
    assert o + b"x" == e + b"x" and o[1:] == e[1:] and o.hex() == e.hex() and o * 2 == e * 2
    view = memoryview(o)
    assert view.readonly and bytes(view) == e and view[:2].tobytes() == e[:2]
    view.release()
    assert bytearray(o) == e and o.decode("latin1") == e.decode("latin1") and bytes(o) == e
    assert b",".join([o, o]) == b",".join([e, e]) and o.upper() == e.upper() and list(o) == list(e)
    stream = io.BytesIO(o)  # shares the bytes until it is written to
    assert stream.getvalue() == e and stream.write(b"zz") == 2 and stream.getvalue()[2:] == e[2:]
    stream.getbuffer()[:1] = b"q"
    assert io.BytesIO(o).read() == e
    array = bytearray(o)
    array[0] = 255 - array[0]
    array += o
    array.extend(o)
    assert array[1:] == e[1:] + e + e
    if hasattr(array, "take_bytes"):
        assert array.take_bytes()[1:] == e[1:] + e + e
    room = bytearray(len(e))
    room[:] = o
    struct.pack_into(f"{len(e)}s", room, 0, o)
    assert room == e and struct.unpack(f"{len(e)}s", o) == (e,)
    grown = o
    grown += b"q"
    assert grown == e + b"q" and o == e and o.split(b"a") == e.split(b"a")
    assert re.match(re.escape(o), o) and int.from_bytes(o[:8]) == int.from_bytes(e[:8])
    assert outcome(lambda a: a % (), o) == outcome(lambda a: a % (), e)


def check(o, e):
    assert type(o) is type(e) and repr(o) == repr(e) and bool(o) == bool(e)
    assert o == e and e == o and (o != e) is False and hash(o) == hash(e)
    table = {o: 1}
    assert table[e] == 1
    table[e] = 2
    assert table[o] == 2 and len(table) == 1 and table.pop(o) == 2
    table = {e: 1}
    table[o] = 3
    assert table == {o: 3} and o in table and frozenset([o]) == {e} and len({o, e}) == 1
    assert o in [e] and [o].index(e) == 0 and (o, 1) == (e, 1)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        pickled = outcome(lambda x: pickle.dumps(x, protocol), o)  # noqa: B023
        if pickled is not UnicodeEncodeError:
            assert pickle.loads(pickled) == e
    assert pickle.loads(pickle.dumps([o, o, (o, {1: o})])) == [e, e, (e, {1: e})]
    assert marshal.loads(marshal.dumps((o, o, [o]))) == (e, e, [e])
    assert copy.copy(o) == e and copy.deepcopy([o, o]) == [e, e]
    assert sys.getrefcount(o) > 1000 and sys.getsizeof(o) > 0 and o.__class__ is type(e)
    many = [o] * 1000
    del many
    kept = types.SimpleNamespace(v=o, w=[o, (o,)])
    kept.cycle = kept
    del kept

    def default(a=o):
        return a

    def generator():
        x = o
        yield x
        yield o

    assert default() is o and [x is o for x in generator()] == [True, True]
    for constant in (o, (o, "sub_name", o), frozenset([o, "qq"])):
        tree = ast.fix_missing_locations(ast.Expression(ast.Constant(constant)))
        code = compile(tree, "x", "eval")
        assert eval(code) == constant
        marshal.loads(marshal.dumps(code.replace(co_consts=(constant,))))
    # Equal constants of a unit become one.
    constants = [ast.Constant(v) for v in (e, o, (e, (o, 1)), (o, (e, 2)), frozenset([o]), o)]
    constants.append(ast.Name("o", ast.Load()))
    for order in (constants, constants[::-1]):
        tree = ast.fix_missing_locations(ast.Expression(ast.List(order, ast.Load())))
        expected = [getattr(constant, "value", o) for constant in order]
        assert eval(compile(tree, "x", "eval"), {"o": o}) == expected
    more = {str: text, bytes: data, int: numbers, float: numbers, complex: numbers}
    if type(e) in more and e not in ("", b""):
        more[type(e)](o, e)


def slots(immortal):
    """Names that make a class do something, as attributes that come later."""
    cls = type("Late", (), {})
    setattr(cls, immortal("".join(["__ca", "ll__"])), lambda self: "called")
    assert cls()() == "called"
    setattr(cls, immortal("".join(["__le", "n__"])), lambda self: 7)
    assert len(cls()) == 7


def rounds(immortal, count, without_utf8=True):
    """The whole battery in this interpreter, which keeps all objects until its end.
    Returns: the addresses, as a tuple."""
    objects = [immortal(v) for v in values(without_utf8)]
    for _ in range(count):
        for o, e in zip(objects, values(without_utf8), strict=True):
            check(o, e)
        slots(immortal)
        gc.collect()
    builtins.kept_immortals = objects
    sys.modules["kept_immortals"] = objects
    return tuple(id(o) for o in objects)
