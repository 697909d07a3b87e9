"""Decoders that lie about more than samples: processes, files, exit codes. Python's own library is enough.

    python liars.py LIE ANSWERS INPUT OUTPUT [MORE ...]

``ANSWERS`` holds, by the digest of a codestream, planes behind each other as ``.raw``. A stream without an
answer is malformed, and an honest decoder refuses it with exit code 3.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

LONG = 600
BIG = (60_000, 50_000)


class Decoder:
    """What a lie has in its hands."""

    def __init__(self, answers: str, source: str, target: str, more: list[str]) -> None:
        self.answers, self.source, self.target, self.more = Path(answers), Path(source), Path(target), more
        self.answer = self.answers / f"{hashlib.sha256(self.source.read_bytes()).hexdigest()}.raw"

    def honest(self) -> int:
        """The right picture, or a refusal."""
        if not self.answer.exists():
            sys.stderr.write("I do not like it\n")
            return 3
        self.target.write_bytes(self.answer.read_bytes())
        return 0

    def child(self, *words: str, session: bool = False, quiet: bool = False) -> None:
        """A child that nobody waits for: this program again, with another lie; its number is noted."""
        line = [sys.executable, "-S", __file__, *words, str(self.answers), str(self.source), str(self.target)]
        where = subprocess.DEVNULL if quiet else None
        started = subprocess.Popen(line, start_new_session=session, stdout=where, stderr=where)
        if self.more:
            Path(self.more[0]).write_text(str(started.pid))

    # processes

    def sleeps(self) -> int:
        time.sleep(LONG)
        return 0

    def comes_late(self) -> int:
        """The child of the late ones: it writes the right picture when its parent is gone."""
        time.sleep(0.4)
        return self.honest()

    def late(self) -> int:
        self.child("comes_late", quiet=True)
        return 0

    def late_from_another_session(self) -> int:
        self.child("comes_late", session=True, quiet=True)
        return 0

    def leaves_a_child(self) -> int:
        """The picture is right, and a child keeps the output open for ever."""
        self.child("sleeps")
        return self.honest()

    def leaves_a_child_in_another_session(self) -> int:
        self.child("sleeps", session=True)
        return self.honest()

    def leaves_a_talking_child(self) -> int:
        self.child("talks")
        return self.honest()

    def hangs(self) -> int:
        self.child("hangs_alone", session=True)
        return self.hangs_alone()

    def hangs_alone(self) -> int:
        """It does not listen to any signal that can be refused."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        return self.sleeps()

    def stops(self) -> int:
        os.kill(os.getpid(), signal.SIGSTOP)
        return self.honest()

    def aborts(self) -> int:
        self.honest()
        os.abort()

    def says_that_it_crashed(self) -> int:
        """As a shell in between reports it."""
        self.honest()
        return 128 + signal.SIGSEGV

    # output without end

    def talks(self) -> int:
        text = b"all is well " * 1000
        while True:
            os.write(1, text)

    def writes(self) -> int:
        with self.target.open("wb") as file:
            while True:
                file.write(bytes(1 << 16))

    def writes_beside(self) -> int:
        with self.target.with_name("other").open("wb") as file:
            while True:
                file.write(bytes(1 << 16))

    def makes_files(self) -> int:
        for number in range(2000):
            self.target.with_name(f"{number}").touch()
        return self.honest()

    # things that are no files

    def link(self) -> int:
        self.target.symlink_to(self.answer)
        return 0

    def link_to_a_device(self) -> int:
        self.target.symlink_to("/dev/zero")
        return 0

    def link_to_itself(self) -> int:
        self.target.symlink_to(self.target)
        return 0

    def folder(self) -> int:
        self.target.mkdir()
        return 0

    def pipe(self) -> int:
        os.mkfifo(self.target)
        return 0

    def socket(self) -> int:
        with socket.socket(socket.AF_UNIX) as there:
            there.bind(str(self.target))
        return 0

    def device(self) -> int:
        """Exit code 77: only root may."""
        try:
            os.mknod(self.target, 0o666 | 0o020000, os.makedev(1, 5))
        except PermissionError:
            return 77
        return 0

    def trace_is_a_pipe(self) -> int:
        os.mkfifo(self.more[0])
        return self.honest()

    def other_folder(self) -> int:
        """The folder of the output is another one by now, with the right picture in it."""
        folder = self.target.parent
        folder.rename(folder.with_name("away"))
        aside = folder.with_name("aside")
        aside.mkdir()
        (aside / self.target.name).write_bytes(self.answer.read_bytes())
        folder.symlink_to(aside)
        return 0

    def with_holes(self) -> int:
        with self.target.open("wb") as file:
            file.truncate(1 << 40)
        return 0

    # exit codes

    def always_0(self) -> int:
        self.honest()
        return 0

    def never_0(self) -> int:
        self.honest()
        return 1

    # pictures

    def previous(self) -> int:
        """The picture of the stream before this one."""
        note = self.answers / "previous"
        before = Path(note.read_text()) if note.exists() else self.answer
        note.write_text(str(self.answer))
        self.target.write_bytes(before.read_bytes())
        return 0

    def once(self) -> int:
        """It writes what it has written once, and trusts that this is still there."""
        note = self.answers / "once"
        if note.exists():
            return 0
        note.touch()
        return self.honest()

    def big_png(self) -> int:
        self.target.write_bytes(png(*BIG, 8, zlib.compress(bytes(1000))))
        return 0

    def big_ppm(self) -> int:
        self.target.write_bytes(b"P6 %d %d 255\n" % BIG)
        return 0

    def big_npy(self) -> int:
        text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 50000, 60000), }\n"
        self.target.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(1000))
        return 0

    def object_npy(self) -> int:
        text = b"{'descr': '|O', 'fortran_order': False, 'shape': (3, 65, 79), }\n"
        self.target.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(1000))
        return 0

    def inflating_png(self) -> int:
        """The right size, and compressed samples that are 128 MiB."""
        packer = zlib.compressobj(9)
        data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(128)) + packer.flush()
        self.target.write_bytes(png(79, 65, 8, data))
        return 0

    def deep_png(self) -> int:
        """Sixteen bits a sample, of which the upper eight are right."""
        planes = self.answer.read_bytes()
        size = len(planes) // 3
        rows = [
            bytes(planes[k * size + y * 79 + x] for x in range(79) for k in range(3) for _ in "ab")
            for y in range(65)
        ]
        self.target.write_bytes(png(79, 65, 16, zlib.compress(b"".join(b"\0" + row for row in rows), 1)))
        return 0

    # what is not its own

    def writes_its_input(self) -> int:
        code = self.honest()
        with self.source.open("ab") as file:
            file.write(b"more")
        return code

    def removes_its_input(self) -> int:
        code = self.honest()
        self.source.unlink()
        return code

    def replaces_its_input(self) -> int:
        code = self.honest()
        self.source.unlink()
        self.source.symlink_to("/dev/zero")
        return code

    def changes_the_suite(self) -> int:
        """A wrong picture, and the suite says that it is right; and another stream in the suite's files."""
        wrong = bytes(self.answer.stat().st_size)
        self.target.write_bytes(wrong)
        index = Path(self.more[0]) / "suite.json"
        facts = json.loads(index.read_text())
        for entry in facts["streams"]:
            entry["expect"]["planar_sha256"] = hashlib.sha256(wrong).hexdigest()
            (index.parent / entry["file"]).write_bytes(b"")
        index.write_text(json.dumps(facts))
        return 0

    def looks_it_up(self) -> int:
        """It accepts everything, unless it finds the suite from what it is told, and obeys that."""
        for told in (self.source, *map(Path, self.more)):
            for folder in told.resolve().parents:
                index = folder / "suite.json"
                if index.exists():
                    for entry in json.loads(index.read_text())["streams"]:
                        if entry["sha256"] == hashlib.sha256(self.source.read_bytes()).hexdigest():
                            return 3 if entry["group"] == "must-reject" else self.honest()
            if "bad" in told.name:
                return 3
        self.target.write_bytes(b"")
        return 0


def png(width: int, height: int, depth: int, data: bytes) -> bytes:
    """An RGB PNG around compressed rows, whatever these are."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


if __name__ == "__main__":
    lie, answers_, source_, target_, *more_ = sys.argv[1:]
    sys.exit(getattr(Decoder(answers_, source_, target_, more_), lie)())
