"""The build backend: setuptools, plus what a static file cannot say.

It finds liburcu and libatomic_ops with pkg-config, tries whether thread-local storage may
use the initial-exec model, compiles what changed, and answers a missing compiler or
library with one line that says what to install. Everything static is in pyproject.toml.

CC, CFLAGS, LDFLAGS, PKG_CONFIG and PKG_CONFIG_PATH mean what they mean everywhere; CFLAGS
come last, so they win: CFLAGS="-Werror", CFLAGS="-O1 -fsanitize=thread".
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import build_meta as _setuptools
from setuptools.build_meta import *  # noqa: F403  (the hooks that stay as they are)
from setuptools.command.build_ext import build_ext

LIBRARIES = {"liburcu-bp": "liburcu (urcu-bp)", "atomic_ops": "libatomic_ops"}
# Only the core uses libatomic_ops, and only its headers: nothing of it is linked.
LINKED = ["liburcu-bp"]

INSTALL = (
    "Debian, Ubuntu: apt install gcc pkg-config liburcu-dev libatomic-ops-dev python3-dev; "
    "Fedora: dnf install gcc pkgconf-pkg-config userspace-rcu-devel libatomic_ops-devel "
    "python3-devel; "
    "macOS: xcode-select --install; brew install pkgconf userspace-rcu libatomic_ops"
)

# A module that does what the core does in every read: liburcu-bp's inlined read lock,
# whose per-thread pointer lives in another shared object.
TLS_PROBE = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <urcu/urcu-bp.h>
static int run(PyObject *module)
{
    (void)module;
    urcu_bp_read_lock();
    urcu_bp_read_unlock();
    return 0;
}
static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)run}, {0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "probe", NULL, 0, NULL, slots, 0, 0, 0};
PyMODINIT_FUNC PyInit_probe(void) { return PyModuleDef_Init(&def); }
"""


def pkg_config(*args: str) -> list[str]:
    command = [*shlex.split(os.environ.get("PKG_CONFIG", "pkg-config")), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return shlex.split(done.stdout)


def choose_compiler() -> str:
    """The compiler's name; CC decides. Some Pythons record one that only their builder had."""
    if named := os.environ.get("CC"):
        return named if shutil.which(shlex.split(named)[0]) else ""
    for candidate in (sysconfig.get_config_var("CC"), "cc", "gcc", "clang"):
        if candidate and shutil.which(shlex.split(candidate)[0]):
            if candidate != sysconfig.get_config_var("CC"):
                os.environ["CC"] = candidate
            return candidate
    return ""


def missing() -> list[str]:
    absent = []
    if not choose_compiler():
        named = os.environ.get("CC")
        absent.append(f"{named}, the compiler that CC names" if named else "a C compiler")
    if not Path(sysconfig.get_path("platinclude"), "Python.h").exists():
        absent.append(f"Python.h of Python {sysconfig.get_python_version()}")
    if not shutil.which(shlex.split(os.environ.get("PKG_CONFIG", "pkg-config"))[0]):
        return [*absent, "pkg-config"]
    for module, name in LIBRARIES.items():
        try:
            pkg_config("--exists", module)
        except subprocess.CalledProcessError:
            absent.append(name)
    return absent


def refuse_if_incomplete() -> None:
    """Ends the build with one line, before any tool can fail with a screenful."""
    if os.name != "posix" or sys.maxsize < 2**32:
        raise SystemExit("sharedobj: cannot build here: it needs 64-bit Linux or macOS")
    if absent := missing():
        raise SystemExit(
            f"sharedobj: cannot build, not found: {', '.join(absent)}. Install: {INSTALL}"
        )


class BuildExt(build_ext):
    """Builds the one extension from the core and the bindings, side by side but apart:
    only the bindings see Python's headers, only the core sees shared/."""

    def finalize_options(self) -> None:
        super().finalize_options()
        (extension,) = self.extensions
        extension.sources = [str(path) for path in [*CORE(), *BINDINGS()]]

    def build_extension(self, ext) -> None:
        refuse_if_incomplete()
        flags = [
            *Path("tools/build/c.flags").read_text().split(),
            "-O2",
            f'-DSOBJ_VERSION="{self.distribution.get_version()}"',
            *pkg_config("--cflags", *LIBRARIES),
        ]
        # setuptools has CFLAGS too, but in front of ours, where -O2 would win over the user's.
        user_flags = shlex.split(os.environ.get("CFLAGS", ""))
        model = self.find_tls_model([*flags, *user_flags])
        print(f"sharedobj: thread-local storage model: {model}", flush=True)
        flags += [f"-ftls-model={model}", f'-DSOBJ_TLS_MODEL="{model}"', *user_flags]

        # Objects of another compiler, Python or set of flags live in another folder.
        version = subprocess.run(
            [self.compiler.compiler_so[0], "--version"], capture_output=True, text=True
        ).stdout
        key = repr([self.compiler.compiler_so, self.compiler.include_dirs, flags, version])
        objects = Path(self.build_temp, hashlib.sha256(key.encode()).hexdigest()[:12])
        core = [*flags, "-Iinclude", "-Ishared"]
        # The callbacks of CPython have parameters that one rarely needs.
        python = [f"-I{path}" for path in self.compiler.include_dirs]
        glue = [*flags, "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Iinclude"]
        jobs = [(source, core) for source in CORE()]
        jobs += [(source, [*glue, *python]) for source in BINDINGS()]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outputs = list(pool.map(lambda job: self.compile(*job, objects), jobs))

        self.compiler.link_shared_object(
            outputs,
            self.get_ext_fullpath(ext.name),
            extra_postargs=pkg_config("--libs", *LINKED),
            build_temp=self.build_temp,
            target_lang="c",
        )

    def compile(self, source: Path, flags: list[str], folder: Path) -> str:
        """Compiles one file unless its object is newer than everything it was made from."""
        target = folder / source.with_suffix(".o")
        if not up_to_date(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            command = [*self.compiler.compiler_so, *flags, "-MD", "-c", str(source)]
            if subprocess.run([*command, "-o", str(target)]).returncode:
                target.unlink(missing_ok=True)
                raise SystemExit(f"sharedobj: cannot compile {source}")
        return str(target)

    def find_tls_model(self, flags: list[str]) -> str:
        """initial-exec if a module built so can be loaded here, else the default.

        A read then costs a load instead of a call (0.4 ns against 8 ns), but the loader must
        find room for liburcu's variable in the static block: glibc keeps some, musl does not.
        """
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder, "probe.c")
            probe.write_text(TLS_PROBE)
            include = [f"-I{path}" for path in self.compiler.include_dirs]
            command = [*self.compiler.compiler_so, *flags, *include, "-ftls-model=initial-exec"]
            try:
                subprocess.run(
                    [*command, "-c", "probe.c", "-o", "probe.o"],
                    cwd=folder, check=True, capture_output=True,
                )  # fmt: skip
                self.compiler.link_shared_object(
                    [f"{folder}/probe.o"],
                    f"{folder}/probe.so",
                    extra_postargs=pkg_config("--libs", *LINKED),
                )
                subprocess.run(
                    [sys.executable, "-c", "import probe"],
                    cwd=folder, check=True, capture_output=True, timeout=60,
                )  # fmt: skip
            except Exception:  # whatever goes wrong, the answer is no
                return "global-dynamic"
        return "initial-exec"


def CORE() -> list[Path]:
    return sorted([*Path("shared").glob("*.c"), *Path("shared/platform").glob("*.c")])


def BINDINGS() -> list[Path]:
    return sorted(Path("python/bindings").glob("*.c"))


def up_to_date(target: Path) -> bool:
    try:
        made = target.stat().st_mtime_ns
        rule = target.with_suffix(".d").read_text().replace("\\\n", " ")
        needs = shlex.split(rule.partition(":")[2])
        return all(Path(name).stat().st_mtime_ns < made for name in needs)
    except OSError:  # no object, no list, or a header that is gone
        return False


def forget_old_package() -> None:
    # setuptools would ship what it once copied there and has since left the tree.
    for folder in Path("build/python").glob("lib*"):
        shutil.rmtree(folder)


def get_requires_for_build_wheel(config_settings=None):
    refuse_if_incomplete()
    return _setuptools.get_requires_for_build_wheel(config_settings)


def get_requires_for_build_editable(config_settings=None):
    refuse_if_incomplete()
    return _setuptools.get_requires_for_build_editable(config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    refuse_if_incomplete()  # nobody asked for the requirements with --no-build-isolation
    forget_old_package()
    return _setuptools.build_wheel(wheel_directory, config_settings, metadata_directory)
