"""SharedSet: what is refused and what fails."""

import operator

import pytest
import records
from memory import each_allocation_fails

import sharedobj
from sharedobj import NotShareableError, SharedDict, SharedSet


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (range(3), "item is a range and cannot be in a set; use str(x) or a tuple"),
        ((1, range(3)), "item[1] is a range and cannot be in a set; use str(x) or a tuple"),
        (
            records.Equal.ONE,
            "item is a member of records.Equal, whose members equal other objects, and cannot be "
            "in a set; use its name or value",
        ),
        (
            sharedobj.MISSING,
            "item is MISSING, which stands for an absent key and is no value; to remove an item "
            "use discard",
        ),
        (
            (sharedobj.DELETE,),
            "item[0] is DELETE, which only a function given to compute() may return; to remove an "
            "item use discard",
        ),
    ],
)
def test_errors_speak_of_items(wrong, text):
    s = SharedSet("ab")
    for action in (
        s.add,
        s.discard,
        s.remove,
        s.__contains__,
        lambda item: s.update([item]),
        lambda item: s.union("c", [item]),
        lambda item: operator.ior(s, {item}),
        lambda item: s ^ {item},
        lambda item: s.symmetric_difference_update([item]),
        lambda item: s.replace(["c", item]),
        lambda item: SharedSet([item]),
        lambda item: SharedSet() | {item},
    ):
        with pytest.raises(NotShareableError) as caught:
            action(wrong)
        assert str(caught.value) == text
    assert s == {"a", "b"}
    with pytest.raises(NotShareableError, match=r"^key"):
        SharedDict()[wrong] = 1


@pytest.mark.parametrize(
    "action",
    [
        lambda s: s.add("new" * 50),
        lambda s: s.copy(),
        lambda s: s.snapshot(),
        lambda s: s | {"x"},
        lambda s: s & {"a", "b"},
        lambda s: s.__ixor__({"x", "a"}),
        lambda s: s.replace(["p", "q", ("long" * 30,)]),
        lambda s: s.clear(),
        lambda s: s.update(range(60)),
        lambda s: SharedSet(range(100)),
        lambda s: s.pop(),
    ],
)
def test_out_of_memory(action):
    """Whichever allocation fails, the set is usable, and the next attempt succeeds."""
    made = []

    def make():
        made[:] = [SharedSet(["a", "b", ("c", 1)])]
        return made[0]

    def failed(s):
        assert s.frozen is False and len(list(s)) == len(s)

    each_allocation_fails(action, make=make, failed=failed, silent=True)
    assert "z" not in made[0] and made[0].add("z")
