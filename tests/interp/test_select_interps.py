"""select() and rendezvous between interpreters: meetings, closes, deaths."""

import random
import sys

from interps import Sub, in_thread

import sharedobj as so
from sharedobj import AtomicInt, Channel, Queue, SharedDict, select

FINALIZATION = "PythonFinalizationError" if sys.version_info >= (3, 13) else "RuntimeError"


def test_meetings():
    there, back = Channel(rendezvous=True), Channel(rendezvous=True)
    with Sub() as sub:
        thread = in_thread(
            sub.run, "for message in there: back.send([message])", there=there, back=back
        )
        for i in range(300):
            there.send({"n": i})
            assert back.recv() == [{"n": i}]
        there.close()
        thread.join()


def test_select_there_and_here():
    tasks, results, stop = Queue(3), Channel(2), Channel(rendezvous=True)
    code = """if 1:
        import sharedobj as so
        while True:
            index, value = so.select(tasks, stop)
            if index == 1:
                break
            so.select((results, value * 2))
    """
    subs = [Sub() for _ in range(3)]
    threads = [in_thread(sub.run, code, tasks=tasks, results=results, stop=stop) for sub in subs]
    received, number = [], 0
    while len(received) < 200:
        ops = [results] + ([(tasks, number)] if number < 200 else [])
        index, value = select(*ops)
        if index == 0:
            received.append(value)
        else:
            number += 1
    assert sorted(received) == [n * 2 for n in range(200)]
    for _ in subs:
        stop.send(None)
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()


BLOCKED_THREAD = """if 1:
    import sharedobj, threading
    def work():
        started.increment()
        try:
            if selects:
                sharedobj.select(empty, (meet, "offered"))
            else:
                meet.send("offered")
        except Exception as error:
            result.set(1 if type(error).__name__ == expected else 2)
        else:
            result.set(3)
    thread = threading.Thread(target=work)
    thread.start()
    started.wait(0)
"""


def closed_interpreter(selects):
    """A closed interpreter ends the waits of its threads; what they offer is withdrawn."""
    empty, meet = Channel(), Channel(rendezvous=True)
    started, result = AtomicInt(), AtomicInt()
    sub = Sub()
    sub.run(
        BLOCKED_THREAD,
        empty=empty,
        meet=meet,
        started=started,
        result=result,
        expected=FINALIZATION,
        selects=int(selects),
    )
    other = in_thread(select, empty, (meet, "mine"))
    sub.close()
    assert result.get() == 1
    assert other.is_alive() and meet.recv() == "mine"
    assert other.join() == (1, None)
    assert meet.try_recv() is None


def test_a_closed_interpreter_withdraws_its_offers():
    closed_interpreter(False)


def test_a_closed_interpreter_ends_its_selects():
    closed_interpreter(True)


def test_close_is_seen_everywhere():
    channel, meet, ends = Channel(), Channel(rendezvous=True), AtomicInt()
    code = """if 1:
        import sharedobj as so
        try:
            so.select(channel, (meet, 1))
        except so.ChannelClosed as error:
            ends += error.index
    """
    subs = [Sub() for _ in range(3)]
    threads = [in_thread(sub.run, code, channel=channel, meet=meet, ends=ends) for sub in subs]
    meet.close()
    for thread in threads:
        thread.join()
    for sub in subs:
        sub.close()
    assert ends.get() == 3 and channel.qsize() == 0


def test_daemon_threads_that_wait_at_the_end(run_python):
    run_python(
        """if 1:
        import threading, time
        import sharedobj as so
        channel, meet = so.Channel(), so.Channel(rendezvous=True)
        for ops in ((channel, meet), (channel, (meet, [1])), ((meet, 2), channel)):
            threading.Thread(target=so.select, args=ops, daemon=True).start()
        threading.Thread(target=so.Channel(rendezvous=True).send, args=([],), daemon=True).start()
        time.sleep(0.05)
        """
    )


def test_a_selected_handle_arrives():
    channel, inner = Channel(), so.SharedList([1])
    with Sub() as sub:
        sub.run(
            "import sharedobj as so\nassert so.select((channel, [inner])) == (0, None)",
            channel=channel,
            inner=inner,
        )
    assert select(channel)[1][0] is inner


STORM = """if 1:
    import random, threading, sharedobj as so
    channels = [ring, chain, queue, meet, other]

    def trade(name, rng):
        mine, n = [], 0
        while not stop:
            ops = [
                (channel, (name, n)) if rng.random() < 0.5 else channel
                for channel in rng.choices(channels, k=rng.choice((1, 2, 2, 3, 20)))
            ]
            try:
                index, value = so.select(*ops)
            except Exception as error:
                if type(error).__name__ not in ends.split():
                    wrong[name] = repr(error)
                break
            if value is None:
                n += 1
            else:
                mine.append(value)
        sent[name] = n
        got[name] = tuple(mine)

    running = [
        threading.Thread(target=trade, args=(f"{where} {i}", random.Random(f"{seed} {i}")))
        for i in range(3)
    ]
    for thread in running:
        thread.start()
"""


def test_interpreters_end_while_they_select():
    """Of every select exactly one operation has happened, whoever has ended meanwhile."""
    seed = random.randrange(10**9)
    print("seed", seed)  # pytest shows it when the test fails
    rng = random.Random(seed)
    everything = {
        "ring": Channel(2),
        "chain": Channel(),
        "queue": Queue(1),
        "meet": Channel(rendezvous=True),
        "other": Channel(rendezvous=True),
        "sent": SharedDict(),
        "got": SharedDict(),
        "wrong": SharedDict(),
        "ends": "ChannelClosed PythonFinalizationError RuntimeError",  # the last one on 3.12
    }

    def open_one(number):
        sub, stop = Sub(), AtomicInt()
        sub.run(
            STORM, stop=stop, where=f"interpreter {number}", seed=rng.randrange(10**9), **everything
        )
        return sub, stop

    here = {**everything, "stop": AtomicInt(), "where": "here", "seed": seed}
    exec(STORM, here)
    subs = [open_one(number) for number in range(2)]
    for number in range(2, 8):
        sub, stop = subs.pop(0)
        stop.set(1)  # who does not wait would not hear that the interpreter ends
        sub.close()
        subs.append(open_one(number))
    for name in rng.sample(["ring", "chain", "meet", "other"], 4):
        everything[name].close()  # while everybody is at it
    everything["queue"].shutdown()
    for sub, stop in subs:
        stop.set(1)
        sub.close()
    for thread in here["running"]:
        thread.join()
    arrived = [*everything["ring"], *everything["chain"]]
    while everything["queue"].qsize():
        arrived.append(everything["queue"].get())
    arrived += [message for messages in everything["got"].values() for message in messages]
    assert not dict(everything["wrong"])
    expected = [(name, n) for name, count in everything["sent"].items() for n in range(count)]
    assert sorted(arrived) == sorted(expected)
