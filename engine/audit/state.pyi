from typing import Any

class CoreState:
    """The state of one core as checksums by section; read between two runs of its pipeline."""

    def __init__(self, engine: Any) -> None: ...
    def sections(self) -> list[tuple[int, int, int, int]]:
        """(StateSection, line or 0, CRC-32C, bytes hashed), in the order of sections."""

    def rows(self) -> list[dict[str, Any]]:
        """The same as `engine.journal.decode.payload` gives a STATE_HASH's rows."""

    def payload(self) -> bytes:
        """What a STATE_HASH record holds."""

    def write(self) -> int:
        """Write a STATE_HASH record; its sequence. JournalFull where there is no room."""
