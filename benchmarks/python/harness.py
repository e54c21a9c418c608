"""Measuring side by side.

All candidates of one comparison are measured in one process, in rounds: each round runs
every candidate once, for about the same time, in an order that rotates. A ratio is the
median of the ratios within the rounds, so that what slows the machine down for a while
slows both sides down. What is left of the noise is shown as the quartiles of the ratio.

A candidate is a function that takes a number of loops and returns the seconds they took:
of its thread's processor time where nothing waits, so that a busy machine does not count,
of the clock on the wall where something does.
"""

import argparse
import json
import platform
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable

import sharedobj as so

Candidate = Callable[[int], float]

BUILD = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "GIL"
PYTHON = f"{platform.python_version()} ({BUILD})"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few short rounds: does it run?")
    return parser.parse_args()


def timed(source: str, **names: object) -> Candidate:
    """A candidate that runs `source` in a for loop; `names` are its local variables."""
    parameters = ", ".join(names)
    code = (
        f"def make({parameters}):\n"
        f"  def run(loops{''.join(f', {n}={n}' for n in names)}):\n"
        f"    times = range(loops)\n"
        f"    begin = clock()\n"
        f"    for _ in times:\n"
        + "".join(f"      {line}\n" for line in source.splitlines())
        + "    return clock() - begin\n"
        "  return run\n"
    )
    space: dict[str, object] = {"clock": time.thread_time}
    exec(code, space)
    return space["make"](**names)  # type: ignore[operator, no-any-return]


def calibrate(candidate: Candidate, seconds: float) -> int:
    loops = 1
    while True:
        took = candidate(loops)
        if took >= seconds / 4:
            return max(1, round(loops * seconds / took))
        loops *= 2 if took > seconds / 100 else 10


def quartiles(values: list[float]) -> list[float]:
    if len(values) == 1:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def compare(
    title: str,
    candidates: dict[str, Candidate],
    *,
    per: int = 1,
    unit: str = "ns",
    quick: bool = False,
    rounds: int = 50,
    seconds: float = 0.005,
) -> dict[str, object]:
    """Measure; the first candidate is what the others are compared with.

    `per`: how many operations a loop is. The time of a row is the median over the rounds;
    `values` are those of all rounds, in seconds.
    """
    if quick:
        rounds, seconds = 3, min(seconds, 0.002)
    names = list(candidates)
    loops = {name: calibrate(candidates[name], seconds) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            times[name].append(candidates[name](loops[name]) / (loops[name] * per))
    scale = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1}[unit]
    rows = []
    for name in names:
        ratios = [mine / base for mine, base in zip(times[name], times[names[0]], strict=True)]
        rows.append(
            {
                "name": name,
                "time": statistics.median(times[name]) * scale,
                "ratio": quartiles(ratios),
                "loops": loops[name],
                "values": times[name],
            }
        )
    return {"title": title, "unit": unit, "rounds": rounds, "per": per, "rows": rows}


def fact(title: str, **values: object) -> dict[str, object]:
    """Something that is not a time."""
    return {"title": title, "values": values}


def report(*results: dict[str, object] | None) -> None:
    """What run.py reads."""
    found = [result for result in results if result is not None]
    json.dump({"python": PYTHON, "results": found}, sys.stdout)


class Elsewhere:
    """Candidates that are measured in another interpreter, in a thread of their own.

    `module.function(loops, *handles)` runs there and returns the seconds.
    """

    def __init__(self) -> None:
        self.interpreter = so.interpreters.create()

    def candidate(self, function: Callable[..., float], *handles: object) -> Candidate:
        return lambda loops: float(self.interpreter.call(function, loops, *handles))

    def close(self) -> None:
        self.interpreter.close()
