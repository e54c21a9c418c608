"""Which files there are, and the words of one."""

import codecs
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# A word is a run of letters of any script; case does not matter.
WORD = re.compile(r"[^\W\d_]+")

# Files are read in pieces, so that a big one needs no memory of its size and does not
# keep an interrupted program waiting.
PIECE = 1 << 20

# A longer run of letters may be cut where a piece ends.
LONGEST = 256

# A NUL byte in so many first bytes: no text.
BINARY_HEAD = 8192

# What people write; the rest of an installed Python was compiled of it.
SOURCES = {".py", ".pyi", ".c", ".h", ".txt", ".rst", ".md", ".html"}


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


def default_roots() -> list[Path]:
    """The standard library, the C headers and the documentation of this Python."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    roots = [Path(sysconfig.get_path(name)) for name in ("stdlib", "include")]
    roots += [Path(sys.base_prefix, "share", "doc", name) for name in (version, "python")]
    return [root for root in roots if root.is_dir()]


def find_files(
    roots: Iterable[Path],
    wanted: Callable[[str], bool] = lambda name: True,
    on_error: Callable[[OSError], None] | None = None,
    limit: int | None = None,
) -> list[tuple[str, int]]:
    """Return (path, size) of each regular file below the roots, in a stable order.

    Links to folders are not followed. With a limit, as many files as fit into it.
    """
    found: list[tuple[str, int]] = []
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in _walk(roots, on_error):
        if not wanted(os.path.basename(path)):
            continue
        try:
            status = os.stat(path)
        except OSError as error:
            if on_error is not None:
                on_error(error)
            continue
        identity = status.st_dev, status.st_ino
        if identity in seen or not os.path.isfile(path):
            continue
        if limit is not None and total + status.st_size > limit:
            continue
        seen.add(identity)
        total += status.st_size
        found.append((path, status.st_size))
    return found


def _walk(roots: Iterable[Path], on_error: Callable[[OSError], None] | None) -> Iterator[str]:
    for root in roots:
        if not root.is_dir():
            yield str(root)
            continue
        for folder, folders, names in os.walk(root, onerror=on_error):
            folders.sort()
            for name in sorted(names):
                yield os.path.join(folder, name)
