"""Code that runs in the middle of a read of a SharedDict, and uses it.

The end of a tuple may be the moment at which the interpreter frees other objects whose
end it had put off because they were nested deeply; so it may run any code.
"""

import gc

import sharedobj
from sharedobj import SharedDict


def test_deep_ends_while_values_are_let_go_of():
    d = SharedDict()
    keys = [f"{n} a key" for n in range(64)]
    for n, k in enumerate(keys):
        d[k] = (n, f"value {n}")
    other = d.local()
    absent = [f"{n} no key" for n in range(64)]
    ends = 0

    class Ends:
        def __init__(self, inside):
            self.inside = inside

        def __del__(self):
            try:
                self.use()
            except RecursionError:
                pass

        def use(self):
            nonlocal ends
            for k in keys[:: ends % 7 + 1]:
                value = d.get(k)
                assert value is None or value[1] == f"value {value[0]}"
            # Keys without room make the cache move what it has.
            assert not any(k in d for k in absent[ends % 5 :: 5])
            ends += 1
            if ends % 50 == 0:
                sharedobj.collect()
            if ends % 111 == 0:
                other.clear()
                for n, k in enumerate(keys):
                    other[k] = (n, f"value {n}")

    def nest(depth):
        obj = None
        for n in range(depth):
            obj = Ends(obj) if n % 97 == 0 else [obj]
        return obj

    def dig(obj, above, bottom, depth=0):
        """Lets go of it where little stack is left, and uses the dict on the way back."""
        try:
            max([obj], key=lambda obj: dig(obj, above, bottom, depth + 1))
        except RecursionError:
            bottom[:] = bottom or [depth]
        if depth == bottom[0] - above:
            obj.clear()
        if depth <= bottom[0] - above:
            k = keys[depth % 64]
            other[k] = (depth, f"value {depth}")
            assert d[k] == (depth, f"value {depth}")
        return 0

    for above in range(2, 40, 3):
        for _ in range(3):
            for k in keys:
                d[k]
        dig([nest(20_000)], above, [])
    gc.collect()
    assert ends > 100
