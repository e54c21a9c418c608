"""Messages: there and back, in one thread, one way, by select, and trees."""

import itertools
import os
import pickle
import queue
import sys
import threading
import time

import harness

import sharedobj as so

PAUSE = 100e-6  # seconds of other work, after which a waiter has stopped spinning and sleeps


def echo(there, back, cpu):
    import os

    if cpu is not None:
        os.sched_setaffinity(0, [cpu])
    while (message := there.recv()) is not None:
        back.send(message)


def echo_queue(there, back, cpu):
    import os

    if cpu is not None:
        os.sched_setaffinity(0, [cpu])
    while (message := there.get()) is not None:
        back.put(message)


class Trip:
    """Two ends of a round trip; `send` and `receive` are this interpreter's."""

    def __init__(self, kind, cpu):
        self.place = None
        if kind.startswith(("channel", "rendezvous")):
            options = {"rendezvous": True} if kind == "rendezvous" else {"maxsize": 16}
            there, back = so.Channel(**options), so.Channel(**options)
            self.send, self.receive, function = there.send, back.recv, echo
        else:
            make = so.interpreters.create_queue if kind == "standard" else queue.SimpleQueue
            there, back = make(), make()
            self.send, self.receive, function = there.put, back.get, echo_queue
        if kind.endswith("threads"):
            self.thread = threading.Thread(target=function, args=(there, back, cpu))
            self.thread.start()
        else:
            self.place = so.interpreters.create()
            self.thread = self.place.call_in_thread(function, there, back, cpu)
        self.send(0)
        self.receive()

    def close(self):
        self.send(None)
        self.thread.join()
        if self.place is not None:
            self.place.close()

    def running(self, loops):
        send, receive = self.send, self.receive
        begin = time.perf_counter()
        for number in range(loops):
            send(number)
            receive()
        return time.perf_counter() - begin

    def parked(self, loops):
        send, receive, total = self.send, self.receive, 0.0
        for number in range(loops):
            until = time.perf_counter() + PAUSE
            while (begin := time.perf_counter()) < until:
                pass
            send(number)
            receive()
            total += time.perf_counter() - begin
        return total


def round_trips(options, title, cpu, method):
    trips = {
        "sharedobj.Channel, two interpreters": Trip("channel", cpu),
        "sharedobj.Channel(rendezvous=True), two interpreters": Trip("rendezvous", cpu),
    }
    if sys.version_info >= (3, 14):
        trips["concurrent.interpreters.Queue, two interpreters"] = Trip("standard", cpu)
    trips["sharedobj.Channel, two threads of one interpreter"] = Trip("channel threads", cpu)
    trips["queue.SimpleQueue, two threads of one interpreter"] = Trip("queue threads", cpu)
    result = harness.compare(
        title,
        {name: getattr(trip, method) for name, trip in trips.items()},
        unit="us",
        quick=options.quick,
        rounds=11,
        seconds=0.02,
    )
    for trip in trips.values():
        trip.close()
    return result


def alone(options):
    """One thread that takes out what it has put in."""
    results = []
    numbers = {
        "the same int": "put(10**9); get()",
        "another int each time": "put(next(number)); get()",
    }
    for what, body in numbers.items():
        queues = {
            "queue.SimpleQueue": queue.SimpleQueue(),
            "queue.Queue": queue.Queue(),
            "sharedobj.Queue": so.Queue(),
        }
        calls = {name: (q.put, q.get) for name, q in queues.items()}
        for name, channel in {"Channel()": so.Channel(), "Channel(16)": so.Channel(16)}.items():
            calls[f"sharedobj.{name}"] = (channel.send, channel.recv)
        results.append(
            harness.compare(
                f"one thread: {what} put in and taken out",
                {
                    name: harness.timed(body, put=put, get=get, number=itertools.count(10**9))
                    for name, (put, get) in calls.items()
                },
                unit="ns",
                quick=options.quick,
            )
        )
    return results


def feed(channel, go, batch):
    """Sends as many ints as are asked for, in batches or one by one."""
    numbers = list(range(batch))
    for total in go:
        if batch == 1:
            for number in range(total):
                channel.send(number)
        else:
            for _ in range(0, total, batch):
                channel.send_many(numbers)


class Stream:
    """One way, from another interpreter to this one. A round begins with the first message
    that comes: how long the other one took to wake up is not part of it."""

    def __init__(self, batch):
        self.batch, self.channel, self.go = batch, so.Channel(), so.Channel()
        self.place = so.interpreters.create()
        self.thread = self.place.call_in_thread(feed, self.channel, self.go, batch)

    def close(self):
        self.go.close()
        self.thread.join()
        self.place.close()

    def run(self, loops):
        batch, receive, receive_many = self.batch, self.channel.recv, self.channel.recv_many
        total = -(-loops // batch) * batch
        self.go.send(total)
        if batch == 1:
            receive()
            begin, left = time.perf_counter(), total - 1
            for _ in range(left):
                receive()
        else:
            first = len(receive_many(batch))
            begin, left = time.perf_counter(), total - first
            missing = left
            while missing:
                missing -= len(receive_many(batch))
        spent = time.perf_counter() - begin
        return spent * loops / max(left, 1)


def streams(options):
    kinds = {"send, recv": Stream(1), "send_many, recv_many of 256": Stream(256)}
    result = harness.compare(
        "an int one way between two interpreters",
        {name: stream.run for name, stream in kinds.items()},
        unit="ns",
        quick=options.quick,
        rounds=11,
        seconds=0.05,
    )
    for stream in kinds.values():
        stream.close()
    return result


def selects(options):
    """A message taken by select and one sent back to that channel, all of which have one."""

    def taker(count):
        channels = [so.Channel() for _ in range(count)]
        for channel in channels:
            channel.send(0)

        def run(loops):
            select = so.select
            begin = time.thread_time()
            for _ in range(loops):
                index, number = select(*channels)
                channels[index].send(number)
            return time.thread_time() - begin

        return run

    def without(loops):
        channel = so.Channel()
        send, receive = channel.send, channel.recv
        begin = time.thread_time()
        for number in range(loops):
            send(number)
            receive()
        return time.thread_time() - begin

    return harness.compare(
        "an int sent, and received by a select over ready channels",
        {
            "send, recv of one channel": without,
            "send, select of 2": taker(2),
            "send, select of 16": taker(16),
        },
        unit="ns",
        quick=options.quick,
    )


TREE = {
    "name": "an order",
    "lines": [{"article": f"article {n}", "count": n, "price": n * 1.25} for n in range(10)],
    "tags": {"new", "paid"},
    "at": (2026, 11, 22),
}


def trees(options):
    channel = so.Channel()

    def through_channel(loops):
        send, receive = channel.send_nowait, channel.recv_nowait
        begin = time.thread_time()
        for _ in range(loops):
            send(TREE)
            receive()
        return time.thread_time() - begin

    assert through_channel(1) and channel.try_send(TREE) and channel.recv() == TREE
    return harness.compare(
        "a tree of 10 dicts: encoded, sent, received, decoded",
        {
            "pickle.dumps + loads alone": harness.timed(
                "loads(dumps(tree, 5))", loads=pickle.loads, dumps=pickle.dumps, tree=TREE
            ),
            "sharedobj.Channel": through_channel,
        },
        unit="us",
        quick=options.quick,
    )


def main():
    options = harness.arguments()
    results = []
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cpus) > 1:
        os.sched_setaffinity(0, [cpus[0]])
        own = "round trip of an int, a core each"
        results = [
            round_trips(options, f"{own}, both running", cpus[1], "running"),
            round_trips(options, f"{own}, the waiter parked", cpus[1], "parked"),
            round_trips(options, "round trip of an int, one core for both", cpus[0], "running"),
        ]
        os.sched_setaffinity(0, cpus)
    results.append(round_trips(options, "round trip of an int, anywhere", None, "running"))
    results += alone(options)
    results.append(streams(options))
    results.append(selects(options))
    results.append(trees(options))
    harness.report(*results)


if __name__ == "__main__":
    main()
