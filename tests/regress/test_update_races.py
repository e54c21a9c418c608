"""A pair that another thread changes while update() reads it."""

import threading

import sharedobj as so


def test_update_from_a_list_that_is_changed():
    """Without a GIL its items were used after they had been freed."""
    pair, d, stop = ["key" * 20, "value" * 20], so.SharedDict(), threading.Event()

    def change():
        n = 0
        while not stop.is_set():
            pair.clear()
            pair.extend((f"key{n % 9}" * 20, f"value{n}" * 20))
            n += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(100_000):
            try:
                d.update([pair] * 50)
            except ValueError as error:  # it was empty
                assert "has length 0" in str(error)
    finally:
        stop.set()
        thread.join()
    assert all(k.startswith("key") and v.startswith("value") for k, v in d.items())
