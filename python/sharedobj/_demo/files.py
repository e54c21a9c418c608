"""Which files there are."""

import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# What people write; the rest of an installed Python was compiled of it.
SOURCES = {".py", ".pyi", ".c", ".h", ".txt", ".rst", ".md", ".html"}


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
