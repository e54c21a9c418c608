"""A pipeline: each stage is an interpreter with a GIL of its own, channels join them.

When the first stage closes its channel, the next one's loop ends after the last message;
it closes its own, and so the whole line runs dry and stops by itself. A stage that fails
closes both of its channels, which stops the others.
"""

import sharedobj as so


def parse(lines, orders, errors):
    with lines, orders:
        for line in lines:
            name, _, price = line.partition(":")
            try:
                orders.send({"name": name.strip(), "price": float(price)})
            except ValueError:
                errors += 1


def add_tax(orders, priced):
    with orders, priced:
        for order in orders:
            order["price"] = round(order["price"] * 1.2, 2)
            priced.send(order)


def main():
    # Bounded: a fast stage waits for a slow one instead of filling the memory.
    lines, orders, priced = so.Channel(8), so.Channel(8), so.Channel(8)
    errors = so.AtomicInt()
    stages = [so.interpreters.create() for _ in range(2)]
    with lines, priced:  # also after Ctrl-C
        threads = [
            stages[0].call_in_thread(parse, lines, orders, errors),
            stages[1].call_in_thread(add_tax, orders, priced),
        ]
        for line in ("tea: 2.50", "bread: 3", "nonsense", "cheese: 10"):
            lines.send(line)
        lines.close()
        for order in priced:
            print(f"{order['name']:<8}{order['price']:>7.2f}")
    for thread, stage in zip(threads, stages, strict=True):
        thread.join()
        stage.close()
    print(f"{errors} line was no order")


if __name__ == "__main__":
    main()
