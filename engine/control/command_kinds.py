"""Which requests of the control port are commands, and which COMMAND record each becomes."""

from __future__ import annotations

from engine.control.messages import (
    Amend,
    Arm,
    Cancel,
    Flatten,
    Hedge,
    Kill,
    Order,
    Pause,
    Protect,
    Reconcile,
    ResetLimits,
    Resume,
    SetLimits,
    Stop,
)
from engine.model.codes import CommandKind

AnyCommand = (
    Pause
    | Resume
    | Kill
    | Arm
    | Flatten
    | Hedge
    | Cancel
    | Stop
    | Reconcile
    | Order
    | Protect
    | Amend
    | SetLimits
    | ResetLimits
)
KINDS: dict[type[AnyCommand], CommandKind] = {
    Pause: CommandKind.PAUSE,
    Resume: CommandKind.RESUME,
    Kill: CommandKind.KILL,
    Arm: CommandKind.ARM,
    Flatten: CommandKind.FLATTEN,
    Hedge: CommandKind.HEDGE,
    Cancel: CommandKind.CANCEL,
    Stop: CommandKind.STOP,
    Order: CommandKind.ORDER,
    Reconcile: CommandKind.RECONCILE,
    Protect: CommandKind.INSTRUCT,
    Amend: CommandKind.AMEND,
    SetLimits: CommandKind.LIMITS,
    ResetLimits: CommandKind.LIMITS,
}
