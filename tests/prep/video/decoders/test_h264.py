from pathlib import Path

import av
import pytest
from helpers.synthetic_video import encode, image

from prep.video.decoders._h264 import PictureOrder, is_idr, nal_length_size, nal_units


def read(path: Path) -> tuple[PictureOrder, list[bytes]]:
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    reader = PictureOrder()
    for packet in packets:
        reader.read(packet)
    return reader, packets


def made(folder: Path, settings: str = "", frames: int = 40, **options: str) -> Path:
    return encode(folder / "v.avi", map(image, range(frames)), "libx264", {"x264-params": settings, **options})


@pytest.mark.parametrize("settings", ["bframes=0", "bframes=3", "bframes=8:b-pyramid=strict:keyint=12", "slices=4"])
def test_the_presentation_order_is_that_of_the_decoder(tmp_path: Path, settings: str) -> None:
    path = made(tmp_path, settings)
    with av.open(str(path)) as container:
        times = {packet.pts: i for i, packet in enumerate(container.demux(video=0)) if packet.size}
    with av.open(str(path)) as container:
        shown = [times[frame.pts] for frame in container.decode(video=0)]
    assert read(path)[0].presentation() == shown
    assert (shown == sorted(shown)) == ("bframes=0" in settings)


def test_picture_order_counts_that_wrap_around(tmp_path: Path) -> None:
    # pic_order_cnt_lsb wraps around more than once in 300 pictures.
    found = read(made(tmp_path, "bframes=2:keyint=999:scenecut=0", 300))[0].presentation()
    assert found is not None
    assert sorted(found) == list(range(300))
    assert max(abs(packet - frame) for frame, packet in enumerate(found)) <= 3


def test_the_order_of_an_unsupported_stream_is_unknown(tmp_path: Path) -> None:
    assert read(made(tmp_path, "interlaced=1"))[0].presentation() is None
    reader, packets = read(made(tmp_path, "bframes=2"))
    assert reader.presentation() is not None
    for wrong in (
        packets[1:],
        [packets[0][:30], *packets[1:]],
        [packets[0], packets[1] + packets[2]],
        [b"", packets[0]],
    ):
        other = PictureOrder()
        for packet in wrong:
            other.read(packet)
        assert other.presentation() is None
    again = PictureOrder()
    for packet in (*packets[:3], packets[1]):
        again.read(packet)
    assert again.presentation() is None


def test_another_sps_in_the_middle(tmp_path: Path) -> None:
    _, packets = read(made(tmp_path, "bframes=2"))
    _, others = read(encode(tmp_path / "w.avi", (image(n, 224, 160) for n in range(9)), "libx264"))
    reader = PictureOrder()
    for packet in (*packets, *others):
        reader.read(packet)
    assert reader.presentation() is None


def test_nal_units_after_start_codes_and_after_lengths() -> None:
    annex_b = b"\0\0\0\1\x67abc\0\0\1\x65\x88rest"
    assert list(nal_units(annex_b)) == [(7, 3, b"abc"), (5, 3, b"\x88rest")]
    avcc = b"\0\0\0\4\x67abc\0\0\0\6\x65\x88rest"
    assert list(nal_units(avcc, 4)) == [(7, 3, b"abc"), (5, 3, b"\x88rest")]
    assert is_idr(annex_b, 0)
    assert is_idr(avcc, 4)
    assert not is_idr(b"\0\0\1\x41abc", 0)
    assert not is_idr(b"", 0)
    assert not is_idr(b"\0\0\0\0" * 5, 4)
    assert nal_length_size(b"\1\x64\0\x1f\xff\xe1\0") == 4
    assert nal_length_size(b"\0\0\0\1\x67abc") == nal_length_size(None) == 0
