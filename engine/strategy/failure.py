"""How a strategy's exception is told in one line."""

from __future__ import annotations

import re

SUMMARY_CHARS_MAX = 300
# of an object, in Python's own words: another in each process, though the strategy did the same
ADDRESS = re.compile(r"\bat 0x[0-9a-f]+", re.IGNORECASE)


def describe_error(error: BaseException) -> str:
    """The exception and the innermost line it came from; the file's name only: its folder is nobody's business."""
    try:
        summary = ADDRESS.sub("at 0x", f"{type(error).__name__}: {error}")[:SUMMARY_CHARS_MAX]
    except BaseException:  # noqa: BLE001 - the strategy's own __str__ may raise anything
        summary = type(error).__name__
    step = error.__traceback__
    if step is None:
        return summary
    while step.tb_next is not None:
        step = step.tb_next
    code = step.tb_frame.f_code
    return f"{summary} ({code.co_filename.rsplit('/', 1)[-1]}:{step.tb_lineno} in {code.co_name})"
