"""Figures of the process."""

import pickle

import pytest
from interps import Sub

import sharedobj as so


def settled():
    so.collect()
    return so.stats()


def test_what_there_is():
    stats = so.stats()
    assert set(stats) == {
        "objects", "types", "references", "handles", "tickets", "bytes", "immortal"
    }  # fmt: skip
    assert {"AtomicInt", "Channel", "SharedDict"} <= set(stats["types"])
    assert set(stats["immortal"]) == {"count", "bytes", "limit"}
    assert so.stats() is not stats
    with pytest.raises(TypeError):
        so.stats(1)


def test_objects_by_type():
    before = settled()
    made = [so.Channel(), *(so.AtomicInt() for _ in range(3000)), so.SharedDict()]
    after = so.stats()
    assert after["objects"] == before["objects"] + 3002 == sum(after["types"].values())
    grown = {name: count - before["types"][name] for name, count in after["types"].items()}
    assert {name: count for name, count in grown.items() if count} == {
        "AtomicInt": 3000, "Channel": 1, "SharedDict": 1
    }  # fmt: skip
    assert after["bytes"] > before["bytes"] + 3000 * 40
    del made
    assert settled()["types"] == before["types"]


def test_references():
    before = settled()
    d, number = so.SharedDict(), so.AtomicInt()

    def more():
        now = settled()
        return tuple(now[name] - before[name] for name in ("references", "handles", "tickets"))

    assert more() == (2, 2, 0)
    d["a"] = number
    d["b"] = (number, number)
    d[1] = so.attach(number.id)
    assert more() == (6, 2, 0)
    further = number.local()
    assert more() == (7, 2, 0)
    pickled = pickle.dumps(number)
    assert more() == (8, 2, 1)
    assert pickle.loads(pickled) is number and more() == (7, 2, 0)
    with Sub() as sub:
        sub.run(
            "import sharedobj as so\n"
            "mine = d['a']\n"
            "assert so.stats()['handles'] == 2, so.stats()\n"
            "d['there'] = so.stats()['references']\n",
            d=d,
        )
        assert d["there"] == before["references"] + 9
        assert more() == (9, 2, 0)
    assert more() == (7, 2, 0)
    del d, number, further
    assert more() == (0, 0, 0)
