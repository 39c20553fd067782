from typing import final

from engine.model.approval import ApprovalRegister
from engine.model.tables import Tables

TRANSITIONS: dict[str, list[tuple[int, int]]]

def legal(old_state: int, new_state: int) -> bool: ...

@final
class OrderPool:
    @property
    def open_count(self) -> int: ...
    @property
    def illegal_transitions(self) -> int: ...
    def __init__(self, tables: Tables, register: ApprovalRegister) -> None: ...
