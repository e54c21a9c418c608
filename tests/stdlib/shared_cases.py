"""Runs cases of the standard library's test suite on our types, in a process of its own.

usage: shared_cases.py mapping|dict|set|mixed|sequence|list|queue [PATH]

PATH: a further folder of the package `test`.

Prints one JSON object: {"Class.case": [outcome, last line of the report]}, with the outcomes
ok, failed, skipped, and left: it has passed, but left something of ours alive.
"""

import ast
import gc
import io
import json
import re
import sys
import types
import unittest
from pathlib import Path

import sharedobj
from sharedobj import Queue, SharedDict, SharedList, SharedSet, _sharedobj


class UseSharedDict(ast.NodeTransformer):
    """Where the source says dict, {...} or {k: v for ...}, it shall mean SharedDict."""

    views = ("dict_keys(", "dict_values(", "dict_items(")

    def call(self, node, *args):
        new = ast.Call(ast.Name("SharedDict", ast.Load()), list(args), [])
        return ast.copy_location(new, node)

    def visit_Name(self, node):
        if node.id == "dict":
            return ast.copy_location(ast.Name("SharedDict", node.ctx), node)
        return node

    def visit_Constant(self, node):
        if isinstance(node.value, str) and node.value.startswith(self.views):
            name = node.value.removeprefix("dict_").title()[: node.value.index("(") - 5]
            text = f"SharedDict{name}{node.value[node.value.index('(') :]}"
            return ast.copy_location(ast.Constant(text), node)
        return node

    def visit_Dict(self, node):
        self.generic_visit(node)
        pairs = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                items = ast.Call(ast.Attribute(value, "items", ast.Load()), [], [])
                pairs.append(ast.Starred(items, ast.Load()))
            else:
                pairs.append(ast.Tuple([key, value], ast.Load()))
        return self.call(node, ast.List(pairs, ast.Load())) if pairs else self.call(node)

    def visit_DictComp(self, node):
        self.generic_visit(node)
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return self.call(node, ast.GeneratorExp(pair, node.generators))


class UseSharedSet(ast.NodeTransformer):
    """Where the source says set, {...} or {x for ...}, it shall mean SharedSet."""

    def visit_Name(self, node):
        if node.id == "set":
            return ast.copy_location(ast.Name("SharedSet", node.ctx), node)
        return node

    def visit_Attribute(self, node):
        if ast.unparse(node) == "operator.add":  # an item, and something without any
            return ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)

    def visit_ClassDef(self, node):
        # A class that is made from set stays that: SharedSet has no subclasses.
        node.body = [self.visit(item) for item in node.body]
        return node

    def call(self, node, items):
        new = ast.Call(ast.Name("SharedSet", ast.Load()), [items], [])
        return ast.copy_location(new, node)

    def visit_Set(self, node):
        self.generic_visit(node)
        return self.call(node, ast.List(node.elts, ast.Load()))

    def visit_SetComp(self, node):
        self.generic_visit(node)
        return self.call(node, ast.GeneratorExp(node.elt, node.generators))


class UseSharedList(ast.NodeTransformer):
    """Where the source says list, [...] or [x for ...], it shall mean SharedList."""

    def visit_Name(self, node):
        if node.id == "list":
            return ast.copy_location(ast.Name("SharedList", node.ctx), node)
        return node

    def visit_List(self, node):
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        new = ast.Call(ast.Name("SharedList", ast.Load()), [node], [])
        return ast.copy_location(new, node)

    def visit_ListComp(self, node):
        self.generic_visit(node)
        new = ast.Call(ast.Name("SharedList", ast.Load()), [node], [])
        return ast.copy_location(new, node)


def bare_repr(thing):
    """The repr of a set, without what ours says about its type."""
    text = repr(thing)
    if type(thing) is not SharedSet:
        return text
    return text.removeprefix("SharedSet(").removesuffix(")") or "set()"


def module_of(name, tree, **names):
    """Returns: the module that the changed source of `name` makes."""
    ast.fix_missing_locations(tree)
    module = types.ModuleType(f"shared_{name.replace('.', '_')}")
    module.__file__ = sys.modules[name].__file__
    vars(module).update(names)
    sys.modules[module.__name__] = module
    exec(compile(tree, module.__name__, "exec"), module.__dict__)
    return module


def mapping_cases():
    from test import mapping_tests

    for name in "BasicTestMappingProtocol", "TestMappingProtocol", "TestHashMappingProtocol":
        yield type(name, (getattr(mapping_tests, name),), {"type2test": SharedDict})


def dict_cases():
    import test.test_dict

    tree = ast.parse(Path(test.test_dict.__file__).read_bytes())
    wanted = "DictTest", "GeneralMappingTests"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in wanted:
            node.body = [UseSharedDict().visit(item) for item in node.body]
    module = module_of("test.test_dict", tree, SharedDict=SharedDict)
    return [getattr(module, name) for name in wanted]


def set_cases():
    """All there is about set, with SharedSet in the place of every set. Not run: what is
    about frozensets and subclasses of either; and the classes whose every case uses items
    that do mischief in their __eq__."""
    import test.test_set

    tree = UseSharedSet().visit(ast.parse(Path(test.test_set.__file__).read_bytes()))
    module = module_of("test.test_set", tree, SharedSet=SharedSet, repr=bare_repr)
    for name, cls in list(vars(module).items()):
        is_cases = isinstance(cls, type) and issubclass(cls, unittest.TestCase)
        if is_cases and not re.search("Subclass|FrozenSet|Mutating", name):
            yield cls


def sequence_cases():
    """What list and UserList have in common: SharedList meets plain lists."""
    from test import list_tests

    yield type("CommonTest", (list_tests.CommonTest,), {"type2test": SharedList})


def list_cases():
    """What list has besides, with SharedList in the place of every list."""
    import test.test_list

    tree = ast.parse(Path(test.test_list.__file__).read_bytes())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "ListTest":
            node.body = [UseSharedList().visit(item) for item in node.body]
    module = module_of("test.test_list", tree, SharedList=SharedList)
    inherited = {name: None for name in dir(module.list_tests.CommonTest) if name[:5] == "test_"}
    own = {name for name in vars(module.ListTest) if name.startswith("test_")}
    return [type("ListTest", (module.ListTest,), {n: None for n in inherited if n not in own})]


def mixed_cases():
    """What set and frozenset have in common, and set alone: SharedSet meets plain sets."""
    from test import test_set

    yield type("TestSet", (test_set.TestSet,), {"thetype": SharedSet, "basetype": SharedSet})


def queue_cases():
    """The cases that every kind of queue passes, as they are."""
    import queue

    from test.test_queue import BaseQueueTestMixin

    bases = BaseQueueTestMixin, unittest.TestCase
    yield type("QueueTest", bases, {"queue": queue, "type2test": Queue})


class Outcomes(unittest.TextTestResult):
    """Keeps nothing of a case but how it ended."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.found = {}

    def note(self, case, outcome, text=""):
        name = f"{type(case).__name__}.{case._testMethodName}"
        self.found[name] = outcome, text.strip().split("\n")[-1]

    def addSuccess(self, case):
        self.note(case, "ok")

    def addFailure(self, case, error):
        self.note(case, "failed", self._exc_info_to_string(error, case))

    addError = addFailure

    def addSkip(self, case, reason):
        self.note(case, "skipped", reason)

    def addSubTest(self, case, subtest, error):
        if error is not None:
            self.note(case, "failed", self._exc_info_to_string(error, case))


def live():
    gc.collect()
    sharedobj.collect()
    counts = _sharedobj._counts()
    return {name: counts[name] for name in ("objects", "blobs", "nodes")}


def run(case, before):
    """Returns: {name: (outcome, text)} of one case, and what is alive after it."""
    found = unittest.TextTestRunner(io.StringIO(), resultclass=Outcomes).run(case).found
    del case
    after = live()
    if after != before and next(iter(found.values()))[0] == "ok":
        found = {name: ("left", f"{before}, then {after}") for name in found}
    return found, after


CASES = {
    "mapping": mapping_cases,
    "dict": dict_cases,
    "set": set_cases,
    "mixed": mixed_cases,
    "sequence": sequence_cases,
    "list": list_cases,
    "queue": queue_cases,
}


def main():
    # Cases that have failed leave half of their work, and complain about it.
    sys.unraisablehook = lambda unraisable: None
    which, *path = sys.argv[1:]
    if path:
        import test

        test.__path__.extend(path)
    classes = list(CASES[which]())
    found, alive = {}, live()
    for cls in classes:
        for name in unittest.defaultTestLoader.getTestCaseNames(cls):
            outcome, alive = run(cls(name), alive)
            found |= outcome
    print(json.dumps(found))


if __name__ == "__main__":
    main()
