"""The interface of SharedDict from several interpreters at once."""

from interps import Sub, in_thread

from sharedobj import SharedDict

STACK = """
import random
rng, taken = random.Random(who), 0
for i in range(2000):
    if rng.random() < 0.5:
        stack[who, i] = f"payload {who} {i}"
        counts.increment("put")
    else:
        try:
            key, value = stack.popitem()
        except KeyError:
            continue
        assert value == f"payload {key[0]} {key[1]}", (key, value)
        assert counts.add(key, True), "each item once"
"""

OPERATORS = """
from sharedobj import SharedDict
assert list(reversed(d)) == ["c", "b", "a"] and d.get_many("ax") == [1, None]
both = d | {"x": (1, "new")}
assert type(both) is SharedDict and d.keys() <= both.keys() and d.keys() & {"a"} == {"a"}
out["both"] = both
out |= d
out.reduce_max({"a": 10**30, "b": -1})
assert SharedDict.fromkeys(d) == dict.fromkeys("abc")
"""


def test_a_stack_of_several_interpreters():
    stack, counts = SharedDict(), SharedDict()
    with Sub() as a, Sub() as b, Sub() as c:
        threads = [
            in_thread(sub.run, STACK, stack=stack, counts=counts, who=who)
            for who, sub in enumerate((a, b, c))
        ]
        for thread in threads:
            thread.join()
    put = counts.pop("put")
    assert len(stack) + len(counts) == put
    while stack:
        key, value = stack.popitem()
        assert value == f"payload {key[0]} {key[1]}" and counts.add(key, True)
    assert len(counts) == put


def test_operators_elsewhere():
    d, out = SharedDict(a=1, b=2, c=3), SharedDict()
    with Sub() as sub:
        sub.run(OPERATORS, d=d, out=out)
    assert out["both"] == {"a": 1, "b": 2, "c": 3, "x": (1, "new")}
    del out["both"]
    assert out == {"a": 10**30, "b": 2, "c": 3}
