"""``python -m sharedobj demo``: the counts, what is skipped, and its end by Ctrl-C."""

import errno
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from sharedobj import interpreters
from sharedobj._demo import files, interrupt, job, others, text


@pytest.fixture
def tree(tmp_path):
    """Text of several scripts, an empty file, and what must be skipped."""
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("The cat, the dog. The_end; x1y2\n" * 50, encoding="utf-8")
    (tmp_path / "deep/b.txt").write_text("Straße ΣΊΣΥΦΟΣ слово 言葉 the\n" * 20, encoding="utf-8")
    (tmp_path / "deep/er/empty").write_bytes(b"")
    (tmp_path / "deep/er/last").write_bytes(b"no newline at the end")
    (tmp_path / "binary").write_bytes(b"the\0the")
    (tmp_path / "latin").write_bytes("the caf\u00e9".encode("latin-1"))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    return tmp_path


def expected_counts(paths):
    counts = Counter()
    for path in paths:
        content = path.read_text(encoding="utf-8").lower()
        counts.update(re.findall(r"[^\W\d_]+", content))
    return counts


def demo(*args, **options):
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "sharedobj", "demo", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=240,
        **options,
    )


# ---- the words of a file


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1 << 20])
def test_pieces_change_nothing(tree, monkeypatch, piece):
    monkeypatch.setattr(text, "PIECE", piece)
    for path in (tree / "a.txt", tree / "deep/b.txt", tree / "deep/er/last"):
        found, size = Counter(), 0
        for count, part in text.words_of(path):
            size += count
            found.update(part)
        assert found == expected_counts([path])
        assert size == path.stat().st_size


def test_a_file_without_gaps_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "PIECE", 1000)
    (tmp_path / "long").write_text("a" * 5500)
    parts = [word for _, part in text.words_of(tmp_path / "long") for word in part]
    assert "".join(parts) == "a" * 5500
    assert len(parts) > 1


def test_what_is_no_text(tree, monkeypatch):
    with pytest.raises(text.NotText, match=r"^binary$"):
        list(text.words_of(tree / "binary"))
    with pytest.raises(text.NotText, match=r"^not UTF-8$"):
        list(text.words_of(tree / "latin"))
    monkeypatch.setattr(text, "PIECE", 4)
    with pytest.raises(text.NotText, match=r"^not UTF-8 from byte 8 on$"):
        list(text.words_of(tree / "latin"))


def test_find_files(tree):
    errors = []
    found = files.find_files([tree, tree / "a.txt"], on_error=errors.append)
    names = [os.path.relpath(path, tree) for path, _ in found]
    assert names == ["a.txt", "binary", "latin", "deep/b.txt", "deep/er/empty", "deep/er/last"]
    assert all(os.path.getsize(path) == size for path, size in found)
    assert [error.errno for error in errors] == [errno.ENOENT]
    limited = files.find_files([tree], limit=30)
    assert 0 < sum(size for _, size in limited) <= 30
    assert files.find_files([tree], wanted=lambda name: name == "latin") == [found[2]]


# ---- the job


@pytest.fixture
def nothing_left():
    before = set(interpreters.list_all()), threading.active_count()
    yield
    assert (set(interpreters.list_all()), threading.active_count()) == before


@pytest.mark.parametrize("workers", [1, 3])
def test_job(tree, nothing_left, workers):
    found = files.find_files([tree], on_error=lambda error: None)
    good = [tree / "a.txt", tree / "deep/b.txt", tree / "deep/er/last"]
    with job.Job(found, workers) as work:
        states = list(work.watch())
        assert work.words.snapshot() == expected_counts(good)
    assert states == sorted(states, key=lambda state: state.bytes)
    assert states[-1] == (work.total, len(found), len(expected_counts(good)))
    reasons = {os.path.basename(name): reason for name, reason in work.skipped}
    assert reasons == {"binary": "binary", "latin": "not UTF-8"}


def test_job_without_files(nothing_left):
    with job.Job([], 2) as work:
        assert list(work.watch())[-1] == (0, 0, 0)


def test_a_file_that_vanishes_and_one_that_grows(tree, nothing_left):
    found = [(str(tree / "gone"), 100), (str(tree / "a.txt"), 1)]
    with job.Job(found, 2) as work:
        state = list(work.watch())[-1]
    assert state.bytes == work.total == 101
    assert work.skipped == [(str(tree / "gone"), os.strerror(errno.ENOENT))]


def test_job_that_is_left_early(tree, nothing_left):
    # More names than fit into the channel: the feeder waits.
    found = files.find_files([tree / "a.txt"]) * 5000
    with pytest.raises(ZeroDivisionError):
        with job.Job(found, 2) as work:
            for _ in work.watch():
                raise ZeroDivisionError
    assert work.state().files < len(found)


def test_a_worker_that_fails_ends_the_job(tree, nothing_left, monkeypatch):
    monkeypatch.setattr(job, "count", lambda *shared: 1 // 0)
    found = files.find_files([tree / "a.txt"]) * 500
    with pytest.raises(interpreters.ExecutionFailed, match="ZeroDivisionError"):
        with job.Job(found, 2) as work:
            list(work.watch())


def test_what_it_is_compared_with(tree):
    found = files.find_files([tree], on_error=lambda error: None)
    counts = others.count_one_by_one([path for path, _ in found])
    assert counts == expected_counts([tree / "a.txt", tree / "deep/b.txt", tree / "deep/er/last"])
    shares = others._shares(found, 4)
    assert sorted(path for share in shares for path in share) == sorted(path for path, _ in found)


# ---- the program


def test_program(tree):
    done = demo(tree, "--workers", 2, "--top", 3)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    at = lines.index("the most frequent words:")
    top = expected_counts([tree / "a.txt", tree / "deep/b.txt", tree / "deep/er/last"])
    table = [line.split()[:2] for line in lines[at + 1 : at + 4]]
    assert table[0] == ["the", str(top["the"])]
    assert {(word, int(count)) for word, count in table} <= set(top.items())
    assert any(re.fullmatch(r"  skipped, binary: .*/binary", line) for line in lines)
    assert any(re.fullmatch(r"  skipped, not UTF-8: .*/latin", line) for line in lines)
    assert any("dangling" in line and "skipped" in line for line in lines)
    assert f"all {len(top)} counts are the same" in done.stdout
    times = [line.split("  ")[1] for line in lines[lines.index("", at + 6) :] if line[:2] == "  "]
    assert times == [
        "2 interpreters, one SharedDict",
        "1 interpreter, one SharedDict",
        "2 processes, merged Counters",
        "1 thread, one Counter",
    ]
    assert "WRONG" not in done.stdout


def test_default_tree():
    done = demo("--limit-mb", 3, "--no-compare")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"\d \d{3} words", done.stdout)
    assert "counts are the same" in done.stdout
    assert "100%" in done.stdout


def test_arguments(tmp_path):
    done = demo(tmp_path / "nowhere")
    assert done.returncode == 2
    assert "no such file or folder" in done.stderr
    assert demo("--workers", "0").returncode == 2
    done = demo(tmp_path, "--no-compare")
    assert (done.returncode, done.stderr) == (0, "")
    assert "all 0 counts are the same" in done.stdout


def test_help(run_python):
    done = run_python(script="-m", args=["sharedobj", "--help"])
    assert "demo" in done.stdout
    assert "--workers" in run_python(script="-m", args=["sharedobj", "demo", "--help"]).stdout
    assert run_python(script="-m", args=["sharedobj"], expected=2).stderr


# ---- the bar, and Ctrl-C


class Terminal:
    """The demo as a shell runs it: in a process group of its own, on a terminal or not."""

    def __init__(self, *args, tty=False):
        try:
            reader, writer = pty.openpty() if tty else os.pipe()
        except OSError as error:
            pytest.skip(f"no terminal to be had: {error}")
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "sharedobj", "demo", *map(str, args)],
            stdout=writer,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "100"},
        )
        os.close(writer)
        self.reader, self.output = reader, ""

    def read(self):
        try:
            data = os.read(self.reader, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # how a terminal ends
                raise
            data = b""
        self.output += data.decode()
        return bool(data)

    def interrupt_when(self, text):
        while text not in self.output:
            assert self.read(), f"ended without {text!r}:\n{self.output}"
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self):
        """Return the exit status, when the last process that could still write has gone."""
        while self.read():
            pass
        os.close(self.reader)
        return self.process.wait()


def test_bar_on_a_terminal(tree):
    terminal = Terminal(tree, "--no-compare", tty=True)
    assert terminal.end() == 0
    bars = re.findall(r"\r\[(#*)(\.*)\] +(\d+)%", terminal.output)
    assert bars[0] == ("", "." * 30, "0")
    assert bars[-1] == ("#" * 30, "", "100")
    assert "\x1b" not in terminal.output


@pytest.mark.parametrize("tty", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize(
    "moment",
    [
        "counting the words",  # interpreters are being made
        "different words",  # counting
        "checking",
        "time, from start",
        "1.00x",  # one worker
        "1 interpreter,",  # processes are being started
    ],
)
def test_interrupted(moment, tty):
    for megabytes in (3, 10, 30):
        terminal = Terminal("--limit-mb", megabytes, tty=tty)
        terminal.interrupt_when(moment)
        status = terminal.end()
        if status != 0:
            break  # else it was done before the signal came: that machine needs more to do
    assert status == 130, terminal.output
    assert terminal.output.replace("\r", "").endswith("\ninterrupted; nothing is left running\n")
    assert "Traceback" not in terminal.output
    assert "Warning" not in terminal.output


def test_interrupt_is_a_flag():
    called = []
    with interrupt.Interrupt() as ctrl_c:
        ctrl_c.check()
        with ctrl_c.calling(lambda: called.append("during")):
            assert called == []
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        with ctrl_c.calling(lambda: called.append("after")):
            pass
        with pytest.raises(KeyboardInterrupt):
            ctrl_c.check()
    assert called == ["during", "after"]
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is signal.SIG_IGN


def test_interrupt_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt.Interrupt() as ctrl_c:
            signal.raise_signal(signal.SIGINT)
            ctrl_c.check()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_interrupt_that_is_held_back():
    with interrupt.Interrupt() as ctrl_c:
        with interrupt.held_back():
            os.kill(os.getpid(), signal.SIGINT)
            assert not ctrl_c.happened
        assert ctrl_c.happened
    signal.signal(signal.SIGINT, signal.default_int_handler)
