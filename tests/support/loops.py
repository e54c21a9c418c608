"""Event loops, the same way for all libraries.

A library runs a coroutine function to its end with run(main); within, `async with
library.group() as group` waits for what group.spawn(function, *args) has started, and
what spawn returns can be cancelled.
"""

import asyncio
import contextlib

import pytest


class Asyncio:
    name = "asyncio"
    sleep = staticmethod(asyncio.sleep)

    def run(self, main):
        return asyncio.run(main())

    @contextlib.asynccontextmanager
    async def group(self):
        async with asyncio.TaskGroup() as tasks:

            class Group:
                @staticmethod
                def spawn(function, *args):
                    return tasks.create_task(function(*args))

            yield Group


class Uvloop(Asyncio):
    name = "uvloop"

    def run(self, main):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main())


class Anyio:
    def __init__(self, backend):
        self.backend = backend
        self.name = f"anyio on {backend}"

    def run(self, main):
        import anyio

        return anyio.run(main, backend=self.backend)

    @staticmethod
    async def sleep(seconds):
        import anyio

        await anyio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def group(self):
        import anyio

        async with anyio.create_task_group() as tasks:
            yield _Scopes(anyio.CancelScope, tasks.start_soon)


class Trio:
    name = "trio"

    def run(self, main):
        import trio

        return trio.run(main)

    @staticmethod
    async def sleep(seconds):
        import trio

        await trio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def group(self):
        import trio

        async with trio.open_nursery() as tasks:
            yield _Scopes(trio.CancelScope, tasks.start_soon)


class _Scopes:
    def __init__(self, scope, start):
        self.scope, self.start = scope, start

    def spawn(self, function, *args):
        scope = self.scope()

        async def work():
            with scope:
                await function(*args)

        self.start(work)
        return scope


def _param(library, *modules):
    return pytest.param((library, modules), id=library.name)


LIBRARIES = [
    _param(Asyncio()),
    _param(Uvloop(), "uvloop"),
    _param(Trio(), "trio"),
    _param(Anyio("asyncio"), "anyio"),
    _param(Anyio("trio"), "anyio", "trio"),
]


def available(param):
    """The library of a parameter; skips the test if something is not installed."""
    library, modules = param
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed for this Python")
    return library
