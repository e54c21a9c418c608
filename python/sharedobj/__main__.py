"""``python -m sharedobj COMMAND``: see ``python -m sharedobj --help``."""

import signal
import sys


def main(argv: list[str]) -> int:
    status = 130  # the shell's code for a program that Ctrl-C ended
    try:
        # Here, so that Ctrl-C while it is being imported ends quietly too.
        from . import _commands

        status = _commands.main(argv)
    except KeyboardInterrupt:
        pass
    # Only the exit is left, which an interrupt would just make noisy.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
