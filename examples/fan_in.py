"""Fan-in: several producers, one channel, one consumer that knows when all are through.

The channel keeps the order of each producer. Nobody knows who will be the last one, so
they count down, and the one that comes to zero closes.
"""

import sharedobj as so


def read_sensor(name, readings, running):
    try:
        for n in range(5):
            readings.send((name, n, len(name) * 10 + n))
    finally:
        # Also when this producer fails: the consumer must not wait for it.
        if running.decrement() == 0:
            readings.close()


def main():
    names = ["door", "window", "cellar"]
    readings, running = so.Channel(4), so.AtomicInt(len(names))
    interpreters = [so.interpreters.create() for _ in names]
    seen = {name: [] for name in names}
    with readings:  # when the consumer fails or Ctrl-C is pressed, producers must not wait
        threads = [
            interpreter.call_in_thread(read_sensor, name, readings, running)
            for interpreter, name in zip(interpreters, names, strict=True)
        ]
        for name, n, value in readings:
            assert n == len(seen[name])  # each producer's own in order
            seen[name].append(value)
    for name, values in seen.items():
        print(f"{name:<8}{' '.join(map(str, values))}")
    for thread, interpreter in zip(threads, interpreters, strict=True):
        thread.join()
        interpreter.close()


if __name__ == "__main__":
    main()
