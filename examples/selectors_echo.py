"""A server with one thread: its selector waits for sockets and for a channel.

What clients send goes to an interpreter that computes with a GIL of its own; its answers
come back through a channel, and wake the same select() that waits for the sockets.
"""

import selectors
import socket
import threading

import sharedobj as so


def shout(requests, answers):
    for client, text in requests:
        answers.send((client, text.upper() + "!"))


class Server:
    def __init__(self, requests, answers):
        self.requests, self.answers = requests, answers
        self.selector = selectors.DefaultSelector()
        self.clients = {}

    def add(self, name, connection):
        self.clients[name] = connection
        self.selector.register(connection, selectors.EVENT_READ, self.read)
        connection.setblocking(False)

    def read(self, connection):
        name = next(n for n, c in self.clients.items() if c is connection)
        if text := connection.recv(1024).decode():
            self.requests.send((name, text))
        else:
            self.selector.unregister(connection)
            self.clients.pop(name).close()

    def answer(self, channel):
        # Readable says that there may be a message: take what there is, and do not wait.
        while (message := channel.try_recv()) is not None:
            name, text = message
            self.clients[name].send(text.encode())

    def run(self):
        self.selector.register(self.answers, selectors.EVENT_READ, self.answer)
        try:
            while self.clients:
                for key, _ in self.selector.select():
                    key.data(key.fileobj)
        finally:
            self.selector.close()
            for connection in self.clients.values():  # after Ctrl-C
                connection.close()


def customer(name, connection):
    """Stands for the other side of the network."""
    with connection:
        connection.send(f"hello from {name}".encode())
        print(f"{name}: {connection.recv(1024).decode()}")


def main():
    requests, answers = so.Channel(16), so.Channel()
    interpreter = so.interpreters.create()
    with requests:  # closed at the end: then the interpreter is done, also after Ctrl-C
        threads = [interpreter.call_in_thread(shout, requests, answers)]
        server = Server(requests, answers)
        for name in ("ann", "bob", "cid"):
            theirs, ours = socket.socketpair()
            server.add(name, ours)
            threads.append(threading.Thread(target=customer, args=(name, theirs)))
            threads[-1].start()
        server.run()
    for thread in threads:
        thread.join()
    interpreter.close()


if __name__ == "__main__":
    main()
