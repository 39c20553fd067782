"""The head of the hash chain: what the newest entry of each lane says, signed with an Ed25519 key and exported.

A signed head kept elsewhere proves everything before it: who alters the journal later can make a chain that is whole in itself,
but none that holds this head, and cannot sign another. Signed by cold processes only (the desk, `tradewind journal head`); the
key is never read by the engine.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from engine.journal.chain import chain_path, last_entry
from engine.journal.errors import JournalCorrupt, JournalError
from engine.journal.places import LANE_NAMES
from engine.journal.reader import read_identity

HEADS_FILE = "heads.jsonl"
SIGNED_TEXT = b"tradewind journal head 1\n"


class LaneHead(msgspec.Struct, frozen=True, kw_only=True):
    """The newest block of a lane: its segment, the byte behind it, its last sequence (0: no record in it), its hash in hex."""

    segment: int
    end: int
    seq: int
    hash: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The heads of both lanes at a time; None where nothing of a lane is chained."""

    journal_id: str
    engine_id: int
    wall_ns: int
    ledger: LaneHead | None
    tape: LaneHead | None

    def signed_bytes(self) -> bytes:
        """What the signature covers."""
        return SIGNED_TEXT + msgspec.json.encode(self, order="deterministic")

    def lane(self, lane: int) -> LaneHead | None:
        """Of the ledger or the tape."""
        return (self.ledger, self.tape)[lane]


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """A head and its signature: 64 bytes (RFC 8032) in base64."""

    head: Head
    signature: str


def current_head(data_dir: Path, wall_ns: int) -> Head:
    """The head as it stands, made durable first: a head that a power cut takes back would accuse an honest journal."""
    journal_id, engine_id, _ = read_identity(data_dir)
    lanes: list[LaneHead | None] = []
    for lane in range(len(LANE_NAMES)):
        entry = last_entry(data_dir, lane)
        if entry is None:
            lanes.append(None)
            continue
        sync(chain_path(data_dir, lane, entry.segment_no))
        lanes.append(LaneHead(segment=entry.segment_no, end=entry.end, seq=entry.last_seq, hash=entry.hash.hex()))
    return Head(journal_id=journal_id.hex(), engine_id=engine_id, wall_ns=wall_ns, ledger=lanes[0], tape=lanes[1])


def sync(path: Path) -> None:
    """fsync a file that another process writes: what has been written of it is durable then."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def signed(head: Head, sign: Callable[[bytes], bytes]) -> SignedHead:
    """The head with its signature; `sign` as `engine.credentials.ed25519_signer` makes it."""
    return SignedHead(head=head, signature=base64.b64encode(sign(head.signed_bytes())).decode())


def is_signed_by(item: SignedHead, public_key: Any) -> bool:
    """Is the signature of this key (a cryptography Ed25519PublicKey)."""
    from cryptography.exceptions import InvalidSignature

    try:
        public_key.verify(base64.b64decode(item.signature, validate=True), item.head.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True


def load_public_key(path: Path) -> Any:
    """An Ed25519 public key from its PEM file. Raises JournalError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise JournalError(f"{path}: no public key can be read: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise JournalError(f"{path}: this is no Ed25519 public key")
    return key


def encode_head(item: SignedHead) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(item) + b"\n"


def read_heads(path: Path) -> list[SignedHead]:
    """The signed heads of a file: one, or one a line. Raises JournalCorrupt where a line is none; a torn last line is left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from None
    found: list[SignedHead] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            found.append(msgspec.json.decode(line, type=SignedHead))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if number == len(lines) - 1:
                break
            raise JournalCorrupt(
                str(path), sum(map(len, lines[:number])), f"line {number + 1} is no signed head: {error}"
            ) from None
    return found


class HeadSigner:
    """Signs the head now and then into `data_dir/heads.jsonl`, where it has moved since."""

    def __init__(self, data_dir: Path, sign: Callable[[bytes], bytes]) -> None:
        self._path = data_dir / HEADS_FILE
        self._data_dir = data_dir
        self._sign = sign
        self._last: tuple[LaneHead | None, LaneHead | None] = (None, None)

    def sign(self, wall_ns: int) -> SignedHead | None:
        """The new signed head, appended durably; None where there is nothing new to sign."""
        head = current_head(self._data_dir, wall_ns)
        if (head.ledger, head.tape) in ((None, None), self._last):
            return None
        item = signed(head, self._sign)
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.write(fd, encode_head(item))
            os.fsync(fd)
        finally:
            os.close(fd)
        self._last = (head.ledger, head.tape)
        return item
