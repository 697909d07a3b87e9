"""Runs Fluster with the decoders of ``decoders.json`` beside this file; Fluster itself stays as it is.

    python launch.py run -ts SUITE -d DECODER -t 600 -j 2

Words are those of Fluster's own command line; ``-tsd`` and ``-r`` are set to the folders beside this
file unless given. Only Fluster (``pip install fluster-conformance``) and Python are needed.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from fluster.codec import Codec
from fluster.decoder import Decoder, NotSupportedError, register_decoder
from fluster.main import fluster_main
from fluster.utils import file_checksum

HERE = Path(os.path.abspath(__file__)).parent  # noqa: PTH100


class CommandDecoder(Decoder):
    """A decoder that is a command with ``{input}`` and ``{output}`` in its words."""

    codec = Codec.DUMMY  # Fluster's list of codecs is closed, and JPEG AI is not on it.
    words = ()
    rejects = ()
    planes = "gbr"

    def decode(
        self,
        input_filepath,
        output_filepath,
        output_format,
        timeout,
        verbose,
        keep_files,
        optional_params=None,
    ):
        """MD5 of the samples in the order of the pixel format, or ``reject:CLASS``."""
        facts = optional_params or {}
        code, said = self._run(self._line(input_filepath, output_filepath, facts), timeout)
        expected = facts.get("reject")
        if code in self.rejects:
            named = said.splitlines()[-1:] or [""]
            if expected is not None:
                # Who does not name a class has refused, and no more than that is asked.
                return named[0] if named[0].startswith("reject:") else expected
            if facts["group"] == "may-reject":
                raise NotSupportedError(f"refused with exit code {code}")
        if code != 0:
            raise RuntimeError(f"exit code {code}: {said[-300:]}")
        if expected is not None:
            if facts["group"] == "may-reject":
                raise NotSupportedError("decoded, and nothing can tell whether rightly")
            return "accepted"
        output = Path(output_filepath)
        if output.is_symlink() or not output.is_file():
            raise RuntimeError("exit code 0, but no output was written")
        if output.stat().st_size != facts["bytes"]:
            return f"{output.stat().st_size} bytes, expected {facts['bytes']}"
        if self.planes == "rgb" and facts["pixel_format"].startswith("gbrp"):
            data = output.read_bytes()
            third = len(data) // 3
            output.write_bytes(data[third:] + data[:third])
        return file_checksum(output_filepath)

    def _line(self, source, target, facts):
        models = facts.get("models")
        values = {
            "{input}": os.path.abspath(source),  # noqa: PTH100
            "{output}": os.path.abspath(target),  # noqa: PTH100
            "{dialect}": facts["dialect"],
            "{rounding}": facts["rounding"],
            "{point}": facts["point"],
            "{channels}": str(facts.get("channels", "all")),
            "{models}": "bundled" if models is None else str(HERE / models),
            "{format}": facts.get("pixel_format", "none"),
        }
        for mark, usual in (("{dialect}", "t840"), ("{rounding}", "floor"), ("{channels}", "all")):
            if values[mark] != usual and not any(mark in word for word in self.words):
                raise NotSupportedError(f"the command needs {mark}")
        line = []
        for word in self.words:
            for mark, value in values.items():
                word = word.replace(mark, value)
            line.append(word)
        return line

    @staticmethod
    def _run(line, timeout):
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=timeout)
        finally:
            with suppress(ProcessLookupError):  # with all that it started
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return process.returncode, said.decode("utf-8", "replace").strip()


def register():
    """Make Fluster know the decoders of ``decoders.json``."""
    entries = json.loads((HERE / "decoders.json").read_text(encoding="utf-8"))
    for number, entry in enumerate(entries):
        words = [sys.executable if word == "{python}" else word for word in entry["command"]]
        facts = {
            "name": entry["name"],
            "description": entry["description"],
            "words": tuple(words),
            "rejects": tuple(entry["rejects"]),
            "planes": entry["planes"],
            "binary": words[0],
        }
        # Fluster hands its decoders to processes, which look a class up by its name in this module.
        name = f"CommandDecoder{number}"
        globals()[name] = type(name, (CommandDecoder,), {**facts, "__module__": __name__})
        register_decoder(globals()[name])


register()

if __name__ == "__main__":
    for flag, name in (("-r", "resources"), ("-tsd", "test_suites")):
        if flag not in sys.argv:
            sys.argv[1:1] = [flag, str(HERE / name)]
    fluster_main()
