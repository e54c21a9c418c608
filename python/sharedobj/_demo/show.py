"""What the demo prints while it runs and at the end."""

import shutil
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from .job import State

BAR = 30
MB = 1_000_000


def megabytes(count: int) -> str:
    return f"{count / MB:.1f} MB"


def number(count: int) -> str:
    return f"{count:,}".replace(",", " ")


class Progress:
    """A bar that moves on a terminal; elsewhere a line for every quarter."""

    def __init__(self, total: int, files: int, out: TextIO) -> None:
        self._total, self._files, self._out = total, files, out
        self._live = out.isatty()
        self._began = time.monotonic()
        self._quarter = 0

    @property
    def steps(self) -> int:
        """How many changes are worth showing."""
        return 200 if self._live else 4

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def show(self, state: State) -> None:
        share = state.bytes / self._total if self._total else 1.0
        text = (
            f"{share:4.0%}  {megabytes(state.bytes)} of {megabytes(self._total)}, "
            f"{number(state.files)} of {number(self._files)} files, "
            f"{number(state.words)} different words"
        )
        if self._live:
            filled = round(BAR * min(share, 1.0))
            line = f"[{'#' * filled}{'.' * (BAR - filled)}] {text}"
            # One column is left free: a full last one makes some terminals wrap.
            width = shutil.get_terminal_size().columns - 1
            print("\r" + line[:width].ljust(width), end="", file=self._out, flush=True)
        elif int(share * 4) > self._quarter:
            self._quarter = int(share * 4)
            print(text, file=self._out, flush=True)

    def end(self) -> None:
        if self._live:
            print(file=self._out)


def table(counts: Iterable[tuple[str, int]], total: int, out: TextIO) -> None:
    """The most frequent words with a bar each."""
    rows = list(counts)
    if not rows:
        return
    widest = max(len(word) for word, _ in rows)
    digits = len(number(rows[0][1]))
    for word, count in rows:
        bar = "#" * max(1, round(BAR * count / rows[0][1]))
        share = count / total
        print(f"  {word:<{widest}}  {number(count):>{digits}}  {share:5.2%}  {bar}", file=out)


def timing(what: str, seconds: float, first: float, right: bool) -> None:
    """One line of the comparison with the first."""
    note = "" if right else "   WRONG COUNTS"
    print(f"  {what:<32} {seconds:6.2f} s  {seconds / first:5.2f}x{note}", flush=True)


def skipped(files: Sequence[tuple[str, str]], out: TextIO) -> None:
    """How many files were skipped and why, with an example of each reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in files:
        by_reason.setdefault(reason, []).append(name)
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        example = names[0].encode("utf-8", "backslashreplace").decode()
        more = f" and {number(len(names) - 1)} more" if len(names) > 1 else ""
        print(f"  skipped, {reason}: {example}{more}", file=out)
