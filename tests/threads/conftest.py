"""What the tests with threads share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def switch_often():
    """Threads change as often as the interpreter can make them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)
