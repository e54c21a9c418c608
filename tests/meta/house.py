"""The tree as the house rules see it. Nothing here needs the built extension."""

import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CORE = sorted([*ROOT.glob("shared/*.[ch]"), *ROOT.glob("shared/platform/*.[ch]")])
PUBLIC = sorted(ROOT.glob("include/sharedobj/*.h"))
BINDINGS = sorted(ROOT.glob("python/bindings/*.[ch]"))
C_TESTS = sorted(ROOT.glob("tests/c/**/*.[ch]"))
# The one public header that knows Python: the capsule for other extensions.
PYTHON_HEADER = ROOT / "include/sharedobj/sharedobj_python.h"
FLAGS = [*(ROOT / "tools/build/c.flags").read_text().split(), "-Iinclude", "-Ishared"]


def short(path):
    return str(path.relative_to(ROOT))


def code_of(path):
    """The file's lines with comments and string contents blanked, so that line numbers stay."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        text = match.group()
        if text[0] == '"':  # keeps an #include "..." readable
            return text if "\\" not in text and text.endswith('.h"') else '""'
        return re.sub(r"[^\n]", " ", text) if text[0] == "/" else "0"

    return token.sub(blank, path.read_text()).split("\n")


def tracked_files():
    """Files under version control or about to be; in an sdist, all that lies there."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        paths = [ROOT / name for name in names.stdout.splitlines()]
    else:
        generated = {"build", "dist", ".venv", ".venvs", "__pycache__"}
        paths = [p for p in ROOT.rglob("*") if not generated & set(p.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


def run(*command, **options):
    return subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, **options
    )


def compiler():
    recorded = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    return next(name for name in ("cc", recorded, "gcc", "clang") if shutil.which(name))


def library_flags():
    return run("pkg-config", "--cflags", "liburcu-bp", "atomic_ops", check=True).stdout.split()
