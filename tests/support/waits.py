"""Every kind of call that waits, on objects of its own that nobody else changes.

The code is run here, in other processes and in interpreters: for what ends a wait, or must
not end it.
"""

# calls: by name, what waits for at most so many seconds, forever by default.
# wake: what ends all of them, each for one waiter. check: whether the objects still work.
CODE = """if 1:
    import sharedobj
    empty, full = sharedobj.Channel(), sharedobj.Channel(1)
    batches, no_room = sharedobj.Channel(), sharedobj.Channel(1)
    ready, blocked, nobody = (
        sharedobj.Channel(),
        sharedobj.Channel(1),
        sharedobj.Channel(rendezvous=True),
    )
    blocked.send("old")
    tasks, taken = sharedobj.Queue(), sharedobj.Queue(1)
    table, number = sharedobj.SharedDict(key=0), sharedobj.AtomicInt()
    full.send("old")
    no_room.send("old")
    taken.put("old")
    calls = {
        "recv": lambda timeout=None: empty.recv(timeout),
        "send": lambda timeout=None: full.send("new", timeout),
        "recv_many": lambda timeout=None: batches.recv_many(10, timeout),
        "send_many": lambda timeout=None: no_room.send_many(["new"], timeout),
        "select": lambda timeout=None: sharedobj.select(
            (nobody, "met"), nobody, (blocked, "new"), ready, timeout=timeout
        ),
        "get": lambda timeout=None: tasks.get(timeout=timeout),
        "put": lambda timeout=None: taken.put("new", timeout=timeout),
        "wait_for": lambda timeout=None: table.wait_for("key", bool, timeout),
        "wait": lambda timeout=None: number.wait(0, timeout),
    }
    def wake():
        for channel in (empty, batches, ready):
            channel.send("message")
        for channel in (full, no_room):
            assert channel.recv() == "old"
        tasks.put("task")
        assert taken.get() == "old"
        table["key"] = 1
        number.set(1)
    def check():
        assert blocked.qsize() == 1 and not nobody.try_send(0) and nobody.try_recv() is None
        for channel in (empty, batches, ready):
            assert channel.qsize() == 0
            channel.send("more")
            assert channel.recv(0) == "more"
        for channel in (full, no_room):
            assert channel.recv(0) == "new" and channel.qsize() == 0
        assert taken.get(timeout=0) == "new" and tasks.qsize() == 0
        assert number.wait(0, 0) == 1 == table.wait_for("key", bool, 0)
"""
NAMES = ["recv", "send", "recv_many", "send_many", "select", "get", "put", "wait_for", "wait"]


class Waits:
    """The same here, as attributes."""

    def __init__(self):
        space = {}
        exec(CODE, space)
        assert list(space["calls"]) == NAMES
        self.__dict__.update(space)
