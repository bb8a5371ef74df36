"""Entry point of the command `levain`: from arguments to an exit code, whatever happens on the way."""

import sys
from typing import NoReturn

from levain.endings import end_at_once, end_quietly_on_signals


def main() -> NoReturn:
    end_quietly_on_signals()
    code = _run()
    end_at_once(code)
    raise AssertionError("unreachable")


def _run() -> int:
    from levain.errors import CommandFailed, ExitCode, OutputClosed
    from levain.output import prepare_streams, printable, silence

    prepare_streams()
    try:
        return _command()
    except CommandFailed as error:
        print(f"levain: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except OutputClosed:
        silence()
        return ExitCode.OUTPUT_CLOSED


def _command() -> int:
    from levain.app import app

    try:
        app(prog_name="levain")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


if __name__ == "__main__":
    main()
