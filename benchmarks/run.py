"""make bench: every benchmark, each in a process of its own; a table, and JSON beside it.

    python benchmarks/run.py [--quick] [--no-peers] [--json FILE] [--pyperf FILE] [NAME ...]

NAME is a file in benchmarks/python or benchmarks/c without its suffix; default: all. The
C programs are linked with the core as `make core` builds it. Two files are written: the
table with its ratios, and every single measurement in pyperf's format.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "benchmarks"
PYTHON = [
    *("atomic_int", "exact", "channel", "messages", "shared_dict", "large_dict", "busy_dict"),
    *("shared_set", "shared_list", "busy_list", "shared_array", "immortal", "demo"),
]
# Arguments, those of --quick, and what the program is linked with besides the core.
C: dict[str, tuple[list[str], list[str], list[str]]] = {
    "channel_bench": (["2"], ["1"], []),
    "atomic_bench": ([], ["10", "1", "2"], []),
    "dict_bench": ([], ["--quick", "1"], ["liburcu-cds"]),
    "snapshot_bench": ([], [], []),
    "list_bench": ([], ["--quick", "1"], []),
}


def get_peers() -> None:
    """Other packages, one by one: each may have no wheel for this Python."""
    for line in (HERE / "requirements.txt").read_text().splitlines():
        name = line.split("#")[0].split(">")[0].strip()
        if name and importlib.util.find_spec(name) is None:
            command = [sys.executable, "-m", "pip", "install", "-q", "--only-binary=:all:", line]
            if subprocess.run(command, capture_output=True).returncode:
                print(f"{name}: no wheel for this Python, left out", flush=True)


def run_python(name: str, quick: bool) -> dict[str, object]:
    command = [sys.executable, str(HERE / "python" / f"{name}.py"), *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def run_c(name: str, quick: bool) -> dict[str, object]:
    """Builds and runs a C benchmark; its output is its report."""
    arguments, quick_arguments, needs = C[name]
    title = f"{name}, C without Python"
    for package in needs:
        if subprocess.run(["pkg-config", "--exists", package]).returncode:
            return {"results": [{"title": title, "text": f"LEFT OUT: {package} is not installed"}]}
    subprocess.run(["make", "-s", "core"], cwd=ROOT, check=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    packages = ["liburcu-bp", "atomic_ops", *needs]
    found = [
        subprocess.run(["pkg-config", flag, *packages], capture_output=True, text=True, check=True)
        for flag in ("--cflags", "--libs")
    ]
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    command = [
        *compiler.split(),
        *(ROOT / "tools/build/c.flags").read_text().split(),
        *("-O2", "-Iinclude", "-Ishared", *found[0].stdout.split()),
        str(HERE / "c" / f"{name}.c"),
        "build/core/libsharedobj_core.a",
        *("-o", str(BUILD / name), *found[1].stdout.split(), "-lpthread", "-lm"),
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    done = subprocess.run(
        [BUILD / name, *(quick_arguments if quick else arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"results": [{"title": title, "text": done.stdout}]}


def show(result: dict) -> None:
    print(f"\n{result['title']}")
    if "text" in result:
        print("  " + result["text"].rstrip().replace("\n", "\n  "))
    for name, value in result.get("values", {}).items():
        print(f"  {name:<52} {value}")
    rows = result.get("rows", [])
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        low, middle, high = row["ratio"]
        spread = "" if row is rows[0] else f"   {middle:6.2f}x  ({low:.2f} to {high:.2f})"
        print(f"  {row['name']:<{width}}  {row['time']:10.2f} {result['unit']}{spread}")
    sys.stdout.flush()


def write_pyperf(results: list[dict], path: Path) -> str:
    """Writes the times of every round as benchmarks of pyperf, which adds what it knows of
    the machine. Returns what became of it."""
    try:
        import pyperf
    except ImportError:
        return "pyperf is not installed: no file for it"
    suite = [
        pyperf.Benchmark(
            [
                pyperf.Run(
                    row["values"],
                    metadata={
                        "name": f"{result['title']}: {row['name']}",
                        "loops": row["loops"],
                        "inner_loops": result["per"],
                    },
                )
            ]
        )
        for result in results
        for row in result.get("rows", [])
    ]
    if not suite:
        return "nothing for pyperf: C programs and facts have no rounds"
    path.parent.mkdir(parents=True, exist_ok=True)
    pyperf.BenchmarkSuite(suite).dump(str(path), replace=True)
    return f"for pyperf: {path}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=[*PYTHON, *C, []],
        help=f"one of {', '.join([*PYTHON, *C])}; default: all",
    )
    parser.add_argument("--quick", action="store_true", help="a few short rounds only")
    parser.add_argument("--no-peers", action="store_true", help="install no other packages")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=BUILD / "results.json",
        help="the table, with its ratios (default: build/benchmarks/results.json)",
    )
    parser.add_argument(
        "--pyperf",
        type=Path,
        metavar="FILE",
        default=BUILD / "pyperf.json",
        help="every measurement, for pyperf's tools (default: build/benchmarks/pyperf.json)",
    )
    options = parser.parse_args()
    if not options.no_peers:
        get_peers()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = f"{platform.machine()}, {cores} processors, {platform.system()} {platform.release()}"
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {platform.python_compiler()}\n{machine}")
    print(f"load before: {load:.1f}" + ("  (not quiet: expect noise)" if load > 0.5 else ""))
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine,
        "load": load,
        "python": "",
        "results": [],
    }
    for name in options.names or [*PYTHON, *C]:
        found = run_python(name, options.quick) if name in PYTHON else run_c(name, options.quick)
        report["python"] = found.get("python", report["python"])
        for result in found["results"]:
            show(result)
            report["results"].append(result)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nwritten to {options.json}")
    print(write_pyperf(report["results"], options.pyperf))
    return 0


if __name__ == "__main__":
    sys.exit(main())
