"""The words of a file. Imports little: every worker interpreter imports it anew."""

import codecs
import re
from collections.abc import Iterator

# A word is a run of letters of any script; case does not matter.
WORD = re.compile(r"[^\W\d_]+")

# Files are read in pieces, so that a big one needs no memory of its size and does not
# keep an interrupted program waiting.
PIECE = 1 << 20

# A longer run of letters may be cut where a piece ends.
LONGEST = 256

# A NUL byte in so many first bytes: no text.
BINARY_HEAD = 8192


class NotText(Exception):
    """Why a file is skipped."""


def words_of(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (bytes, words) for each piece of a file; raise NotText or OSError."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest, position = "", 0
    with open(path, "rb", buffering=0) as file:
        while True:
            data = file.read(PIECE)
            last = len(data) < PIECE
            if position == 0 and b"\0" in data[:BINARY_HEAD]:
                raise NotText("binary")
            try:
                text = rest + decoder.decode(data, final=last)
            except UnicodeDecodeError:
                where = f" from byte {position} on" if position else ""
                raise NotText("not UTF-8" + where) from None
            position += len(data)
            cut = len(text) if last else _last_gap(text)
            rest = text[cut:]
            yield len(data), WORD.findall(text[:cut].lower())
            if last:
                return


def _last_gap(text: str) -> int:
    """Where the last word begins, which may go on in the next piece."""
    end = len(text)
    while end > 0 and len(text) - end < LONGEST and text[end - 1].isalpha():
        end -= 1
    return end
