"""Waiting for channels in event loops: the Python half of asend() and arecv().

An operation (a send or a receive) attempts what it can do without waiting. One that has to
wait stands in the line of its event loop for its channel and direction:

    line:  first ── second ── third ...        the first one alone waits for the descriptor
              └─ waits until it is readable, attempts, and so on

Whoever leaves the line, served, cancelled or with an error, makes the next one the first, and
that one attempts before it waits. So a line that is not empty always has a first one that has
been told to go on or waits for a descriptor which is readable whenever there is something to
do; nothing has to be passed on from one to the other. An attempt comes after the last wait and
is one step, so that cancelling loses no message. Other loops have lines and descriptors of their
own, and all are told. At a rendezvous the first one of those who send leaves an offer while it
waits, which a coroutine that receives can take.
"""

import sys
from collections import OrderedDict
from itertools import count
from weakref import WeakValueDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._sharedobj import _ChannelOperation, _ChannelWatch

# A task for which there always is something to do lets others run now and then.
_TURN = 64
_attempts = count(1)


class _Asyncio:
    """What a line needs of asyncio, or of another loop with its interface."""

    def __init__(self, loop: "Any") -> None:
        self.loop = loop

    async def pause(self) -> None:
        if next(_attempts) % _TURN == 0:
            await sys.modules["asyncio"].sleep(0)

    def event(self) -> "Any":
        return self.loop.create_future()

    async def wait(self, event: "Any") -> None:
        await event

    def set(self, event: "Any") -> None:
        # A loop that was closed does not go on; its tasks end without having run.
        if not event.done() and not self.loop.is_closed():
            event.set_result(None)

    async def readable(self, line: "_Line") -> None:
        if line.event is None:
            self.loop.add_reader(line.watch.fileno(), self._notify, line)
        line.event = self.event()
        await line.event

    def _notify(self, line: "_Line") -> None:
        self.set(line.event)

    def leave(self, line: "_Line") -> None:
        """The line is empty: it stays until the tasks that run now have had their turn. A task
        that receives one message after the other finds it again."""
        if not self.loop.is_closed():
            self.loop.call_soon(self._end, line)

    def _end(self, line: "_Line") -> None:
        if not line.waiting and _lines.get(line.key) is line:
            if line.event is not None:
                self.loop.remove_reader(line.watch.fileno())
            line.end()


class _Trio:
    """The same of trio."""

    def __init__(self, trio: "Any") -> None:
        self.trio = trio
        self.loop = trio.lowlevel.current_trio_token()

    async def pause(self) -> None:
        await self.trio.lowlevel.checkpoint()

    def event(self) -> "Any":
        return self.trio.Event()

    async def wait(self, event: "Any") -> None:
        await event.wait()

    def set(self, event: "Any") -> None:
        event.set()

    async def readable(self, line: "_Line") -> None:
        await self.trio.lowlevel.wait_readable(line.watch.fileno())

    def leave(self, line: "_Line") -> None:
        line.end()


def _library() -> "_Asyncio | _Trio":
    """The library whose task is running; one that is not imported has none."""
    lowlevel = sys.modules.get("trio.lowlevel")  # there when trio was imported to its end
    if lowlevel is not None and lowlevel.in_trio_task():
        return _Trio(sys.modules["trio"])
    if (asyncio := sys.modules.get("asyncio")) is not None:
        loop = asyncio._get_running_loop()
        if loop is not None:
            return _Asyncio(loop)
    raise RuntimeError("no event loop is running here that is known: asyncio or trio")


class _Line:
    """Those who wait in one event loop for the same. Its tasks keep it alive; it keeps the loop,
    so that no other loop has its id meanwhile."""

    def __init__(self, library: "_Asyncio | _Trio", operation: "_ChannelOperation") -> None:
        self.library = library
        self.key = (id(library.loop), operation.key)
        self.watch: _ChannelWatch = operation.watch()
        self.waiting: OrderedDict[Any, None] = OrderedDict()
        self.event: Any = None  # what the first one waits for; not None: a reader is registered

    def enter(self) -> "Any":
        me = self.library.event()
        self.waiting[me] = None
        return me

    def first(self) -> "Any":
        return next(iter(self.waiting))

    def leave(self, me: "Any") -> None:
        was_first = self.first() is me
        del self.waiting[me]
        if not self.waiting:
            self.library.leave(self)
        elif was_first:
            self.library.set(self.first())

    def end(self) -> None:
        """Nobody finds it any more. Its descriptor goes at once, though the traceback of a task
        that was cancelled may keep the line."""
        del _lines[self.key]
        del self.watch


_lines: "WeakValueDictionary[tuple[int, int], _Line]" = WeakValueDictionary()


async def asend_or_arecv(operation: "_ChannelOperation") -> "Any":
    """Does the operation, waiting as long as it has to. (Python's warning of a coroutine that
    was never awaited shows the name.)"""
    library = _library()
    await library.pause()
    result = operation.attempt()
    if result is not operation:
        return result
    line = _lines.get((id(library.loop), operation.key))
    if line is None:
        line = _Line(library, operation)
        _lines[line.key] = line
    me = line.enter()
    try:
        if line.first() is not me:
            await library.wait(me)
        while (result := operation.attempt(line.watch)) is operation:
            await library.readable(line)
        return result
    finally:
        operation.withdraw()
        line.leave(me)
