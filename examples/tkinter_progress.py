"""A window that shows how far another interpreter is, and answers clicks meanwhile.

tkinter is told of messages by the channel's file descriptor (createfilehandler): no timer, no
polling. Cancel, closing the window and Ctrl-C set a flag for the other interpreter; the window
goes when the channel ends. Without tkinter or a display the progress is printed.
"""

import math
import sys

import sharedobj as so


def work(progress, cancelled, limit):
    found = 0
    with progress:  # closed at the end, whatever happens
        for number in range(2, limit):
            found += all(number % d for d in range(2, math.isqrt(number) + 1))
            if number % 2_000 == 0:
                progress.send((number, found))
            if cancelled:
                return
        progress.send((limit, found))


def new_window():
    """tkinter's, or None where there is none to be had."""
    try:
        import tkinter
    except ImportError:
        return None
    try:
        return tkinter.Tk()
    except (tkinter.TclError, RuntimeError):  # no display, or none that this Tcl can use
        return None


def window(root, progress, cancelled, limit):
    from tkinter import READABLE, ttk

    def draw(number, found):
        bar["value"], text["text"] = number, f"{found:,} found"
        root.update_idletasks()  # tkinter draws when idle, which it may never be

    def ready(*_):
        # One message at a time: while there are more tkinter calls again, and between
        # two calls looks after the mouse.
        try:
            draw(*progress.recv_nowait())
        except so.ChannelEmpty:
            pass
        except so.ChannelClosed:
            root.quit()

    def cancel():
        cancelled.set(1)

    root.title("Progress")
    root.resizable(False, False)
    root.protocol("WM_DELETE_WINDOW", cancel)
    frame = ttk.Frame(root, padding=16)
    frame.grid()
    ttk.Label(frame, text=f"Counting the primes below {limit:,}").grid(columnspan=2, sticky="w")
    bar = ttk.Progressbar(frame, length=360, maximum=limit)
    bar.grid(columnspan=2, pady=12)
    text = ttk.Label(frame)
    text.grid(row=2, column=0, sticky="w")
    ttk.Button(frame, text="Cancel", command=cancel).grid(row=2, column=1, sticky="e")
    draw(0, 0)
    root.createfilehandler(progress, READABLE, ready)
    try:
        root.mainloop()
        print(text["text"])
    finally:
        root.deletefilehandler(progress)
        root.destroy()


def terminal(progress, limit):
    for number, found in progress:
        print(f"\r{number / limit:4.0%}, {found:,} found", end="", flush=True)
    print()


def main():
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    # Only the newest counts: a slow window does not hold the work up.
    progress, cancelled = so.Channel(1, overflow="drop_old"), so.AtomicInt()
    interpreter = so.interpreters.create()
    thread = interpreter.call_in_thread(work, progress, cancelled, limit)
    try:
        root = new_window()
        if root is not None:
            window(root, progress, cancelled, limit)
        else:
            terminal(progress, limit)
    finally:  # also after Ctrl-C
        cancelled.set(1)
        thread.join()
        interpreter.close()


if __name__ == "__main__":
    main()
