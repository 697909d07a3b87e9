"""The compiled interpreter's tables: what an operation's descriptor holds, and the base addresses.

A program is a list of ``(operation, first row, end row)``; an operation is one row of int64 fields.
Tensors are rings of rows: row ``y`` lies in slot ``y mod capacity``. Offsets and distances are in bytes;
an offset counts from the base address that the field before it selects.
"""

from __future__ import annotations

# Kinds of operation.
CONV, POINTWISE, DEPTHWISE, PACK, UNPACK, COPY, SHUFFLE, LUT, NORM, GRAM = range(10)

# Base addresses. External arrays (graph inputs, outputs, Gram sums, kept stores) follow.
B_WEIGHTS, B_BLOCKS, B_NUMBERS, B_ZERO, B_ARENA, B_RUNTIME, B_EXTERNAL = range(7)

(
    KIND,
    # Operand: base, offset of pixel 0, row distance, ring capacity, rows, distance of two pixels.
    IN_BASE,
    IN_OFFSET,
    IN_ROW,
    IN_CAPACITY,
    IN_HEIGHT,
    IN_STEP,
    # Rows outside the operand are read here (offset of pixel 0 in the zero base).
    ZERO_OFFSET,
    # Convolution: row y reads rows y * STRIDE + first number of each segment, in pixels + second number.
    STRIDE,
    SEGMENTS,
    SEGMENT_TABLE,
    STEPS,
    # Result: row y goes to row y * ROW_FACTOR + ROW_START; WIDTH pixels, at most ROWS rows.
    OUT_BASE,
    OUT_OFFSET,
    OUT_ROW,
    OUT_CAPACITY,
    OUT_STEP,
    ROW_FACTOR,
    ROW_START,
    WIDTH,
    ROWS,
    PANELS,
    W_BASE,
    W_OFFSET,
    W_PANEL,
    BLOCK_BASE,
    BLOCK_OFFSET,
    # Second operand and second result, in the geometry of the result.
    X_BASE,
    X_OFFSET,
    X_ROW,
    X_CAPACITY,
    X_STEP,
    DUAL_BASE,
    DUAL_OFFSET,
    DUAL_ROW,
    DUAL_CAPACITY,
    DUAL_STEP,
    FLAGS,
    CHANNELS,
    # Meaning depends on the kind.
    EXTRA0,
    EXTRA1,
    EXTRA2,
    FIELDS,
) = range(43)

MAX_SEGMENTS = 256
