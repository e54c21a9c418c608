"""An asyncio front: coroutines ask, interpreters compute, and the loop never stands still.

Each request brings along the channel for its answer. While the interpreters are busy, asend()
and arecv() let the coroutine wait, not the loop; a coroutine that is cancelled just drops its
channel.
"""

import asyncio

import sharedobj as so


def compute(requests):
    """In an interpreter with a GIL of its own."""
    for limit, answer in requests:
        try:
            answer.send((True, sum(n for n in range(1, limit) if limit % n == 0)))
        except TypeError as error:
            answer.send((False, str(error)))


async def ask(requests, limit):
    answer = so.Channel(1)
    await requests.asend((limit, answer))
    good, value = await answer.arecv()
    if not good:
        raise ValueError(value)
    return value


async def main():
    requests = so.Channel(8)
    workers = [so.interpreters.create() for _ in range(2)]
    with requests:  # closed at the end: then the workers end, also after Ctrl-C
        threads = [worker.call_in_thread(compute, requests) for worker in workers]
        limits = [220, 284, 28, 97]
        sums = await asyncio.gather(*(ask(requests, limit) for limit in limits))
        for limit, total in zip(limits, sums, strict=True):
            print(f"{limit}: the proper divisors add up to {total}")
        try:
            async with asyncio.timeout(60):
                await ask(requests, "many")
        except ValueError as error:
            print("failed:", error)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    asyncio.run(main())
