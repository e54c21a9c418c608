"""Request and reply: each request carries the channel on which its answer is wanted.

The server knows nothing of its clients. A reply channel of one place means that the server
never waits for a client, not even for one that has given up.
"""

import sharedobj as so

STOCK = {"tea": 12, "bread": 3}


def serve(requests):
    for item, reply in requests:
        try:
            reply.send((True, STOCK[item]))
        except KeyError:
            reply.send((False, f"there is no {item}"))


def ask(requests, item, timeout=60):
    reply = so.Channel(1)
    requests.send((item, reply), timeout)
    good, answer = reply.recv(timeout)
    if not good:
        raise LookupError(answer)
    return answer


def client(requests, items, totals):
    for item in items:
        totals.increment(item, ask(requests, item))


def main():
    requests, totals = so.Channel(16), so.SharedDict()
    server, *clients = (so.interpreters.create() for _ in range(3))
    items = "tea", "bread", "tea"
    with requests:  # closed at the end: the server ends after what was asked before
        serving = server.call_in_thread(serve, requests)
        threads = [c.call_in_thread(client, requests, items, totals) for c in clients]
        for thread in threads:
            thread.join()
        print("two clients:", dict(sorted(totals.snapshot().items())))
        try:
            ask(requests, "cheese")
        except LookupError as error:
            print("and a third:", error)
    serving.join()
    for interpreter in (server, *clients):
        interpreter.close()


if __name__ == "__main__":
    main()
