"""A window that shows how far another interpreter is, and answers clicks meanwhile.

tkinter is told of messages by the channel's file descriptor (createfilehandler): no timer, no
polling. Without tkinter or a display the progress is printed, by the same function.
"""

import select

import sharedobj as so


def work(progress, cancelled):
    for percent in range(0, 101, 5):
        if cancelled:
            break
        progress.send((percent, sum(range(100_000))))
    progress.close()


def show(channel, draw, done):
    """What the loop calls when the channel may have something: takes what is there."""
    try:
        while True:
            percent, _ = channel.recv_nowait()
            draw(percent)
    except so.ChannelEmpty:
        pass
    except so.ChannelClosed:
        done()


def window(progress, cancelled):
    import tkinter
    from tkinter import ttk

    root = tkinter.Tk()
    root.title("progress")
    bar = ttk.Progressbar(root, length=300, maximum=100)
    bar.pack(padx=20, pady=20)
    ttk.Button(root, text="Cancel", command=lambda: cancelled.set(1)).pack(pady=10)

    def draw(percent):
        bar["value"] = percent

    def done():
        root.deletefilehandler(progress)
        print(f"done at {bar['value']:.0f} %")
        root.destroy()

    root.createfilehandler(progress, tkinter.READABLE, lambda *_: show(progress, draw, done))
    root.mainloop()


def terminal(progress):
    running = True

    def done():
        nonlocal running
        running = False

    while running:
        select.select([progress], [], [])
        show(progress, lambda percent: print(f"{percent} %", end=" "), done)
    print("done")


def has_display():
    try:
        import tkinter

        tkinter.Tk().destroy()
    except (ImportError, RuntimeError):
        return False
    except tkinter.TclError:
        return False
    return True


def main():
    # Only the newest counts: a slow window does not hold the work up.
    progress, cancelled = so.Channel(1, overflow="drop_old"), so.AtomicInt()
    interpreter = so.interpreters.create()
    thread = interpreter.call_in_thread(work, progress, cancelled)
    if has_display():
        window(progress, cancelled)
    else:
        terminal(progress)
    thread.join()
    interpreter.close()


if __name__ == "__main__":
    main()
