"""What tests against hostile input found worth keeping: streams made to take time, memory, or a crash."""

from __future__ import annotations

from dataclasses import replace

from conformance.generate.bases import good
from conformance.generate.build import Context
from conformance.generate.plan import Refused
from conformance.generate.registry import recipe
from refdec.codestream import Marker
from refdec.codestream.assemble import write_picture_header
from refdec.codestream.container import join
from refdec.errors import BitstreamError, ResourceLimitError, TruncatedStreamError

EMPTY = b"\x00\x00\x01"
THREAD_BYTES = {
    f"{count}-{fill:02x}": (count, fill) for count in (2, 3, 4, 15, 16, 17) for fill in (0, 1, 255)
}


@recipe("must-reject", variants=THREAD_BYTES)
def few_bytes(c: Context, case: tuple[int, int]) -> Refused:
    """Sixteen threads over a handful of bytes, all of them alike.

    Tables that end early, sizes that come out negative, threads of no byte: whichever comes first.
    """
    count, fill = case
    base = good(c, "threads")
    data = base.with_payloads({Marker.SORP: bytes([fill]) * count})
    return Refused(data, base.base, BitstreamError)


@recipe("must-reject")
def largest_picture(c: Context) -> Refused:
    """65,599 x 65,599 samples in a file of some fifty bytes.

    The size is the largest that the header can say, beyond every level. A decoder that makes room for the
    picture before it looks at the level, or at how little data there is, takes 12 gigabytes.
    """
    return _announced(c, 65_599, 65_599)


@recipe("may-reject", variants={"18000x18000": (18_000, 18_000), "65599x4096": (65_599, 4096)})
def large_picture(c: Context, size: tuple[int, int]) -> Refused:
    """A picture that its level allows, in a file of some fifty bytes.

    A decoder may refuse it for its size, and must refuse it for its payloads, which end at once. The
    reference decoder has a limit of 120 million samples.
    """
    return _announced(c, *size)


@recipe("may-reject", variants={"512-496": (512, 496), "32-16": (32, 16), "16-0": (16, 0)})
def tiles_that_multiply_work(c: Context, tiling: tuple[int, int]) -> Refused:
    """Synthesis tiles that cost up to 900 times what the picture does, in a file of some fifty bytes.

    Tiles of 512 samples that overlap by 496 bring 16 new ones each; tiles of 16 samples cost what larger
    ones do. A decoder may refuse them, and must refuse the payloads, which end at once.
    """
    size, overlap = tiling
    fields = {"synthesis_tile_size": size // 16, "synthesis_tile_overlap": overlap // 16}
    element = "PIH.components[0].synthesis_tile_overlap"
    return _announced(c, 9984, 9984, element, synthesis_tile_enable=1, **fields)


@recipe("may-reject")
def memory_picture(c: Context) -> Refused:
    """A picture of nearly 120 million samples, in a file of some fifty bytes.

    A decoder may refuse it for the memory that it would take, and must refuse it for its payloads, which end
    at once. The reference decoder allows itself 4 gigabytes.
    """
    return _announced(c, 10_944, 10_944, "PIH")


def _announced(
    c: Context, width: int, height: int, element: str = "PIH.img_height_minus64", **fields: int
) -> Refused:
    """:param fields: of both components."""
    base = good(c, "plain")
    picture = replace(
        base.stream.picture,
        img_width_minus64=width - 64,
        img_height_minus64=height - 64,
        components=tuple(replace(item, **fields) for item in base.stream.picture.components),
    )
    header = write_picture_header(picture, strict=False)
    data = join([(Marker.PIH, header), *((m, EMPTY) for m in (Marker.SOZ, Marker.SORP, Marker.SORS))])
    return Refused(data, base.base, ResourceLimitError, element)


@recipe("must-reject", variants={"1400x1400": (1400, 1400), "4096x64": (4096, 64)})
def picture_of_nothing(c: Context, size: tuple[int, int]) -> Refused:
    """A picture of ordinary size whose payloads hold nothing.

    The first payload ends with its first symbols; a decoder that goes on with zeros spends its time on
    nothing.
    """
    base = good(c, "plain")
    picture = replace(base.stream.picture, img_width_minus64=size[0] - 64, img_height_minus64=size[1] - 64)
    header = write_picture_header(picture)
    data = join([(Marker.PIH, header), *((m, EMPTY) for m in (Marker.SOZ, Marker.SORP, Marker.SORS))])
    return Refused(data, base.base, TruncatedStreamError, "SOZ")


ENDLESS = {"zeros": bytes(8), "late": bytes(4) + b"\x40", "then-ones": bytes(5) + b"\xff" * 8}


@recipe(
    "must-reject",
    variants={
        f"{place}-{n}": (place, code) for place in ("soz", "region", "size") for n, code in ENDLESS.items()
    },
)
def endless_code(c: Context, case: tuple[str, bytes]) -> Refused:
    """A code of variable length that does not end: in a table of threads, a table of regions, a size."""
    place, code = case
    if place == "size":
        base = good(c, "plain")
        return Refused(b"\xff\x80\xff\x82" + code, base.base, BitstreamError, "size of PIH", 32)
    base = good(c, "threads" if place == "soz" else "regions")
    marker = Marker.SOZ if place == "soz" else Marker.SORP
    return Refused(base.with_payloads({marker: code}), base.base, BitstreamError)


@recipe("must-reject", variants={"4096": 4096})
def many_substreams(c: Context, count: int) -> Refused:
    """More substreams than any picture needs: thousands of empty user data.

    Each is three bytes. A decoder that keeps them all in a slow list, or calls itself for each, can be
    stopped with them. The reference decoder accepts 4096 substreams in all.
    """
    base = good(c, "plain")
    parts = [(s.marker, s.payload) for s in base.stream.substreams]
    data = join([*parts, *[(Marker.UDI, b"")] * count])
    return Refused(data, base.base, ResourceLimitError)


@recipe("must-reject", variants={"2-zeros": b"\x00\x00", "ones": b"\xff" * 40, "zeros": b"\x00" * 40})
def header_of_nothing(c: Context, payload: bytes) -> Refused:
    """A picture header of zeros alone or of ones alone."""
    base = good(c, "plain")
    data = base.with_payloads({Marker.PIH: payload})
    return Refused(data, base.base, BitstreamError)
