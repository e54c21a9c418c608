"""``python -m sharedobj COMMAND``: see ``python -m sharedobj --help``."""

import argparse
import importlib
import sys

# Command -> what it does; the module of that name has add_arguments() and run().
COMMANDS = {
    "demo": "count the words of a tree of text files in several interpreters at once",
}

INTERRUPTED = 130  # the shell's code for a program that Ctrl-C ended


def parser_for(command: str | None) -> argparse.ArgumentParser:
    """The parser with the arguments of one command; other commands need no import."""
    parser = argparse.ArgumentParser(prog="python -m sharedobj", description=__doc__)
    parser.description = "Lock-free containers shared by interpreters and threads."
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == command:
            module = importlib.import_module(f"sharedobj.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(argv: list[str]) -> int:
    try:
        parser = parser_for(next((word for word in argv if word in COMMANDS), None))
        arguments = parser.parse_args(argv)
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
