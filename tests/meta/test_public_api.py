"""Every public name is documented where it runs and typed in a stub."""

import ast
import inspect

import pytest

import house
import sharedobj

PACKAGE = house.ROOT / "python/sharedobj"
NAMES = sorted(name for name in dir(sharedobj) if not name.startswith("_"))
OURS = [
    name
    for name in NAMES
    if (getattr(getattr(sharedobj, name), "__module__", None) or "").startswith("sharedobj")
]
CLASSES = [name for name in OURS if inspect.isclass(getattr(sharedobj, name))]


def stubbed():
    """Class name -> names in its stub; functions under ''. Python code is its own stub."""
    found = {"": set()}
    for path in [*PACKAGE.rglob("*.pyi"), *PACKAGE.rglob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                members = found.setdefault(node.name, set())
                for item in node.body:
                    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                        members.add(item.name)
                    elif isinstance(item, ast.AnnAssign):
                        members.add(ast.unparse(item.target))
                    elif isinstance(item, ast.Assign):
                        members.update(ast.unparse(target) for target in item.targets)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[""].add(node.name)
    return found


def test_all_lists_what_is_public():
    assert sorted(sharedobj.__all__) == sorted(set(sharedobj.__all__))
    assert not [name for name in sharedobj.__all__ if not hasattr(sharedobj, name)]


@pytest.mark.parametrize("name", OURS)
def test_documented(name):
    thing = getattr(sharedobj, name)
    if inspect.isclass(thing) or callable(thing):
        assert (thing.__doc__ or "").strip(), f"{name} has no docstring"
    if inspect.isclass(thing):
        bare = [
            member
            for member, value in vars(thing).items()
            if not member.startswith("_")
            and (callable(value) or inspect.isdatadescriptor(value))
            and not (getattr(value, "__doc__", None) or "").strip()
        ]
        assert not bare, f"{name}: no docstring on {', '.join(bare)}"


@pytest.mark.parametrize("name", OURS)
def test_signatures_can_be_read(name):
    thing = getattr(sharedobj, name)
    members = vars(thing) if inspect.isclass(thing) else ()
    for member in [thing] * inspect.isroutine(thing) + [
        getattr(thing, member) for member in members if not member.startswith("_")
    ]:
        if inspect.isroutine(member):
            inspect.signature(member)


@pytest.mark.parametrize("name", CLASSES)
def test_methods_are_typed(name):
    found = stubbed()
    assert name in found, f"{name} is in no stub"
    public = {member for member in vars(getattr(sharedobj, name)) if not member.startswith("_")}
    assert public <= found[name], f"{name}: not in a stub: {sorted(public - found[name])}"


def test_functions_are_typed():
    found = stubbed()
    functions = {name for name in OURS if inspect.isroutine(getattr(sharedobj, name))}
    assert functions <= found[""]


def test_marked_as_typed():
    assert (house.Path(sharedobj.__file__).parent / "py.typed").exists()
