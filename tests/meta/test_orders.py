"""Every ordered atomic access says its order, or the pair it belongs to, next to it."""

import re

import pytest

import house
from house import short

# The vocabulary is what shared/atomic.h defines; and nobody goes around it unseen.
ATOMIC_H = house.ROOT / "shared/atomic.h"
ORDERS = "acquire|release|acq_rel|seq_cst|full"
WORDS = set(re.findall(rf"\b(sobj_\w+_(?:{ORDERS})(?:_\w+)?)\(", ATOMIC_H.read_text()))
ORDERED = re.compile(
    rf"\b(?:{'|'.join(sorted(WORDS))}|AO_\w+_(?:{ORDERS})|atomic_(?!init)\w+)\s*\("
)
NAMED = re.compile(r"\b(?:acquire|release|acq_?rel|seq_?cst|relaxed|full)\b|pairs with", re.I)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
NEAR = 4


@pytest.mark.parametrize(
    "path", [path for path in house.CORE + house.BINDINGS if path != ATOMIC_H], ids=short
)
def test_orders_are_argued(path):
    text = path.read_text()
    labelled = set()
    for comment in COMMENT.finditer(text):
        if NAMED.search(comment.group()):
            first = text.count("\n", 0, comment.start())
            last = text.count("\n", 0, comment.end())
            labelled.update(range(first, last + NEAR + 1))
    bare = []
    for number, line in enumerate(house.code_of(path)):
        if ORDERED.search(line) and number not in labelled:
            bare.append(f"{short(path)}:{number + 1}: {line.strip()}")
    assert not bare, "no comment says why this order:\n" + "\n".join(bare)
