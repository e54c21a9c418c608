"""The ready objects of SharedLists: nothing shows that they are there, but for the time they
save. An item is looked at often, so that its object is kept; see python/bindings/ready.h."""

import gc
import os
import random
import sys
import sysconfig

import pytest
from interps import Sub
from memory import each_allocation_fails

import sharedobj
from sharedobj import AtomicInt, SharedList, _sharedobj

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
LOOKS = 200  # there is a table after some looks; an object is kept after two, or some more

needs_a_table = pytest.mark.skipif(FREE_THREADED, reason="with a GIL only")


def fresh(text):
    """A str object of its own."""
    return "".join([text[:1], text[1:]])


def warm(s):
    """Look until everything that can be kept is kept."""
    for _ in range(LOOKS):
        for i in range(len(s)):
            s[i]
    return s


def held(objects):
    """How many of them somebody has but the list here."""
    return sum(sys.getrefcount(o) > ALONE for o in objects)


ALONE = max(sys.getrefcount(o) for o in [fresh("of which there is one")])


def blobs():
    sharedobj.collect()
    return _sharedobj._counts()["blobs"]


TEXT = "text of more than a word"
KEPT = [TEXT, "\N{SNOWMAN}" * 20, b"bytes" * 30, 2**70, -0.0, 2j, (1, "two", (None, b"5"))]
OTHERS = [None, True, 7, 10**9, 1.5, "", "a", b"b", (), "long " * 1000, range(7), frozenset({1})]


@pytest.mark.parametrize("value", KEPT + OTHERS, ids=lambda v: repr(v)[:20])
def test_reads_what_was_stored(value):
    s = warm(SharedList([value, "between", value]))
    for read in (s[0], s[-1], next(iter(s)), next(reversed(s)), s.local()[2]):
        assert type(read) is type(value)
        assert repr(read) == repr(value)
    s[0] = "another one"
    assert s[0] == "another one" and s[2] == value


@needs_a_table
@pytest.mark.parametrize("value", KEPT, ids=lambda v: repr(v)[:20])
def test_the_same_object_for_all_who_read_it(value):
    s = warm(SharedList([value]))
    assert s[0] is s[0] is next(iter(s)) is s.local()[-1]


CHANGES = {
    "store": lambda s: s.__setitem__(1, "new"),
    "exchange": lambda s: s.exchange(1, "new"),
    "compare_and_set": lambda s: s.compare_and_set(1, "item 1 of some", "new"),
    "replace": lambda s: s.replace(["a", "new"]),
    "delete and insert": lambda s: (s.pop(1), s.insert(1, "new")),
    "clear and extend": lambda s: (s.clear(), s.extend(("a", "new"))),
    "in another interpreter": None,
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_change_shows(how):
    s = warm(SharedList(f"item {n} of some" for n in range(5)))
    if CHANGES[how] is not None:
        CHANGES[how](s)
    else:
        with Sub() as other:
            other.run("s[1] = 'new'", s=s)
    assert s[1] == "new"
    assert warm(s)[1] == "new"


def test_memory_that_is_used_again():
    """Blobs come and go at the same addresses; each item is what was stored last."""
    rng = random.Random(11)
    s, plain = SharedList([""] * 300), [""] * 300
    for n in range(40_000):
        i, k = rng.randrange(300), rng.randrange(300)
        if n % 4 == 0:
            plain[i] = s[i] = f"text number {n:9d}"
        assert s[k] == plain[k]
        if n % 10_000 == 0:
            sharedobj.collect()
    assert list(s) == plain


@needs_a_table
def test_what_is_kept_goes():
    before = blobs()
    s = warm(SharedList([TEXT + str(n) for n in range(500)] + [(n, TEXT) for n in range(500)]))
    read = [s[i] for i in range(1000)]
    assert held(read) > 900
    sharedobj.collect()
    assert held(read) == 0
    s = None
    assert blobs() == before


@needs_a_table
def test_what_is_kept_goes_with_the_last_reader(run_python):
    """In a process of its own: other tests may have left readers."""
    run_python(
        """if 1:
        import sys
        from sharedobj import SharedDict, SharedList

        s = SharedList([f"the {n} of some" for n in range(500)])
        other = SharedDict.fromkeys(f"key {n}" for n in range(100))
        for _ in range(200):
            list(other)
            for i in range(500):
                s[i]
        read = list(s)
        alone = max(sys.getrefcount(o) for o in ["".join(["a", "bc"])])

        def held():
            return sum(sys.getrefcount(o) > alone for o in read)

        del s
        assert held() > 450  # the dict's handle is there
        del other
        assert held() == 0
        """
    )


def test_what_leads_to_others_is_not_kept():
    n = AtomicInt(5)
    s = warm(SharedList([(n, TEXT), n]))
    count = sharedobj.stats()["objects"]
    assert s[0][0] is n is s[1]
    s.clear()
    del n
    gc.collect()
    sharedobj.collect()
    assert sharedobj.stats()["objects"] == count - 1


@needs_a_table
def test_what_is_kept_is_bounded():
    s = SharedList(fresh(f"{n:04000}") for n in range(5000))
    for _ in range(12):
        for n, text in enumerate(s):
            assert text[-5:] == f"{n:05}"
    texts = list(s)
    # In the table and on the shelf.
    assert 500 < held(texts) <= 2 * (4 << 20) // 4000


def test_whatever_happens_to_the_places():
    """Items at the same indexes are read again and again, while the list is changed by all
    that leaves them where they are, moves them, or puts a whole list in the place of another."""
    rng = random.Random(13)
    values = [*KEPT, *OTHERS, *range(-7, 300, 60), *(n / 3 for n in range(5))]
    s, plain = SharedList(), []
    for _ in range(600):
        n, value = rng.randrange(20), rng.choice(values)
        i = rng.randrange(len(plain) + 1)
        for items in (s, plain):
            if n < 4:
                items.append(value)
            elif n == 4 and items:
                items.pop()
            elif n == 5:
                items.insert(i, value)
            elif n == 6 and i < len(items):
                del items[i]
            elif n == 7:
                items.extend([value] * 40)
            elif n == 8:
                del items[3 + i :]
            elif n == 9 and i % 4 == 0:
                items.clear()
            elif i < len(items):
                items[i] = value
        for _ in range(rng.choice((1, 1, 3, 200))):
            assert [s[k] for k in range(len(plain))] == plain
        assert list(s) == plain and list(reversed(s)) == plain[::-1]
        with pytest.raises(IndexError):
            s[len(plain)]


@needs_a_table
def test_an_idle_handle_keeps_little_of_what_was_replaced():
    def total():
        sharedobj.collect()
        return _sharedobj._counts()["bytes"]

    before = total()
    s = warm(SharedList(range(1000)))
    with Sub() as other:
        other.run("for _ in range(200):\n  for x in s: pass", s=s)
        s.extend(range(300_000))
        for what in (s.clear, lambda: s.replace(range(5))):
            what()
            assert total() - before < 150_000 and s.nbytes < 50_000
        other.run("assert list(s) == [0, 1, 2, 3, 4]; del s", s=s)


@needs_a_table
def test_bytes_of_the_shelf():
    s = SharedList(range(1000))
    before = sys.getsizeof(s)
    warm(s)
    assert sys.getsizeof(s) > before + 1000 * 24
    sharedobj.collect()
    assert sys.getsizeof(s) == before


def test_failing_memory():
    def work(s):
        for _ in range(5):
            assert s[0] == TEXT and s[1] == (1, TEXT)

    each_allocation_fails(work, make=lambda: SharedList([TEXT, (1, TEXT)]), silent=True)


def test_interpreters_come_and_go():
    s = warm(SharedList(f"item {n} of some" for n in range(200)))
    for _ in range(3):
        with Sub() as other:
            other.run(
                "for _ in range(200):\n"
                "    for n, text in enumerate(s):\n"
                "        assert text == f'item {n} of some'\n"
                "s[0] = 'item 0 of ' + 'some'",
                s=s,
            )
    assert s[0] == "item 0 of some"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork(run_python):
    run_python(
        """if 1:
        import os, sharedobj
        from sharedobj import SharedList
        s = SharedList(f"value {n}" * 5 for n in range(100))
        for _ in range(200):
            for text in s:
                pass
        pid = os.fork()
        if pid == 0:
            assert list(s) == [f"value {n}" * 5 for n in range(100)]
            s[5] = "another text"
            assert s[5] == "another text"
            s.clear()
            sharedobj.collect()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert list(s) == [f"value {n}" * 5 for n in range(100)]
        """
    )
