"""What each worker interpreter runs. Imports little: every interpreter imports it anew."""

from .. import AtomicInt, Channel, SharedDict
from .text import NotText, words_of


def count(
    names: Channel,  # of (file name, size), closed after the last
    words: SharedDict,  # word -> how often
    skipped: Channel,  # of (file name, reason)
    bytes_done: AtomicInt,
    files_done: AtomicInt,  # skipped ones included
    progress: AtomicInt,  # steps done; the main interpreter waits for it to change
    bytes_per_step: int,
    stop: AtomicInt,  # 1: end now
) -> None:
    """Count the words of the files whose names come, until no more come."""
    step = 0
    for name, size in names:
        left = size
        try:
            for piece, found in words_of(name):
                words.tally(found)
                if stop:
                    return
                # Waking the main interpreter for every file would cost more than it shows.
                reached = bytes_done.increment(piece) // bytes_per_step
                if reached > step:
                    step = reached
                    progress.fetch_max(step)
                left -= piece
        except (NotText, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            skipped.send((name, reason or type(error).__name__))
        bytes_done += left  # of a file that was skipped, or has changed
        files_done += 1
