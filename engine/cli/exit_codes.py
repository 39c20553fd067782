"""The exit codes, for verbs; they stand in `engine.exit_codes`, where the wiring can use them too."""

from engine.exit_codes import MEANINGS, CommandError, ExitCode

__all__ = ["MEANINGS", "CommandError", "ExitCode"]
