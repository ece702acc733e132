"""Pictures that say their number, and a tone: what a codec must not destroy."""

import array
import math

WIDTH, HEIGHT = 640, 360
BITS = 8
BAR = WIDTH // BITS
RATE = 48_000
TONE_HZ = 440


def picture(number):
    """An I420 picture whose eight bars, black or white, are the lowest bits of `number`."""
    row = b"".join(bytes([235 if number >> bit & 1 else 16]) * BAR for bit in range(BITS))

    return row * HEIGHT + b"\x80" * (WIDTH * HEIGHT // 2)


def number_of(luma, width, height):
    """The number in a luma plane of any size, rows of `width` bytes."""
    middle = height // 2 * width
    bars = [luma[middle + (2 * bit + 1) * width // (2 * BITS)] for bit in range(BITS)]

    return sum((bar > 128) << bit for bit, bar in enumerate(bars))


def tone(start, count):
    """`count` 16-bit samples of the tone, from sample `start` on."""
    step = 2 * math.pi * TONE_HZ / RATE

    return array.array("h", (round(8_000 * math.sin(step * (start + n))) for n in range(count)))


def pitch(samples, rate=RATE):
    """The frequency of a tone in Hz, by its upward crossings of zero; 0 for silence."""
    loud = max(samples, default=0) > 1_000
    crossings = sum(a < 0 <= b for a, b in zip(samples, samples[1:]))

    return crossings * rate / len(samples) if loud else 0
