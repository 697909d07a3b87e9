"""Changes of PyTorch checkpoints: of the archive, of the pickled description in it, of stored numbers."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from random import Random

from conformance.fuzz.bytes_mutator import odd_number
from conformance.fuzz.target import MutateBytes

ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, RuntimeError, EOFError, MemoryError,
)  # fmt: skip
"""What reading a damaged archive ends in; encrypted members and unknown methods are among the last ones."""
GLOBALS = (
    b"cconformance.fuzz.checkpoints\ncalled_by_a_pickle\n",
    b"cbuiltins\nprint\n",
    b"ctorch\nzeros\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch\nFloatStorage\n",
)
CALL = (b"(tR", b")R", b"K\x01\x85R", b"b", b"\x81")
OPCODES = b".(012FGIJKLMNPQRSTUVX]abcdeghijlopqrstu})\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b"
NUMBERS = (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x00\x00\x80\xff", b"\xff\xff\xff\x7f", b"\x00" * 4)
"""As 32-bit floats: not a number, both infinities, another that is none; 0."""


def mutate_checkpoint(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """A changed checkpoint; what is no archive, and one in eight, is changed blindly."""
    if random.randrange(8) == 0:
        return mutate_bytes(data, random)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except ARCHIVE_ERRORS:
        return mutate_bytes(data, random)
    if not members:
        return mutate_bytes(data, random)
    pickled = [name for name in members if name.endswith("data.pkl")]
    numbers = [name for name in members if "/data/" in name and members[name]]
    name = random.choice(list(members))
    kind = random.randrange(8)
    if kind < 4 and pickled:
        members[pickled[0]] = _pickle(members[pickled[0]], random, mutate_bytes)
    elif kind < 6 and numbers:
        name = random.choice(numbers)
        members[name] = _numbers(members[name], random)
    elif kind == 6:
        members[name] = mutate_bytes(members[name], random)
    elif random.randrange(2):
        del members[name]
    else:
        members[name.rpartition("/")[0] + random.choice(("/x", "/data/9", "/../x", "/version"))] = members[
            name
        ]
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if random.randrange(8) == 0 else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def _pickle(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Something that is called, another opcode, a number, or any bytes."""
    kind = random.randrange(4)
    place = random.randrange(len(data) + 1)
    if kind == 0:
        called = GLOBALS[0] if random.randrange(2) else random.choice(GLOBALS)
        return data[:place] + called + random.choice(CALL) + data[place:]
    if kind == 1:
        return data[:place] + bytes([random.choice(OPCODES)]) + data[place + random.randrange(2) :]
    if kind == 2:
        # numbers of one and two bytes, and what they are: sizes, strides and offsets
        places = [i for i, byte in enumerate(data) if byte in b"KM"]
        if places:
            place = random.choice(places)
            width = 1 if data[place : place + 1] == b"K" else 2
            number = odd_number(random, 0, (1 << 8 * width) - 1).to_bytes(width, "little")
            if random.randrange(4) == 0:
                number, place = b"\x8a\x05" + random.choice((b"\xff" * 5, b"\x00\x00\x00\x00\x01")), place - 1
            return data[: place + 1] + number + data[place + 1 + width :]
    return mutate_bytes(data, random)


def _numbers(data: bytes, random: Random) -> bytes:
    """One stored number, or all."""
    number = random.choice((*NUMBERS, random.randbytes(4)))
    if random.randrange(4) == 0:
        return (number * (len(data) // 4 + 1))[: len(data)]
    place = 4 * random.randrange(len(data) // 4 + 1)
    return (data[:place] + number + data[place + 4 :])[: len(data)]
