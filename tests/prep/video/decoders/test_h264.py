from pathlib import Path

import av
import pytest
from helpers.synthetic_video import encode, picture

from prep.video.decoders._h264 import Reader, instant, size_of_lengths, units


def read(path: Path) -> tuple[Reader, list[bytes]]:
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    reader = Reader()
    for packet in packets:
        reader.read(packet)
    return reader, packets


def made(folder: Path, settings: str = "", frames: int = 40, **options: str) -> Path:
    return encode(folder / "v.avi", map(picture, range(frames)), "libx264", {"x264-params": settings, **options})


@pytest.mark.parametrize("settings", ["bframes=0", "bframes=3", "bframes=8:b-pyramid=strict:keyint=12", "slices=4"])
def test_the_order_is_that_of_the_decoder(tmp_path: Path, settings: str) -> None:
    path = made(tmp_path, settings)
    with av.open(str(path)) as container:
        times = {packet.pts: i for i, packet in enumerate(container.demux(video=0)) if packet.size}
    with av.open(str(path)) as container:
        shown = [times[frame.pts] for frame in container.decode(video=0)]
    assert read(path)[0].order() == shown
    assert (shown == sorted(shown)) == ("bframes=0" in settings)


def test_an_order_that_runs_over(tmp_path: Path) -> None:
    # The lower part of the order begins anew more than once in 300 pictures.
    found = read(made(tmp_path, "bframes=2:keyint=999:scenecut=0", 300))[0].order()
    assert found is not None
    assert sorted(found) == list(range(300))
    assert max(abs(packet - frame) for frame, packet in enumerate(found)) <= 3


def test_what_is_unusual_is_not_known(tmp_path: Path) -> None:
    assert read(made(tmp_path, "interlaced=1"))[0].order() is None
    reader, packets = read(made(tmp_path, "bframes=2"))
    assert reader.order() is not None
    for wrong in (
        packets[1:],
        [packets[0][:30], *packets[1:]],
        [packets[0], packets[1] + packets[2]],
        [b"", packets[0]],
    ):
        other = Reader()
        for packet in wrong:
            other.read(packet)
        assert other.order() is None
    again = Reader()
    for packet in (*packets[:3], packets[1]):
        again.read(packet)
    assert again.order() is None


def test_other_parameters_in_the_middle(tmp_path: Path) -> None:
    _, packets = read(made(tmp_path, "bframes=2"))
    _, others = read(encode(tmp_path / "w.avi", (picture(n, 224, 160) for n in range(9)), "libx264"))
    reader = Reader()
    for packet in (*packets, *others):
        reader.read(packet)
    assert reader.order() is None


def test_units_after_start_codes_and_after_sizes() -> None:
    plain = b"\0\0\0\1\x67abc\0\0\1\x65\x88rest"
    assert list(units(plain)) == [(7, 3, b"abc"), (5, 3, b"\x88rest")]
    sized = b"\0\0\0\4\x67abc\0\0\0\6\x65\x88rest"
    assert list(units(sized, 4)) == [(7, 3, b"abc"), (5, 3, b"\x88rest")]
    assert instant(plain, 0)
    assert instant(sized, 4)
    assert not instant(b"\0\0\1\x41abc", 0)
    assert not instant(b"", 0)
    assert not instant(b"\0\0\0\0" * 5, 4)
    assert size_of_lengths(b"\1\x64\0\x1f\xff\xe1\0") == 4
    assert size_of_lengths(b"\0\0\0\1\x67abc") == size_of_lengths(None) == 0
