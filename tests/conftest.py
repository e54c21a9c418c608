"""What every Python test shares."""

import platform
import sysconfig

import sharedobj


def pytest_report_header():
    kind = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with the GIL"
    return [
        f"interpreter: {platform.python_version()} {kind}, {platform.python_compiler()}",
        f"sharedobj: {sharedobj.__file__}",
    ]
