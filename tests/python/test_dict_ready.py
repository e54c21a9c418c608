"""The ready objects of those who go through a dict or a set: what is shown again is the same
object, and nothing else shows that they are there; see python/bindings/ready.h."""

import random
import sys
import sysconfig
import threading

import pytest
from interps import Sub
from memory import each_allocation_fails

import sharedobj
from sharedobj import SharedDict, SharedSet, _sharedobj

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
WALKS = 100  # there is a table after some; an object is kept after two, or some more

needs_a_table = pytest.mark.skipif(FREE_THREADED, reason="with a GIL only")

TEXT = "text of more than a word"
WALK = {
    "keys": list,
    "backward": lambda d: list(reversed(d)),
    "items": lambda d: [k for k, _ in d.items()],
    "snapshot": lambda d: list(d.snapshot()),
    "set": lambda d: list(d),
    "set snapshot": lambda d: sorted(d.snapshot()),
}


def warm(d, walk=list):
    """Go through it until everything that can be kept is kept."""
    for _ in range(WALKS):
        walk(d)
    return d


def held(objects):
    """How many of them somebody has but the list here."""
    return sum(sys.getrefcount(o) > ALONE for o in objects)


ALONE = max(sys.getrefcount(o) for o in ["".join(["of which there", " is one"])])


def counts(*names):
    sharedobj.collect()
    now = _sharedobj._counts()
    return [now[name] for name in names]


def make(how, keys):
    return SharedSet(keys) if "set" in how else SharedDict.fromkeys(keys)


@needs_a_table
@pytest.mark.parametrize("how", WALK)
def test_the_same_key_objects_again(how):
    keys = [f"key {n}" for n in range(300)] + ["\N{SNOWMAN}" * n for n in range(1, 20)]
    walk, d = WALK[how], make(how, keys)
    first, again = walk(warm(d, walk)), walk(d)
    assert sorted(first) == sorted(again) == sorted(keys)
    # Three that want one set of the table put out each other.
    assert sum(a is b for a, b in zip(first, again, strict=True)) > 300


@needs_a_table
def test_who_asks_with_them_finds_them_in_the_cache():
    """As the ordinary loop does: `for k in d: d[k]`."""
    d = warm(SharedDict({f"key {n}": n for n in range(100)}))
    keys = list(d)
    assert held(keys) > 90
    for _ in range(WALKS):
        assert [d[k] for k in d] == list(range(100))
    by_two = sum(sys.getrefcount(key) > ALONE + 1 for key in keys)  # the table and the cache
    assert by_two > 90


@needs_a_table
@pytest.mark.parametrize(
    "walk", [lambda d: list(d.values()), lambda d: list(d.snapshot().values())]
)
def test_the_same_values_again(walk):
    values = [TEXT, b"bytes" * 30, 2**70, (1, "two", (None, b"5"))]
    d = warm(SharedDict(enumerate(values)), walk)
    assert walk(d) == values
    assert all(a is b for a, b in zip(walk(d), walk(d), strict=True))
    d[0] = "another " + TEXT
    assert walk(d)[0] == d[0] == "another " + TEXT


KEYS = ["", "a", "\N{SNOWMAN}", TEXT, b"b", b"bytes" * 9, 1, True, 2**80, 1.5, None, (), (1, TEXT)]


@pytest.mark.parametrize("key", [*KEYS, "k" * 255, "k" * 5000], ids=lambda k: repr(k)[:20])
def test_shows_what_was_given(key):
    """Also if the same key was looked up in another form."""
    other = float(key) if key == 1 else key
    d = SharedDict({key: TEXT})
    for _ in range(WALKS):
        assert d[other] == TEXT
        (shown,) = d
        assert type(shown) is type(key) and shown == key
        assert list(d.snapshot().items()) == list(d.items()) == [(key, TEXT)]


def test_keys_that_come_and_go():
    """Nodes and blobs come and go at the same addresses; each walk shows what is there."""
    rng = random.Random(7)
    d, plain = SharedDict(), {}
    for n in range(4_000):
        key = f"key number {rng.randrange(10**9)}"
        d[key] = plain[key] = f"value {n} of some more"
        if len(plain) > 40:
            gone = rng.choice(list(plain))
            assert d.pop(gone) == plain.pop(gone)
        assert list(d) == list(plain)
        assert list(d.items()) == list(plain.items())
        if n % 1000 == 999:
            sharedobj.collect()


@needs_a_table
@pytest.mark.parametrize("how", ["keys", "set"])
def test_what_is_kept_goes(how):
    before = counts("nodes", "blobs")
    d = warm(make(how, [f"key {n} of some" for n in range(500)]))
    read = list(d)
    assert held(read) > 450
    d.clear()
    assert held(read) > 450
    sharedobj.collect()
    assert held(read) == 0
    del d
    assert counts("nodes", "blobs") == before


@needs_a_table
def test_a_large_dict_is_left_alone():
    d = SharedDict.fromkeys(f"key {n} of some" for n in range(5000))
    for _ in range(6):
        read = list(d)
    assert held(read) == 0


@needs_a_table
def test_what_is_kept_is_bounded():
    """Long texts: all together SOBJ_CACHE_BYTES_MAX, and no key that is very long."""
    d = SharedDict({f"key {n}": f"{n:04000}" for n in range(3000)})
    for _ in range(12):
        for n, text in enumerate(d.values()):
            assert text[-4:] == f"{n:04}"
    assert 500 < held(list(d.values())) <= (4 << 20) // 4000
    d = warm(SharedDict.fromkeys(f"{n:0300}" for n in range(10)))
    assert held(list(d)) == 0


def test_failing_memory():
    def work(d):
        for _ in range(5):
            assert list(d) == [TEXT, "key"] and list(d.items()) == [(TEXT, 1), ("key", TEXT)]

    each_allocation_fails(work, make=lambda: warm(SharedDict({TEXT: 1, "key": TEXT})), silent=True)


def test_interpreters_come_and_go():
    d = warm(SharedDict({f"key {n}": f"value {n} of some" for n in range(200)}))
    for _ in range(3):
        with Sub() as other:
            other.run(
                "for _ in range(100):\n"
                "    for n, (key, text) in enumerate(d.items()):\n"
                "        assert (key, text) == (f'key {n}', f'value {n} of some')\n"
                "d['key 0'] = 'value 0 of ' + 'some'",
                d=d,
            )
    assert d["key 0"] == "value 0 of some"


def test_threads_walk_while_one_collects():
    d = SharedDict({f"key {n}": f"value {n} of some" for n in range(100)})
    expected = list(d.items())
    stop, wrong = threading.Event(), []

    def go():
        while not stop.is_set():
            if list(d.items()) != expected or list(d.snapshot()) != [k for k, _ in expected]:
                wrong.append(1)

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        warm(SharedDict.fromkeys("abcdef"), lambda d: None)
        list(d)
        sharedobj.collect()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
