"""Snapshots, replace and freeze of a SharedDict while other threads write.

Every check is of something that holds at each moment, but not in a reading of one key
after the other.
"""

from threads import run

from sharedobj import AtomicInt, SharedDict


def test_snapshots_are_one_moment():
    """Each writer counts one key up, then the other; and moves a token from key to key."""
    d = SharedDict()
    for w in range(2):
        d.update({(w, "a"): 0, (w, "b"): 0, (w, "token", 0): "x" * 50})

    def write(w):
        for i in range(1500):
            d.increment((w, "a"))
            d.increment((w, "b"))
            d[w, "token", (i + 1) % 5] = "x" * 50
            del d[w, "token", i % 5]

    def check(content):
        for w in range(2):
            a, b = content[w, "a"], content[w, "b"]
            assert b <= a <= b + 1
            assert sum((w, "token", i) in content for i in range(5)) in (1, 2)

    checks = [lambda: check(d.snapshot()), lambda: check(d.copy())]
    run(lambda: write(0), lambda: write(1), again=checks)
    assert d[0, "a"] == d[1, "b"] == 1500
    check(d.snapshot())


def test_replace_is_seen_as_a_whole():
    d = SharedDict({i: 0 for i in range(50)})

    def replace(first):
        for generation in range(first, first + 150):
            d.replace(dict.fromkeys(range(50), f"generation {generation}"))

    def check():
        content = d.snapshot()
        assert len(content) == 50 and len(set(content.values())) == 1

    def look():
        assert 7 in d and len(d) == 50 and d[49] is not None

    run(lambda: replace(1), lambda: replace(1000), again=[check, look])


def test_clear_and_replace_with_writers():
    """What a writer has added after its own clear() is there, or replaced as a whole."""
    d = SharedDict()

    def write():
        for i in range(1000):
            d.clear()
            d["first"] = i
            d["second"] = i

    def replace():
        for i in range(300):
            d.replace({"first": -1 - i, "second": -1 - i})

    def check():
        content = d.snapshot()
        first, second = content.get("first"), content.get("second")
        if second is not None and second >= 0 and first is not None:
            assert first >= second or first < 0
        assert second is None or second >= 0 or first is not None

    run(write, replace, again=[check])


def test_no_change_after_freeze():
    for _ in range(15):
        d = SharedDict({i: 0 for i in range(20)})
        refused = AtomicInt(0)

        def write(d=d, refused=refused):
            try:
                while True:
                    for i in range(20):
                        d.increment(i)
                        d.pop(("other", i), None)
                        d["other", i] = 1
            except TypeError:
                assert d.frozen
                refused.increment()

        def freeze(d=d):
            while d[19] < 3:
                pass
            d.freeze()
            first = d.snapshot()
            for _ in range(20):
                assert d.snapshot() == first == dict(d)

        run(write, write, freeze, freeze)
        assert refused.get() == 2


def test_many_snapshots_at_once():
    d = SharedDict({i: i for i in range(200)})

    def write():
        for round in range(30):
            for i in range(200):
                d[i] = i + 1000 * round
            for i in range(0, 200, 3):
                del d[i]
                d[i] = i

    def check():
        content = d.snapshot()
        assert len(content) in (199, 200)
        assert all(value % 1000 == key for key, value in content.items())

    run(write, again=[check] * 4)


def test_handles_of_their_own():
    d = SharedDict(a=0, b=0)

    def write():
        mine = d.local()
        for _ in range(1000):
            mine.increment("a")
            mine.increment("b")

    def check():
        mine = d.local()
        content = mine.snapshot()
        assert content["b"] <= content["a"] <= content["b"] + 1

    run(write, again=[check, check])
