"""The commands of ``python -m sharedobj`` and their arguments."""

import argparse
import importlib

# Command -> what it does. The module of that name has add_arguments() and run(), and is
# imported only when the command is used.
COMMANDS = {
    "demo": "count the words of many text files in several interpreters at once",
}


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sharedobj",
        description="Lock-free containers shared by interpreters and threads.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        if name == chosen:
            module = importlib.import_module(f"sharedobj.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def main(argv: list[str]) -> int:
    """Run the command; return the exit status."""
    chosen = next((word for word in argv if word in COMMANDS), None)
    arguments = _parser(chosen).parse_args(argv)
    return int(arguments.run(arguments))
