"""A worker that dies: its task is done by the next one, and nothing else is lost.

The channels outlive every interpreter. Only the task that the dead worker had in its hands
is gone, so each worker notes it before it begins and strikes it off after it has answered.
"""

import threading

import sharedobj as so


def work(name, tasks, answers, doing):
    for task, attempt in tasks:
        doing[name] = task, attempt
        if task == "fragile" and attempt == 1:
            raise SystemError("a bug of this worker")  # nobody here catches it
        answers.send((task, attempt))
        del doing[name]


def supervise(name, tasks, answers, doing, deaths):
    """Has a worker from its birth to its end, and then another, until the tasks end."""
    while True:
        worker = so.interpreters.create()
        try:
            worker.call(work, name, tasks, answers, doing)
            return
        except so.interpreters.ExecutionFailed:
            deaths += 1
            task, attempt = doing.pop(name)
            # A task that kills its worker every time must not come back for ever.
            if attempt < 3:
                tasks.send((task, attempt + 1))
            else:
                answers.send((task, None))
        finally:
            worker.close()


def main():
    tasks, answers = so.Channel(), so.Channel()
    doing, deaths = so.SharedDict(), so.AtomicInt()
    names = ["tea", "fragile", "bread", "cheese"]
    tasks.send_many((name, 1) for name in names)
    arguments = tasks, answers, doing, deaths
    threads = [threading.Thread(target=supervise, args=(n, *arguments)) for n in range(2)]
    with tasks:  # closed when all is answered, not before: a task may come back
        for thread in threads:
            thread.start()
        attempts = dict(answers.recv() for _ in names)
    for thread in threads:
        thread.join()
    for name in names:
        print(f"{name:<10}done at attempt {attempts[name]}")
    print(f"workers that died: {deaths}")


if __name__ == "__main__":
    main()
