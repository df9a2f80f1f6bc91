"""Mend the times of video files: clocks that start again, rounded times, rates stored inexactly."""

import math
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

#: A clock that goes back by more than this many seconds starts again: two recordings were joined.
_STARTS_AGAIN = 1

#: Most time units per second; finer ones help no player.
_FINEST = 1_000_000


class Continuing:
    """Lets times go on where a file's clock starts again, as in recordings that were joined."""

    def __init__(self) -> None:
        # By part of the file; the streams enter a part one after the other.
        self._jumps = [Fraction(0)]
        self._part: dict[int, int] = {}
        self._last: dict[int, Fraction] = {}
        self._left: dict[int, Fraction] = {}
        self._end = Fraction(0)

    def __call__(self, packet: "av.Packet") -> None:
        """Change the times of a packet; call it with all packets in their order."""
        if not packet.time_base:
            return
        index, unit = packet.stream.index, Fraction(packet.time_base)
        # Presentation times go back and forth; a packet with no other time, as in MKV, tells nothing about the clock.
        if packet.dts is not None:
            self._enter(index, packet.dts * unit)
        jump = round(self._jumps[self._part.get(index, 0)] / unit)
        if jump:
            packet.pts = None if packet.pts is None else packet.pts + jump
            packet.dts = None if packet.dts is None else packet.dts + jump
        if packet.dts is not None:
            self._end = max(self._end, (packet.dts + (packet.duration or 0)) * unit)

    def _enter(self, index: int, time: Fraction) -> None:
        """Note the time of a stream's next packet, and whether the packet begins another part of the file."""
        last, left = self._last.get(index, time), self._left.pop(index, None)
        if left is not None and abs(time - left) <= _STARTS_AGAIN < time - last:
            # The clock did not start again: a single time was wrong.
            self._part[index] -= 1
            if len(self._jumps) - 1 > max(self._part.values()):
                self._jumps.pop()
        elif time < last - _STARTS_AGAIN:
            self._part[index] = self._part.get(index, 0) + 1
            if self._part[index] == len(self._jumps):
                self._jumps.append(self._end - time)
            self._left[index] = last
        self._last[index] = time


class Evenly:
    """Undoes the rounding of times: MKV counts milliseconds, but a frame at 30000/1001 per second lasts 33.37 of them.

    While all frames so far fit a constant rate, up to the file's rounding, each gets its exact time. From the first
    frame that does not fit, the file's times stay unchanged.

    Args:
        step: time from frame to frame, in the units of the times.
        unit: the unit of the file's rounding, in the same units.
    """

    def __init__(self, step: Fraction, unit: int) -> None:
        self._step, self._unit = step, unit
        self._first: int | None = None
        self._is_even = step.denominator == 1 and unit > 1

    def __call__(self, pts: int) -> int:
        """Return the time of the next frame."""
        if not self._is_even:
            return pts
        if self._first is None:
            self._first = pts
        exact = self._first + round((pts - self._first) / self._step) * self._step
        # The first time was rounded as well.
        self._is_even = abs(exact - pts) <= self._unit
        return int(exact) if self._is_even else pts


def standard_rate(rate: Fraction) -> Fraction:
    """Return the standard rate that a file rounded because it stores a frame's duration in nanoseconds."""
    for exact in (Fraction(round(rate)), Fraction(round(rate * 1001 / 1000) * 1000, 1001)):
        if exact and abs(rate / exact - 1) < 1e-6:
            return exact
    return rate


def common_unit(unit: Fraction, rate: Fraction) -> Fraction:
    """Return a unit in which both the file's times and frames of the constant rate are whole numbers."""
    if (1 / rate / unit).denominator == 1:
        return unit
    common = Fraction(1, math.lcm(unit.denominator, rate.numerator))
    return common if (unit / common).denominator == 1 and common.denominator <= _FINEST else unit
