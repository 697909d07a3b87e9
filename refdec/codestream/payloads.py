"""Entropy-coded payloads: the tables in front of them, that say which bytes belong to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from refdec.codestream.bits import BitReader, BitWriter, se_to_ue, ue_width
from refdec.codestream.container import Substream
from refdec.codestream.reader import FieldRecord
from refdec.codestream.syntax import SE, UE, Field, U
from refdec.errors import CodestreamSyntaxError, TruncatedStreamError

THREAD_SIZE_DELTA = Field(
    id="CS-THR-01",
    name="thread_size_delta",
    coding=SE,
    count=lambda s: int(s.threads) - 1,
    count_words="threads - 1",
    meaning="mean size of a thread less the size of this one",
)
REGION_SIZE = Field(
    id="CS-REG-01",
    name="region_size",
    coding=UE,
    count=lambda s: int(s.regions) - 1,
    count_words="regions - 1",
    meaning="bytes of a region's payload; the last region takes the rest",
)
REGION_INDEX = Field(
    id="CS-REG-02",
    name="region_index",
    coding=U(8),
    meaning="region that this substream holds",
)


@dataclass(frozen=True)
class ThreadedData:
    """The threads of one payload.

    :param data: their bytes, one after the other, without the table.
    :param sizes: bytes of each thread.
    :param byte_offset: of ``data`` in the codestream.
    :param element: name of the payload.
    :param deltas: values of the thread table.
    :param table_offset: of the thread table in the codestream, in bytes.
    """

    data: bytes
    sizes: tuple[int, ...]
    byte_offset: int
    element: str
    deltas: tuple[int, ...]
    table_offset: int

    @property
    def records(self) -> list[FieldRecord]:
        """The table's elements."""
        found = []
        offset = 8 * self.table_offset
        for thread, delta in enumerate(self.deltas):
            width = ue_width(se_to_ue(delta))
            name = f"{THREAD_SIZE_DELTA.name}[{thread}]"
            found.append(FieldRecord(self.element, name, THREAD_SIZE_DELTA.id, offset, width, delta))
            offset += width
        return found


@dataclass(frozen=True)
class Payload:
    """One entropy-coded payload: thread table and threads.

    :param byte_offset: of ``data`` in the codestream.
    :param element: name for errors, e.g. ``SORP region 2``.
    """

    data: bytes
    byte_offset: int
    element: str

    def threads(self, count: int) -> ThreadedData:
        """Read the thread table.

        :param count: threads that the picture header announces.
        :raises TruncatedStreamError: the payload ends inside the table.
        :raises CodestreamSyntaxError: sizes that are negative or go beyond the payload.
        """
        table = f"{self.element}.{THREAD_SIZE_DELTA.name}"
        reader = BitReader(self.data, 8 * self.byte_offset)
        reader.require(count - 1, table)
        deltas = tuple([reader.read_se(table) for _ in range(count - 1)])
        start = (reader.position + 7) // 8
        length = left = len(self.data) - start
        mean = length // count
        sizes: list[int] = []
        for delta in deltas:
            size = mean - delta  # CS-THR-01, CS-THR-02
            if not 0 <= size <= left:
                # CS-THR-03
                raise self._bad_size(deltas, len(sizes), size, left, length)
            sizes.append(size)
            left -= size
        sizes.append(left)
        data = self.data[start:]
        return ThreadedData(
            data, tuple(sizes), self.byte_offset + start, self.element, deltas, self.byte_offset
        )

    def _bad_size(
        self, deltas: tuple[int, ...], thread: int, size: int, left: int, length: int
    ) -> CodestreamSyntaxError:
        before = sum(ue_width(se_to_ue(delta)) for delta in deltas[:thread])
        return CodestreamSyntaxError(
            "a thread cannot have this size",
            bit_offset=8 * self.byte_offset + before,
            element=f"{self.element} thread {thread}",
            expected=f"0..{left} bytes, what is left of {length} ({THREAD_SIZE_DELTA.id})",
            found=f"{size} bytes (delta {deltas[thread]})",
        )


class ResidualPayloads(NamedTuple):
    """Payloads of one component's regions, ``None`` for a region that is missing, and their tables."""

    payloads: list[Payload | None]
    records: list[FieldRecord]


def thread_table(sizes: Sequence[int]) -> bytes:
    """Thread table for threads of the given sizes in bytes; empty for one thread (CS-THR-01)."""
    if len(sizes) not in (1, 2, 4, 8, 16) or min(sizes) < 0:
        raise ValueError(f"thread sizes {list(sizes)} cannot be signalled")
    mean = sum(sizes) // len(sizes)
    writer = BitWriter()
    for size in sizes[:-1]:
        writer.write_se(mean - size)
    return writer.bytes()


def region_table(sizes: Sequence[int]) -> bytes:
    """Table of dependent regions of the given payload sizes in bytes; empty for one region (CS-REG-01)."""
    writer = BitWriter()
    for size in sizes[:-1]:
        writer.write_ue(size)
    return writer.bytes()


def threaded_payload(data: bytes, sizes: Sequence[int]) -> bytes:
    """Payload of threads whose bytes follow each other in ``data``."""
    if sum(sizes) != len(data):
        raise ValueError(f"thread sizes {list(sizes)} do not sum up to {len(data)} bytes")
    return thread_table(sizes) + data


def split_regions(payload: bytes, byte_offset: int, regions: int, segment: str) -> ResidualPayloads:
    """Payloads of dependent regions, or of the one region there is (CS-REG-01).

    :raises TruncatedStreamError: the payload ends inside the table.
    :raises CodestreamSyntaxError: a region reaches beyond the payload.
    """
    if regions == 1:
        return ResidualPayloads([Payload(payload, byte_offset, segment)], [])
    reader = BitReader(payload, 8 * byte_offset)
    reader.require(regions - 1, f"{segment}.{REGION_SIZE.name}")  # CS-REG-01
    records: list[FieldRecord] = []
    sizes: list[int] = []
    for region in range(regions - 1):
        name = f"{REGION_SIZE.name}[{region}]"
        offset = reader.offset
        sizes.append(reader.read_ue(f"{segment}.{name}"))
        records.append(FieldRecord(segment, name, REGION_SIZE.id, offset, reader.offset - offset, sizes[-1]))
    reader.align()
    start = reader.position // 8
    left = len(payload) - start
    for record, size in zip(records, sizes, strict=True):
        if size > left:
            raise CodestreamSyntaxError(
                "a region reaches beyond its substream",
                bit_offset=record.bit_offset,
                element=f"{segment}.{record.name}",
                expected=f"at most the {left} bytes that the regions before it leave ({REGION_SIZE.id})",
                found=f"{size} bytes",
            )
        left -= size
    payloads: list[Payload | None] = []
    for region, size in enumerate([*sizes, left]):
        payloads.append(
            Payload(payload[start : start + size], byte_offset + start, f"{segment} region {region}")
        )
        start += size
    return ResidualPayloads(payloads, records)


def gather_regions(substreams: Iterable[Substream], regions: int, name: str) -> ResidualPayloads:
    """Payloads of independent regions: one substream each, its index in front (CS-REG-02).

    :raises TruncatedStreamError: a substream is empty.
    :raises CodestreamSyntaxError: an index without a region, or twice.
    """
    payloads: list[Payload | None] = [None] * regions
    records: list[FieldRecord] = []
    for substream in substreams:
        offset = 8 * substream.payload_offset
        if not substream.payload:
            raise TruncatedStreamError(
                "an independent region has no index",
                bit_offset=offset,
                element=name,
                expected="at least the byte of the region index",
                found="an empty payload",
            )
        index = substream.payload[0]
        if index >= regions or payloads[index] is not None:
            raise CodestreamSyntaxError(
                "the region does not exist" if index >= regions else "the region is there twice",
                bit_offset=offset,
                element=f"{name}.region_index",
                expected=f"another index of 0..{regions - 1} ({REGION_INDEX.id})",
                found=str(index),
            )
        label = f"{name} region {index}"  # CS-REG-02
        records.append(FieldRecord(label, "region_index", REGION_INDEX.id, offset, 8, index))
        payloads[index] = Payload(substream.payload[1:], substream.payload_offset + 1, label)
    return ResidualPayloads(payloads, records)
