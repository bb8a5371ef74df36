"""How the command ends: each error carries its exit code and the one line that its user sees."""

from enum import IntEnum


class ExitCode(IntEnum):
    COMPLETED = 0
    FAILED = 1  # the job failed or was cancelled
    BAD_INPUT = 2  # usage, or a file that can't be read
    CONTACT_LOST = 3  # how the job ended is not known
    WRONG_SETTINGS = 78  # EX_CONFIG of sysexits.h
    OUTPUT_CLOSED = 141  # 128 + SIGPIPE, as a shell reports a writer whose reader left


class CommandFailed(Exception):
    """The command ends with `exit_code`; the message is one line for its user."""

    exit_code = ExitCode.FAILED


class BadInput(CommandFailed):
    exit_code = ExitCode.BAD_INPUT


class ContactLost(CommandFailed):
    exit_code = ExitCode.CONTACT_LOST


class WrongSettings(CommandFailed):
    exit_code = ExitCode.WRONG_SETTINGS


class OutputClosed(Exception):
    """Whoever read our standard output has left (`| head`): end quietly."""
