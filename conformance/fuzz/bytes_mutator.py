"""Changes of bytes that know no syntax, for where libFuzzer's own are not at hand."""

from __future__ import annotations

from random import Random

ODD_NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 1023, 4095, 32767, 32768, 65535)


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """One to four changes: a bit, a byte, a run inserted, removed, repeated, or overwritten."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        kind = random.randrange(6)
        place = random.randrange(len(changed) + 1)
        length = min(random.choice((1, 1, 2, 4, 16, 64)), max(0, len(changed) - place))
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << random.randrange(8)
        elif kind == 1 and place < len(changed):
            changed[place] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
        elif kind == 2:
            changed[place:place] = random.randbytes(random.choice((1, 1, 2, 8)))
        elif kind == 3:
            del changed[place : place + length]
        elif kind == 4:
            changed[place:place] = changed[place : place + length]
        else:
            changed[place : place + length] = bytes([random.choice((0, 255))]) * length
    return bytes(changed)


def odd_number(random: Random, low: int, high: int) -> int:
    """A number of ``low..high`` that readers tend to get wrong, or any."""
    choices = [low, high, low + 1, high - 1, *ODD_NUMBERS, random.randint(low, max(low, high))]
    legal = [value for value in choices if low <= value <= high]
    return random.choice(legal) if legal else low
