"""The read cache of SharedDict: nothing shows that it is there, but for the time it saves.

A look-up with a key object that was used before is answered from the cache of the handle
once it is warm; so these tests look often, and with the same objects.
"""

import datetime
import gc
import os
import random
import sys
import sysconfig

import pytest

import sharedobj
from sharedobj import AtomicInt, SharedDict, _sharedobj

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
LOOKS = 40  # a handle gets its cache after some look-ups, an entry its ready object after two


def fresh(text):
    """A str object of its own."""
    return "".join([text[:1], text[1:]])


def warm(d, *keys):
    """Look until everything that can be kept is kept."""
    for _ in range(LOOKS):
        for key in keys:
            d.get(key)
            key in d  # noqa: B015
    return d


VALUES = [
    None,
    True,
    0,
    -5,
    10**9,
    2**70,
    1.5,
    -0.0,
    1e300,
    2j,
    "",
    "a",
    "text of more than a word",
    "\N{SNOWMAN}" * 20,
    "long " * 1000,  # 5000 bytes: not kept
    b"",
    b"b",
    b"bytes" * 30,
    (),
    (1, "two", 3.0, (None, b"5")),
    ((((((1,),),),),),),
    frozenset({1, 2}),
    range(7),
    ...,
    datetime.timedelta(5, 7),
    (datetime.date(2024, 2, 29), 5),
]
KEYS = ["key", "k", "schl\xfcssel", "\N{SNOWMAN}", 5, 2**80, -1, b"key", 1.5, None, True, 3j]
KEYS += [(1, "two"), ("a", (1.5, None)), float("nan"), frozenset({1})]


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:20])
def test_reads_what_was_stored(key, value):
    d = warm(SharedDict({key: value}), key)
    got = [d[key] for _ in range(5)]
    assert all(type(v) is type(value) and v == value for v in got)
    assert repr(got[-1]) == repr(value)  # the sign of zero, too
    assert key in d and d.get(key) == value


# ---- every way to change a value shows


def other_handle(d):
    return d.local()


CHANGES = {
    "store": lambda d, k: d.__setitem__(k, 77),
    "update": lambda d, k: d.update({k: 77}),
    "exchange": lambda d, k: d.exchange(k, 77),
    "compare_and_set": lambda d, k: d.compare_and_set(k, d[k], 77),
    "remove and add": lambda d, k: (d.pop(k), d.add(k, 77)),
    "remove and store": lambda d, k: (d.__delitem__(k), d.__setitem__(k, 77)),
    "clear and store": lambda d, k: (d.clear(), d.__setitem__(k, 77)),
    "clear twice": lambda d, k: (d.clear(), d.__setitem__(k, 1), d.clear(), d.update({k: 77})),
    "many others": lambda d, k: (
        d.update({n: n for n in range(3000)}),
        [d.__delitem__(n) for n in range(3000)],
        d.__setitem__(k, 77),
    ),
    "setdefault": lambda d, k: (d.pop(k), d.setdefault(k, 77)),
}


@pytest.mark.parametrize("who", ["this handle", "another handle"])
@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("before", [5, "text " * 5, (1, 2), 2**70])
def test_a_change_shows(who, how, before):
    key = fresh("the key")
    d = warm(SharedDict({key: before}), key)
    CHANGES[how](d if who == "this handle" else d.local(), key)
    assert d[key] == 77 and key in d and d.get(key) == 77
    warm(d, key)
    d.local()[key] = "again"
    assert d[key] == "again"


@pytest.mark.parametrize("who", ["this handle", "another handle"])
@pytest.mark.parametrize("how", ["del", "pop", "clear", "compare_and_set"])
def test_a_removal_shows(who, how):
    key = fresh("the key")
    d = warm(SharedDict({key: "some value"}), key)
    o = d if who == "this handle" else d.local()
    if how == "del":
        del o[key]
    elif how == "pop":
        assert o.pop(key) == "some value"
    elif how == "clear":
        o.clear()
    else:
        assert o.compare_and_set(key, "some value", sharedobj.MISSING)
    assert key not in d and d.get(key) is None and len(d) == 0
    with pytest.raises(KeyError):
        d[key]
    with pytest.raises(KeyError):
        del d[key]
    d[key] = 4
    assert d[key] == 4 and len(d) == 1


def test_values_of_all_kinds_in_turn():
    key = fresh("the key")
    d, o = SharedDict(), None
    o = d.local()
    for before in VALUES:
        for after in VALUES:
            d[key] = before
            warm(d, key)
            (d if random.random() < 0.5 else o)[key] = after
            assert repr(d[key]) == repr(after) and repr(d[key]) == repr(after)


def test_handles_are_not_kept():
    """A handle is found by its object each time; the dict holds it, not the cache."""
    key = fresh("the key")
    a = AtomicInt(5)
    d = warm(SharedDict({key: a, "pair": (a, 1)}), key, "pair")
    assert d[key] is a and d["pair"][0] is a
    objects = sharedobj.stats()["objects"]
    del a
    d.local().clear()
    gc.collect()
    _sharedobj.collect()
    assert sharedobj.stats()["objects"] == objects - 1


def test_equal_keys_are_one_key():
    d = SharedDict()
    keys = [1, 1.0, True, 1 + 0j]
    d[1] = "one"
    warm(d, *keys)
    for n, key in enumerate(keys):
        d[key] = n
        assert [d[k] for k in keys] == [n] * 4
    del d[True]
    assert not any(k in d for k in keys)
    copies = [fresh("one text") for _ in range(50)]
    d[copies[0]] = 5
    warm(d, *copies)
    d[copies[7]] = 6
    assert {d[k] for k in copies} == {6}


def test_keys_that_are_no_keys():
    d = warm(SharedDict(a=1), "a")
    for bad in ([], {}, (1, []), d):
        with pytest.raises(TypeError):
            d[bad]
        with pytest.raises(TypeError):
            bad in d  # noqa: B015
        with pytest.raises(TypeError):
            d[bad] = 1
    with pytest.raises(sharedobj.NotShareableError):
        d["a"] = object()
    assert d["a"] == 1


def test_like_a_dict_at_random():
    """Few key objects and many operations, on two handles and a dict."""
    rng = random.Random(7)
    d, plain = SharedDict(), {}
    handles = [d, d.local()]
    keys = [fresh(f"key {n % 40}") for n in range(60)] + list(range(2**61, 2**61 + 20))
    for step in range(60_000):
        h, k = rng.choice(handles), rng.choice(keys)
        what = rng.random()
        if what < 0.6:
            assert h.get(k, "absent") == plain.get(k, "absent")
            assert (k in h) == (k in plain)
        elif what < 0.85:
            h[k] = plain[k] = rng.choice(VALUES[:20])
        elif what < 0.97:
            assert h.pop(k, None) == plain.pop(k, None)
        elif what < 0.975:
            h.clear()
            plain.clear()
        elif what < 0.98:
            _sharedobj.collect()
        elif what < 0.985:
            extra = {f"extra {n}": n for n in range(rng.randrange(400))}
            h.update(extra)
            for key in extra:
                del h[key]
        else:
            value = rng.choice(VALUES[:10])
            assert h.compare_and_set(k, value, step) == (
                k in plain and (type(plain[k]), repr(plain[k])) == (type(value), repr(value))
            )
            if h.get(k) == step and k in plain:
                plain[k] = step
    assert d == plain


# ---- what is kept, and for how long


def refs(objects):
    """The largest reference count of them."""
    return max(map(sys.getrefcount, objects))


needs_own_counts = pytest.mark.skipif(
    FREE_THREADED and sys.version_info[:2] == (3, 13), reason="3.13t makes some objects immortal"
)


@needs_own_counts
@pytest.mark.parametrize("end", ["collect", "clear", "handle"])
def test_keys_and_values_go(end):
    keys = [fresh(f"a key that is kept {n}") for n in range(500)]
    values = [fresh(f"a value that is kept {n}") for n in range(500)]
    tuples = [(fresh(f"part {n}"), n) for n in range(500)]
    before = refs(keys + values + tuples) - 1  # of the list made here
    d = SharedDict(zip(keys, values, strict=True))
    for k, v in zip(keys, tuples, strict=True):
        d[k] = v
    warm(d, *keys)
    for _ in range(3):
        for k, v in zip(keys, values, strict=True):
            d[k] = v
    warm(d, *keys)
    for k in keys:
        d[k] = 10**9 + len(k)
    warm(d, *keys)
    assert refs(keys[1:-1]) > before  # the cache has one
    if end == "collect":
        _sharedobj.collect()
    elif end == "clear":
        d.clear()
        _sharedobj.collect()
    else:
        del d
        _sharedobj.collect()
    del k, v
    assert refs(keys) == refs(values) == refs(tuples) == before


@needs_own_counts
def test_large_keys_and_values_are_not_kept():
    keys = [fresh("key " * 100 + str(n)) for n in range(50)]
    keys += [(fresh(f"part {n}"),) * 20 for n in range(50)]
    keys += [10**200 + n for n in range(50)]
    values = [tuple(fresh(f"item {n} {i}") for i in range(2000)) for n in range(50)]
    small = [fresh(f"key of {n}") for n in range(50)]
    d = SharedDict(zip(small, values, strict=True))
    for n, k in enumerate(keys):
        d[k] = n
    before, before_small = refs(keys), refs(small)
    warm(d, *keys, *small)
    assert refs(keys) == before
    assert refs(small) == before_small + 1  # these are
    assert d[small[0]] is not d[small[0]]


def test_what_others_removed_goes():
    d = SharedDict({fresh(f"k{n}"): "value " * 50 for n in range(300)})
    keys = list(d)
    warm(d, *keys)
    d.local().clear()
    sharedobj.collect()
    counts = _sharedobj._counts()
    assert counts["nodes"] < 50, "the cache of this handle keeps nodes of removed keys"


def test_size_is_told_and_bounded():
    d = SharedDict()
    assert sys.getsizeof(d) < 5000
    keys = [fresh(f"{n}") for n in range(100_000)]
    d.update(dict.fromkeys(keys, 1))
    before, table = sys.getsizeof(d), d.nbytes
    for _ in range(3):
        for k in keys:
            d[k]
    assert d.nbytes == table
    grown = sys.getsizeof(d) - before
    assert 100_000 * 32 <= grown <= 2**18 * 32 + 2 * 8192 + 100, grown
    sharedobj.collect()
    assert sys.getsizeof(d) == before


def test_words_that_are_counted_do_not_pile_up():
    """Objects that come once leave nothing behind but a ghost."""
    text = " ".join(f"word{n}" for n in range(3000))
    d = SharedDict.fromkeys(text.split(), 0)
    before = sys.getsizeof(d)
    for _ in range(40):
        assert d.tally(text.split()) == 3000
    assert sys.getsizeof(d) - before < 20_000
    assert set(d.values()) == {40}


def test_objects_that_are_counted_again_are_known():
    words = [fresh(f"word {n}") for n in range(500)]
    counts = SharedDict.fromkeys(words, 0)
    before = sum(map(sys.getrefcount, words))
    for _ in range(100):
        counts.tally(words)
    assert sum(map(sys.getrefcount, words)) > before + 400
    assert counts == dict.fromkeys(words, 100)


def test_a_key_that_nobody_else_has_makes_room():
    """Key objects of the past do not keep those of today out, nor do their values."""
    d = SharedDict({f"key {n}": f"{n:01000}" for n in range(100)})
    for _ in range(200):
        keys = [fresh(f"key {n}") for n in range(100)]
        warm(d, *keys[:3])
    keys = [fresh(f"key {n}") for n in range(100)]
    for _ in range(10):
        for k in keys:
            d[k]
    assert sum(d[k] is d[k] for k in keys) > 90


def test_kept_values_are_bounded():
    d = SharedDict()
    keys = [fresh(f"key {n}") for n in range(5000)]
    for n, k in enumerate(keys):
        d[k] = fresh(f"{n:04000}")
    before = sys.getsizeof(d)
    for _ in range(6):
        for n, k in enumerate(keys):
            assert d[k][-5:] == f"{n:05}"
    assert sys.getsizeof(d) - before < (9 << 20)


def test_keys_that_do_not_recur():
    """Objects made for one look-up do not pile up."""
    d = SharedDict({f"key {n}": n for n in range(200)})
    for _ in range(100):
        for n in range(200):
            assert d[f"key {n}"] == n and f"key {n}" in d
            d[f"key {n}"] = n
    assert sys.getsizeof(d) < 200 * 75 + 1000 * 32 + 5000


def test_more_keys_than_the_cache_takes():
    """The cache is left alone for a while and comes back."""
    d = SharedDict()
    many = [fresh(f"key {n}") for n in range(2000)]
    d.update(dict.fromkeys(many[:50], 1))
    for key in many[50:]:
        d[key] = 2
        del d[key]
    for _ in range(60):
        for k in many:
            d.get(k)
    for n in range(70_000):
        k = many[n % 50]
        d[k] = n
        assert d[k] == n
    assert sum(k in d for k in many) == 50


def test_a_str_stored_often_is_one_blob():
    text = fresh("a status that many entries have")
    d = SharedDict()
    for n in range(5000):
        d[n] = text
    blobs = _sharedobj._counts()["blobs"]
    if not FREE_THREADED:
        assert blobs < 100
    assert d[0] == d[4999] == text
    d[0] = "another"
    assert d[0] == "another" and d[1] == text
    assert d.compare_and_set(1, fresh(text), 5) and d[1] == 5
    for n in range(2, 5000):
        del d[n]
    sharedobj.collect()
    assert sys.getrefcount(text) == sys.getrefcount(fresh("another text"))
    assert _sharedobj._counts()["blobs"] < 50


def test_ints_that_come_again():
    """Read by key objects that do not recur, an int is made once and then kept ready."""
    smallest, largest = -(2**60), 2**60 - 1  # of those that lie in a cell
    values = [0, -1, 10**9, 10**9 + 1, smallest, largest, smallest - 1, largest + 1]
    d = SharedDict({f"key {n}": value for n, value in enumerate(values)})
    one, other = [[d[fresh(f"key {n}")] for n in range(len(values))] for _ in range(LOOKS)][-2:]
    assert one == other == values
    if not FREE_THREADED:
        assert one[2] is other[2] and one[4] is other[4]
        before = sys.getrefcount(one[2])
        sharedobj.collect()
        after = sys.getrefcount(one[2])
        assert after == before - 1
    assert d[fresh("key 2")] == 10**9


def test_more_ints_than_are_kept():
    """Many places for few ints, and few places for many; changes show at once."""
    d = SharedDict({f"key {n}": 10**6 + n for n in range(20_000)})
    for span in (3, 20_000, 50, 20_000):
        for n in range(20_000):
            assert d[f"key {n % span}"] == 10**6 + n % span
    for n in range(3000):
        d["key 1"] = 10**7 + n // 3
        assert d[fresh("key 1")] == 10**7 + n // 3


def test_failing_memory():
    """A store that fails changes nothing, with or without an entry in the cache."""
    key = fresh("the key")
    d = warm(SharedDict({key: "the value before"}), key)
    sharedobj.collect()
    for after in range(6):
        for value in ("another value, not kept", (1, "two" * 9), 2**80):
            _sharedobj._fail_allocation(after)
            try:
                d[key] = fresh(value) if isinstance(value, str) else value
            except MemoryError:
                _sharedobj._fail_allocation(-1)
                assert d[key] == d.local()[key] == "the value before"
            finally:
                _sharedobj._fail_allocation(-1)
            d[key] = "the value before"
    assert warm(d, key)[key] == "the value before"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork(run_python):
    """The child has the cache as it was, and its own dict."""
    run_python(
        """if 1:
        import os, sharedobj
        from sharedobj import SharedDict
        d = SharedDict({f"k{n}": f"value {n}" * 5 for n in range(100)})
        keys = list(d)
        for _ in range(50):
            for k in keys:
                d[k]
        pid = os.fork()
        if pid == 0:
            for k in keys:
                assert d[k] == f"value {k[1:]}" * 5
                d[k] = 5
                assert d[k] == d.local()[k] == 5
            d.clear()
            assert not any(k in d for k in keys)
            sharedobj.collect()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert all(d[k] == f"value {k[1:]}" * 5 for k in keys)
        """
    )


# ---- increments through an entry


@pytest.mark.parametrize("add", ["increment", "tally", "reduce_sum"])
@pytest.mark.parametrize("how", CHANGES)
def test_an_increment_of_a_known_key(add, how):
    """Whatever has become of the key, it adds to what is there now."""
    key = fresh("the key")
    d = warm(SharedDict({key: 5}), key)
    add_two = {
        "increment": lambda: d.increment(key, 2),
        "tally": lambda: d.tally([key, key]),
        "reduce_sum": lambda: d.reduce_sum([(key, 2)]),
    }[add]
    add_two()
    assert d[key] == 7
    CHANGES[how](d, key)
    add_two()
    assert d[key] == d.local()[key] == 79
    del d[key]
    add_two()
    assert dict(d) == {key: 2}
    d.replace({key: 10})
    add_two()
    assert d[key] == 12


@pytest.mark.parametrize(
    ("value", "n", "total"),
    [
        (2**60 - 1, 1, 2**60),
        (-(2**60), -1, -(2**60) - 1),
        (2**70, 1, 2**70 + 1),
        (1, 2**70, 2**70 + 1),
        (1.5, 1, 2.5),
        (1, 0.5, 1.5),
        (2**53 + 1, 1.0, float(2**53)),
        (1e308, 1e308, float("inf")),
        (True, 1, 2),
        (3, 0, 3),
    ],
)
def test_sums_of_a_known_key(value, n, total):
    d = warm(SharedDict(k=value), "k")
    assert repr(d.increment("k", n)) == repr(d["k"]) == repr(total)


def test_no_number_at_a_known_key():
    for value in (None, "text", (1,), AtomicInt(1)):
        d = warm(SharedDict(k=value), "k")
        with pytest.raises(TypeError, match=r"^increment: the value of 'k' is a "):
            d.increment("k")
        with pytest.raises(TypeError, match=r"^tally: the value of 'k' is a "):
            d.tally(["k"])
        assert d["k"] == value
    d = warm(SharedDict(k=1), "k")
    d.freeze()
    with pytest.raises(TypeError, match="frozen"):
        d.increment("k")
    assert d["k"] == 1
