"""The order in which the pictures of an H.264 stream are shown, read from its headers without decoding (ITU-T H.264).

Only what encoders commonly write is read; of anything else `Reader.order` says that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

SLICE, INSTANT, PARAMETERS = 1, 5, 7
# Profiles whose parameters begin with the sampling of chroma (7.3.2.1.1).
HIGH = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
# More than the fields read here ever take, with their escapes.
HEADER = 64


class Unusual(Exception):
    """Something is not as encoders commonly write it; only decoding tells the order."""


class _Bits:
    """The bits of a unit, most significant first, its escapes (7.4.1) taken out."""

    def __init__(self, unit: bytes) -> None:
        plain = unit.replace(b"\0\0\3", b"\0\0")
        self.text, self.at = "".join(f"{byte:08b}" for byte in plain), 0

    def take(self, count: int) -> int:
        """u(count), 7.2."""
        word = self.text[self.at : self.at + count]
        if len(word) < count:
            raise Unusual("a header is cut short")
        self.at += count
        return int(word, 2) if word else 0

    def golomb(self) -> int:
        """ue(v), 9.1."""
        zeros = self.text.find("1", self.at) - self.at
        if not 0 <= zeros <= 32:
            raise Unusual("a number is too long")
        self.at += zeros
        return self.take(zeros + 1) - 1


@dataclass(frozen=True)
class _Parameters:
    """Of a sequence: bits of `frame_num`, the way in which pictures are ordered, bits of the order's lower part."""

    frame_bits: int
    kind: int
    order_bits: int


def units(packet: bytes, length: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """(type, whether others refer to it, first bytes) of each unit: after start codes, or after sizes of `length`."""
    begin = length or packet.find(b"\0\0\1") + 3
    while (length or 3) <= begin < len(packet):
        if length:
            end = begin + int.from_bytes(packet[begin - length : begin], "big")
            after = end + length
        else:
            code = packet.find(b"\0\0\1", begin)
            end, after = (code, code + 3) if code >= 0 else (len(packet), len(packet))
        yield packet[begin] & 31, packet[begin] >> 5 & 3, packet[begin + 1 : min(end, begin + HEADER)]
        begin = after


def size_of_lengths(extradata: bytes | None) -> int:
    """Bytes of the sizes before units, 0 where start codes part them (ISO/IEC 14496-15, 5.2.4.1)."""
    return (extradata[4] & 3) + 1 if extradata and extradata[0] == 1 and len(extradata) > 6 else 0


def instant(packet: bytes, length: int) -> bool:
    """Whether decoding can begin at this packet and nothing after it refers to what lies before it."""
    kinds = [kind for kind, _, _ in units(packet, length) if kind in (SLICE, INSTANT)]
    return bool(kinds) and kinds[0] == INSTANT


@dataclass
class Reader:
    """Reads packet after packet, then says the order. Once something is unusual it stays so."""

    usual: bool = True
    places: list[tuple[int, int]] = field(default_factory=list)
    _head: bytes = b""
    _parameters: _Parameters | None = None
    _before: tuple[int, int] = (0, 0)
    _sequence: int = -1

    def read(self, packet: bytes) -> None:
        """One packet, which should hold one picture."""
        if not self.usual:
            return
        try:
            self._read(packet)
        except Unusual:
            self.usual = False

    def order(self) -> list[int] | None:
        """The packets in the order in which their pictures are shown, or None: not known."""
        if not self.usual or len(set(self.places)) != len(self.places):
            return None
        return sorted(range(len(self.places)), key=self.places.__getitem__)

    def _read(self, packet: bytes) -> None:
        pictures = 0
        for kind, referred, unit in units(packet):
            if kind == PARAMETERS:
                self._learn(unit)
            elif kind in (SLICE, INSTANT):
                bits = _Bits(unit)
                if bits.golomb() == 0:
                    pictures += 1
                    self._place(bits, kind == INSTANT, bool(referred))
            elif 2 <= kind <= 4:
                raise Unusual("partitioned data")
        if pictures != 1:
            raise Unusual("not one picture a packet")

    def _learn(self, unit: bytes) -> None:
        """Sequence parameters, 7.3.2.1.1."""
        if self._head and unit != self._head:
            raise Unusual("several sequences of different parameters")
        self._head = unit
        bits = _Bits(unit)
        profile = bits.take(8)
        bits.take(16)
        bits.golomb()
        if profile in HIGH:
            if bits.golomb() == 3:
                raise Unusual("4:4:4")
            bits.golomb(), bits.golomb()
            if bits.take(2) & 1:
                raise Unusual("scaling matrices")
        frame_bits = bits.golomb() + 4
        kind = bits.golomb()
        order_bits = bits.golomb() + 4 if kind == 0 else 0
        bits.golomb()
        gaps = bits.take(1)
        bits.golomb(), bits.golomb()
        if kind == 1 or gaps or not bits.take(1) or max(frame_bits, order_bits) > 16:
            raise Unusual("an order by cycles, gaps or fields")
        self._parameters = _Parameters(frame_bits, kind, order_bits)

    def _place(self, bits: _Bits, first: bool, referred: bool) -> None:
        """One picture's place from its slice's header, 7.3.3 and 8.2.1.1: (sequence, order in it)."""
        if self._parameters is None or (self._sequence < 0 and not first):
            raise Unusual("does not begin with parameters and a picture that can be decoded alone")
        bits.golomb(), bits.golomb()
        bits.take(self._parameters.frame_bits)
        if first:
            bits.golomb()
            self._sequence, self._before = self._sequence + 1, (0, 0)
        if self._parameters.kind == 2:
            self.places.append((self._sequence, len(self.places)))
            return
        low, full = bits.take(self._parameters.order_bits), 1 << self._parameters.order_bits
        high, before = self._before
        if low < before and before - low >= full // 2:
            high += full
        elif low > before and low - before > full // 2:
            high -= full
        self.places.append((self._sequence, high + low))
        if referred:
            self._before = (high, low)
