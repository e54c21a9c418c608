"""What a message costs: encoded, sent, received and decoded, all in one thread."""

import pickle
import sys

import harness
from samples import Colour, Pair, Sample, Series

import sharedobj as so

LARGE = 64 << 20
SAMPLES = [Sample(n, f"name {n}", n / 3) for n in range(100)]
MESSAGES = {
    "a str of 64 characters": "x" * 64,
    "a dict of ten ints": {f"key {n}": n for n in range(10)},
    "a list of 1000 floats": [n * 1.25 for n in range(1000)],
    "a list of 1000 ints": list(range(1000)),
    "a list of 100 dicts": [{"id": n, "name": f"name {n}", "score": n / 3} for n in range(100)],
    "a dataclass of three fields": SAMPLES[0],
    "a list of 100 dataclasses": SAMPLES,
    "a dataclass with a list of ten": Series("s", SAMPLES[:10], {"at": Pair(1, 2)}),
    "a named tuple": Pair(1, "second"),
    "a member of an enum": Colour.RED,
    "64 MiB of bytes": bytes(LARGE),
    "64 MiB in a bytearray": bytearray(LARGE),
    "64 MiB out of band": pickle.PickleBuffer(bytearray(LARGE)),
}


def pickled(message: object) -> harness.Candidate:
    def there_and_back(message: object) -> object:
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(message, 5, buffer_callback=buffers.append)
        return pickle.loads(data, buffers=[bytearray(buffer) for buffer in buffers])

    if isinstance(message, pickle.PickleBuffer):
        return harness.timed("there_and_back(m)", there_and_back=there_and_back, m=message)
    return harness.timed("loads(dumps(m, 5))", loads=pickle.loads, dumps=pickle.dumps, m=message)


def measure(options: object, title: str, message: object) -> dict[str, object]:
    channel = so.Channel()
    send, receive = channel.send_nowait, channel.recv_nowait
    candidates = {
        "sharedobj.Channel": harness.timed(
            "send(m); receive()", send=send, receive=receive, m=message
        ),
        "pickle.dumps + loads alone": pickled(message),
    }
    large = "MiB" in title
    if sys.version_info >= (3, 14) and not isinstance(message, pickle.PickleBuffer):
        queue = so.interpreters.create_queue()
        candidates["concurrent.interpreters.Queue"] = harness.timed(
            "put(m); get()", put=queue.put, get=queue.get, m=message
        )
    if large:
        candidates["one memcpy in and one out"] = harness.timed("bytes(bytearray(m))", m=message)
    return harness.compare(
        f"{title} through a Channel",
        candidates,
        unit="ms" if large else "us",
        quick=options.quick,
        rounds=9 if large else 50,
    )


def main() -> None:
    options = harness.arguments()
    harness.report(*(measure(options, *item) for item in MESSAGES.items()))


if __name__ == "__main__":
    main()
