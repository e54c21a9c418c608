"""A pool: workers in interpreters of their own take tasks from one channel as they get free.

A task that fails is an answer like any other, so that one bad task stops nobody. The
channel of tasks is bounded; who makes them waits for the workers instead of running ahead.
"""

import sharedobj as so


def smallest_factor(number):
    if number < 2:
        raise ValueError(f"{number} has no prime factors")
    return next((n for n in range(2, int(number**0.5) + 1) if number % n == 0), number)


def work(tasks, answers):
    for number in tasks:
        try:
            answer = smallest_factor(number)
        except ValueError as error:
            answer = error
        answers.send((number, answer))


def main():
    numbers = [1_000_003, 999_983 * 1_000_003, 10**12 + 39, 91, 1, 1_000_000_007]
    tasks, answers = so.Channel(2), so.Channel()
    workers = [so.interpreters.create() for _ in range(2)]
    with tasks:  # closed at the end: the workers end when nothing is left
        threads = [worker.call_in_thread(work, tasks, answers) for worker in workers]
        for number in numbers:
            tasks.send(number)

    found = dict(answers.recv() for _ in numbers)
    for number in numbers:
        answer = found[number]
        print(f"{number:>16}  {'failed: ' if isinstance(answer, Exception) else ''}{answer}")
    for thread, worker in zip(threads, workers, strict=True):
        thread.join()
        worker.close()


if __name__ == "__main__":
    main()
