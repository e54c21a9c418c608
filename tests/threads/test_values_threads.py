"""Values that are read while others overwrite them: always one whole value, never a crash."""

import threading

from interps import Sub
from values import identical

import sharedobj as so


def kinds(number):
    """One value of each way out of a cell; each tells by itself whether it is whole."""
    text = f"{number} " * 10
    return [
        number, number / 3, number * 10**20, number * 10**40, complex(number, number), text,
        text * 1000, text.encode(), text.encode() * 1000, "\u20ac" + text, (number, text),
        (number, text) * 500, tuple([text] * 2000), frozenset({number, text}), range(number), None,
        (number, (so.Channel(), number)), so.Channel(), (so.AtomicInt(number), "x" * 20000),
    ]  # fmt: skip


def is_whole(value):
    if isinstance(value, (so.Channel, so.AtomicInt)):
        return value.id > 0
    if isinstance(value, (tuple, frozenset)):
        return all(map(is_whole, value))
    if isinstance(value, str):
        return value.startswith("x") or len(set(value.strip("\u20ac ").split())) == 1
    if isinstance(value, bytes):
        return len(set(value.split())) == 1
    return True


def test_overwritten_while_read():
    d = so.SharedDict()
    for k, value in enumerate(kinds(1)):
        d[k] = value
    size, errors, over = len(d), [], threading.Event()

    def read():
        try:
            while not over.is_set():
                for k in range(size):
                    assert is_whole(d.get(k))  # None while it is popped
                for value in d.values():
                    assert is_whole(value)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2, 300):
            for k, value in enumerate(kinds(number)):
                d[k] = value
                if number % 10 == 0:
                    d[k] = d.pop(k)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not errors, errors[0]
    assert all(identical(a, b) for a, b in zip(list(d.values())[:16], kinds(299)[:16], strict=True))


def test_messages_between_interpreters_and_threads():
    there, back = so.Channel(8), so.Channel(8)
    code = f"""if 1:
    import sharedobj as so
    there, back = so.attach({there.id}), so.attach({back.id})
    for message in there:
        back.send(message)
    """
    rounds, senders = 150, 2

    def echo():
        with Sub() as sub:
            sub.run(code)

    def message(i):
        inner = [i, {"a": (i, "text" * i)}]
        return [i, inner, inner, {"self": there, i: {1, 2, i}}, b"x" * 100 * i, bytearray(i)]

    def send():
        for i in range(rounds):
            there.send(message(i))

    threads = [threading.Thread(target=f) for f in [echo, echo] + [send] * senders]
    for thread in threads:
        thread.start()
    got = []
    for _ in range(rounds * senders):
        result = back.recv()
        i = result[0]
        assert result[1] is result[2] and result[3].pop("self") is there
        expected = message(i)
        del expected[3]["self"]
        assert result == expected
        got.append(i)
    there.close()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(list(range(rounds)) * senders)
