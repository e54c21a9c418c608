"""Values by name where the name leads nowhere, or must not: UnresolvedError, __main__,
set_importable() and audit events."""

import collections
import enum
import importlib
import sys
import textwrap

import pytest
import records

import sharedobj as so
from sharedobj import _sharedobj

# ---- UnresolvedError


def stored(modules, code, name="gone"):
    """A dict of values that modules of their own name, and that module."""
    module = modules(name, code)
    d = so.SharedDict(before=1)
    d["value"] = eval("value", vars(module))
    d["after"] = 2
    return d, module


CODE = records.SOURCE + "value = {}\n"

CASES = {
    "Kind.A": "Kind", "Access.A | Access.B": "Access", "Point(1)": "Point", "Pair(1, 2)": "Pair",
    "function": "function", "Point": "Point", "(1, (Point(Kind.A), 2))": "Kind",
    "frozenset({Kind.A})": "Kind",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_module_is_gone(modules, case):
    d, module = stored(modules, CODE.format(case))
    del sys.modules["gone"]
    for read in (
        lambda: d["value"], lambda: d.get("value"), d.snapshot, lambda: list(d.values()),
        lambda: d.pop("value"), lambda: d.pop("value", None), lambda: d.exchange("value", 1),
        lambda: d.setdefault("value", 1), lambda: d.exchange("value", 1, None), lambda: repr(d),
    ):  # fmt: skip
        with pytest.raises(so.UnresolvedError, match=r"'\w+' of module 'gone' cannot be re") as e:
            read()
        assert isinstance(e.value, LookupError)
        assert isinstance(e.value.__cause__, ModuleNotFoundError)
        assert "No module named 'gone'" in str(e.value)
    # The entry and its neighbours stay.
    assert list(d) == ["before", "value", "after"] and len(d) == 3
    walk, seen = iter(d.values()), []
    for _ in range(3):
        try:
            seen.append(next(walk))
        except so.UnresolvedError:
            seen.append("unresolved")
    assert seen == [1, "unresolved", 2] and list(walk) == []
    sys.modules["gone"] = module
    assert d["value"] == module.value
    assert d.exchange("value", (d["value"],)) == module.value
    assert d.pop("value") == (module.value,)
    assert list(d) == ["before", "after"]


def test_popitem_leaves_what_cannot_be_read(modules):
    d, module = stored(modules, CODE.format("Point(1)"))
    d[module.Kind.A] = "key"
    d["plain"] = 3
    del sys.modules["gone"]
    assert d.popitem() == ("plain", 3) and d.popitem.__self__ is d
    for _ in range(3):
        with pytest.raises(so.UnresolvedError):
            d.popitem()
    del d["after"]
    assert len(d) == 3
    sys.modules["gone"] = module
    assert d.popitem() == (module.Kind.A, "key")
    del sys.modules["gone"]
    with pytest.raises(so.UnresolvedError):
        d.popitem()
    sys.modules["gone"] = module
    assert [d.popitem(), d.popitem()] == [("value", module.Point(1)), ("before", 1)]
    with pytest.raises(KeyError):
        d.popitem()


def test_popitem_of_a_key_whose_name_has_changed(modules):
    """What it is called now does not matter: it is the entry that goes."""
    module = modules("gone", CODE.format("None"))
    d = so.SharedDict({module.Kind.A: (module.Point(1),)})
    exec("class Kind(enum.Enum):\n B = 1\n A = 1", vars(module))
    assert module.Kind.A.name == "B"
    assert d.popitem() == (module.Kind.B, (module.Point(1),)) and len(d) == 0


def test_a_set_with_an_item_that_cannot_be_read(modules):
    module = modules("gone", CODE.format("None"))
    s = so.SharedSet(["before", module.Kind.A, "after"])
    del sys.modules["gone"]
    assert s.pop() == "after"
    for read in (
        s.pop, s.snapshot, lambda: list(s), lambda: repr(s), lambda: s & {"before", 1, 2},
        lambda: s == {"before", 1}, lambda: s.intersection_update(["before"]),
        lambda: {"x"} | s, lambda: so.SharedSet("x").symmetric_difference_update(s),
    ):  # fmt: skip
        with pytest.raises(so.UnresolvedError, match="'gone'"):
            read()
    # What need not make it does not.
    assert len(s) == 2 and "before" in s and s >= {"before"}
    twin = (s | {"more"}) - {"before"}
    assert len(twin) == 2 and "more" in twin
    twin.replace(s)
    sys.modules["gone"] = module
    assert s.discard(module.Kind.A) and module.Kind.A in twin
    assert list(twin) == ["before", module.Kind.A] and twin.pop() is module.Kind.A
    assert twin == {"before"} == s


def test_methods_that_decode(modules):
    """The rest of them fail the same way and change nothing."""
    d, module = stored(modules, CODE.format("Kind.A"))
    del sys.modules["gone"]
    for use in (
        lambda: d.get_or_set("value", int), lambda: d.compute("value", str), lambda: d.copy() == {},
        lambda: d.wait_for("value", bool, timeout=5), lambda: d.get_many(["before", "value"]),
        lambda: d.increment("value"), lambda: d.reduce_max({"value": 5}), lambda: d == {},
        lambda: dict(d), lambda: d | {}, lambda: list(reversed(d.values())),
        lambda: 5 in d.values(), lambda: d.snapshot(),
    ):  # fmt: skip
        try:
            assert use() is False  # lengths differ
        except so.UnresolvedError:
            pass
    copy = d.copy()
    d.replace(copy)
    assert list(d) == ["before", "value", "after"]
    sys.modules["gone"] = module
    assert d["value"] is copy["value"] is module.Kind.A


def test_what_cannot_be_read_can_go():
    d = so.SharedDict(a=records.Colour.RED, b=records.Point(1), c=records.function)
    module = sys.modules.pop("records")
    path, sys.path[:] = sys.path[:], []
    try:
        with pytest.raises(so.UnresolvedError):
            d["a"]
        del d["a"]
        d["b"] = 1
        assert "c" in d and len(d) == 2
        d.clear()
    finally:
        sys.path[:] = path
        sys.modules["records"] = module


@pytest.mark.parametrize("case", CASES)
def test_the_name_is_gone(modules, case):
    d, module = stored(modules, CODE.format(case))
    old = dict(vars(module))
    delattr(module, CASES[case])
    with pytest.raises(so.UnresolvedError, match=f"'{CASES[case]}' of module 'gone' .*no such na"):
        d["value"]
    for other in (5, None, "x", len, int, records.Planet, records.Slotted, records.Entry, enum):
        setattr(module, CASES[case], other)
        if (case == "function" and other is len) or (case == "Point" and isinstance(other, type)):
            assert d["value"] is other  # of the right kind: it is what the name leads to now
            continue
        with pytest.raises(so.UnresolvedError, match=f"'{CASES[case]}' of module 'gone' "):
            d["value"]
        with pytest.raises(so.UnresolvedError):
            d.pop("value")
    vars(module).update(old)
    assert d.pop("value") == module.value


@pytest.mark.parametrize(
    "value, changed, text",
    [
        ("Kind.A", "class Kind(enum.Enum):\n B = 1", "it has no member 'A' here"),
        ("Access.A | Access.B", "class Access(enum.Flag):\n A = 1", "it has no member 3 here"),
        ("Point(1)", "Point.__qualname__ = 'Dot'; Point = 5", "it is no frozen dataclass here"),
        (
            "Point(1)",
            "@dataclasses.dataclass(frozen=True)\nclass Point:\n x: int\n z: int",
            r"it has other fields here: gone:Point\(x,z\)",
        ),
        (
            "Point(1)",
            "@dataclasses.dataclass\nclass Point:\n x: int\n y: int",
            "no frozen dataclas",
        ),
        (
            "Pair(1, 2)",
            "Pair = collections.namedtuple('Pair', 'a c')",
            r"other fields here: gone:P",
        ),
        ("Pair(1, 2)", "Pair = tuple", "it is no named tuple here"),
        ("function", "function = 5", "it is no function here"),
        ("Point", "Point = function", "it is no class here"),
    ],
)
def test_the_module_has_changed(modules, value, changed, text):
    d, module = stored(modules, CODE.format(value))
    exec(changed, vars(module))
    with pytest.raises(so.UnresolvedError, match=text):
        d["value"]
    assert "value" in d


def test_a_module_that_is_reloaded(modules):
    d, module = stored(modules, CODE.format("(Point(1), Kind.A, Pair(1, 2), function)"))
    old = module.value
    new = modules("gone", CODE.format("None"))
    assert new is not module
    point, kind, pair, function = d["value"]
    assert type(point) is new.Point and type(pair) is new.Pair
    assert kind is new.Kind.A and function is new.function
    with pytest.raises(so.NotShareableError, match="is not what its name leads to"):
        d["old"] = old
    d["value"] = d["value"]


def test_importing_may_fail(modules, tmp_path):
    d, _ = stored(modules, CODE.format("Point(1)"))
    del sys.modules["gone"]
    (tmp_path / "gone.py").write_text("1 / 0")
    importlib.invalidate_caches()
    with pytest.raises(so.UnresolvedError, match="cannot be imported: ZeroDivisionError") as e:
        d["value"]
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    (tmp_path / "gone.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        d["value"]
    (tmp_path / "gone.py").write_text("raise MemoryError")
    with pytest.raises(MemoryError):
        d["value"]
    (tmp_path / "gone.py").write_text("import sys; sys.modules[__name__] = 5")
    with pytest.raises(so.UnresolvedError, match="has no such name"):
        d["value"]
    (tmp_path / "gone.py").write_text(CODE.format("None"))
    sys.modules.pop("gone", None)
    assert d["value"].x == 1


def test_it_is_imported_when_it_is_read(modules, tmp_path):
    module = modules("lazily", CODE.format("None"), file=True)
    d = so.SharedDict(a=module.Kind.A, b=module.Point(1), c=module.function)
    del sys.modules["lazily"]
    assert "a" in d and len(d) == 3 and list(d) == ["a", "b", "c"]
    assert "lazily" not in sys.modules
    again = d["b"]
    assert sys.modules["lazily"].Point is type(again) is not module.Point
    assert d["a"] is sys.modules["lazily"].Kind.A


def test_a_module_that_reads_while_it_is_imported(modules, tmp_path):
    module = modules("selfish", CODE.format("None"), file=True)
    d = so.SharedDict(early=module.Kind.A)
    del sys.modules["selfish"]
    (tmp_path / "selfish.py").write_text(
        f"import sharedobj\n"
        f"d = sharedobj.attach({d.id})\n"
        f"try:\n"
        f"    d['early']\n"
        f"except sharedobj.UnresolvedError as e:\n"
        f"    error = str(e)\n" + CODE.format("d['early']")
    )
    importlib.invalidate_caches()
    assert d["early"] is sys.modules["selfish"].Kind.A is sys.modules["selfish"].value
    assert "has no such name" in sys.modules["selfish"].error


# ---- __main__


MAIN = """
import dataclasses, enum, sys
import sharedobj as so
class Kind(enum.Enum):
    A = 1
@dataclasses.dataclass(frozen=True)
class Point:
    x: int
def function(): pass
if __name__ == "__main__":
    d = so.SharedDict()
    for value in (Kind.A, Point(1), function, Point):
        try:
            d["value"] = value
        except so.NotShareableError as e:
            print(e)
        else:
            assert d["value"] == value and type(d["value"]) is type(value)
            assert "package.program" not in sys.modules
    try:
        d[Kind.A] = 1
    except so.NotShareableError as e:
        print(e)
    else:
        assert d.pop(Kind.A) == 1
    print(len(d))
"""


def test_main(run_python, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("")
    (tmp_path / "package/program.py").write_text(MAIN)
    done = run_python(script=tmp_path / "package/program.py")
    lines = done.stdout.splitlines()
    assert len(lines) == 6 and lines[5] == "0"
    assert lines[4].startswith("key is a __main__.Kind, whose class is in __main__, ")
    for line in lines[:5]:
        assert "is in __main__, which no other interpreter can import: move it into a modu" in line
        assert "start the program with python -m" in line
    done = run_python("import runpy; runpy.run_module('package.program', run_name='__main__', "
                      "alter_sys=True)", cwd=tmp_path)  # fmt: skip
    assert done.stdout == "1\n"


def test_main_and_the_same_module_imported(run_python, tmp_path):
    """Then the name does not lead back to what __main__ holds."""
    (tmp_path / "program.py").write_text(
        MAIN.replace("d = so", "import program\n    assert program.Point is not Point\n    d = so")
    )
    done = run_python("import runpy; runpy.run_module('program', run_name='__main__', "
                      "alter_sys=True)", cwd=tmp_path)  # fmt: skip
    assert done.stdout.count("is not what its name leads to") == 5


# ---- set_importable and audit events


@pytest.fixture
def restricted():
    yield so.set_importable
    so.set_importable(None)


def test_set_importable(restricted):
    d = so.SharedDict(
        red=records.Colour.RED, point=records.Point(1), function=records.function, length=len,
        plain=(1, "x"), number=__import__("decimal").Decimal(1), dedent=textwrap.dedent,
    )  # fmt: skip
    whole = d.snapshot()
    for allowed, readable in [
        ([], {"plain", "number"}),
        (["record"], {"plain", "number"}),
        (["records.x"], {"plain", "number"}),
        (["records"], {"plain", "number", "red", "point", "function"}),
        (("builtins",), {"plain", "number", "length"}),
        ({"textwrap", "builtins"}, {"plain", "number", "length", "dedent"}),
        (None, set(d)),
    ]:
        assert restricted(allowed) is None
        for key in d:
            if key in readable:
                assert d[key] == whole[key] and d.pop(key) == whole[key]
                d[key] = whole[key]  # storing is not restricted
            else:
                with pytest.raises(so.UnresolvedError, match=r"set_importable\(\) does not allow"):
                    d[key]
                with pytest.raises(so.UnresolvedError, match=r"set_importable\(\) does not allow"):
                    d.pop(key)


def test_set_importable_matches_whole_components(modules, restricted):
    modules("allowed", "")
    for name in ("allowed.deep", "allowed.deep.er", "allowedly"):
        modules(name, "def function(): pass")
    d = so.SharedDict({name: sys.modules[name].function for name in
                       ("allowed.deep", "allowed.deep.er", "allowedly")})  # fmt: skip
    for prefix, count in [("allowed", 2), ("allowed.deep", 2), ("allowed.deep.er", 1), ("x", 0)]:
        restricted(iter([prefix, "other"]))
        readable = 0
        for name in d:
            try:
                readable += d[name] is sys.modules[name].function
            except so.UnresolvedError:
                pass
        assert readable == count, prefix


def test_set_importable_covers_what_is_pickled(restricted):
    message = [collections.OrderedDict(a=records.Colour.RED), {1}]
    channel = so.Channel()
    for allowed in (None, ["collections", "records"]):
        restricted(allowed)
        assert _sharedobj._roundtrip_message(message) == message
    for allowed in ([], ["records"], ["collections"]):
        restricted(allowed)
        channel.send(message)
        channel.send("next")
        with pytest.raises(so.UnresolvedError, match=r"set_importable\(\) does not allow"):
            channel.recv()
        assert channel.recv() == "next"


@pytest.mark.parametrize(
    "prefixes, error, text",
    [
        ("records", TypeError, "not one str"), (5, TypeError, "iterable"), ([5], TypeError, "str"),
        ([b"x"], TypeError, "a prefix is a str, not bytes"), ([""], ValueError, "no name of a mod"),
        (["a..b"], ValueError, "no name"), ([".a"], ValueError, "no name"),
        (["a."], ValueError, "no name"),
        (["a\0b"], ValueError, "no name"), (["\ud800"], ValueError, "no name"),
    ],
)  # fmt: skip
def test_set_importable_refuses(restricted, prefixes, error, text):
    restricted(["records"])
    with pytest.raises(error, match=text):
        restricted(prefixes)
    d = so.SharedDict(a=records.function, b=len)
    assert d["a"] is records.function  # nothing has changed
    with pytest.raises(so.UnresolvedError):
        d["b"]


def test_audit_events(run_python, tmp_path):
    (tmp_path / "audited.py").write_text(MAIN)
    run_python(
        """if 1:
        import sys
        import audited, decimal
        import sharedobj as so
        d = so.SharedDict(a=audited.Kind.A, b=audited.Point(1), n=decimal.Decimal(1), t=())
        events = []
        def hook(event, args):
            if event.startswith("sharedobj."):
                events.append((event, *args))
                if args == ("forbidden", "function"):
                    raise PermissionError("no")
        sys.addaudithook(hook)
        d["a"], d["b"], d["n"], d["t"], d["a"]
        assert events == []  # nothing had to be imported
        del sys.modules["audited"], sys.modules["decimal"]
        d["b"], d["a"], d["n"], d["b"]
        assert events == [
            ("sharedobj.import", "audited", "Point"), ("sharedobj.import", "decimal", "Decimal"),
        ], events
        events.clear()
        so.attach(d.id)
        assert events == [("sharedobj.attach", d.id)]
        sys.modules["forbidden"] = module = type(sys)("forbidden")
        exec("def function(): pass", vars(module))
        d["f"] = module.function
        del sys.modules["forbidden"]
        for _ in range(2):
            try:
                d["f"]
            except PermissionError as e:
                assert str(e) == "no"
            else:
                raise AssertionError
        """,
        cwd=tmp_path,
    )
