"""A demo clip as a small video of a stick figure before a wall; the only demo file that knows OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep.demo.figure import ARMS, LEGS
from prep.demo.perform import FPS, DemoClip, Key, stream
from prep.demo.text import COLOUR_SIZE, colour_pixels

WIDTH, HEIGHT = 320, 180
_SHRINK = WIDTH / COLOUR_SIZE[0]
_CHAINS = ((0, 1, 20, 2, 3), *((20, *arm[:5]) for arm in ARMS), *((0, *leg) for leg in LEGS))

Image = NDArray[np.uint8]


def write_video(path: Path, clip: DemoClip, seed: int, key: Key) -> None:
    """Write one motion-JPEG AVI of 320 x 180 pixels with as many frames as the clip.

    Raises OSError when what lies on the disk afterwards is not the whole video: OpenCV itself does not say so.
    """
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    try:
        for image in pictures(clip, seed, key):
            writer.write(image)
    finally:
        writer.release()
    written = cv2.VideoCapture(str(path))
    frames = int(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
    written.release()
    if frames != len(clip.bodies_per_frame):
        raise OSError(f"{frames} of {len(clip.bodies_per_frame)} frames arrived; is the disk full?")


def pictures(clip: DemoClip, seed: int, key: Key) -> Iterator[Image]:
    """The frames (180, 320, 3), blue first. The room belongs to the setup, the clothes to the subject."""
    wall = _wall(stream(seed, 4, key.setup, key.camera))
    clothes = stream(seed, 5, key.subject).integers(0, 130, (len(_CHAINS), 3)).tolist()
    first = 0
    for bodies in clip.bodies_per_frame.tolist():
        here = slice(first, first + bodies)
        image = wall.copy()
        for joints in clip.joints[here][clip.body_id[here] == clip.actor]:
            _draw(image, colour_pixels(joints) * _SHRINK, clothes)
        first += bodies
        yield image


def _wall(rng: np.random.Generator) -> Image:
    """A light plain wall with broad stains and a darker floor."""
    import cv2

    colour = rng.uniform(150, 225, 3)
    stains = cv2.resize(rng.normal(0, 10, (6, 10)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    wall = colour + stains[..., None] + rng.normal(0, 2, (HEIGHT, WIDTH, 1))
    wall[int(HEIGHT * rng.uniform(0.72, 0.8)) :] -= 45
    return np.clip(wall, 0, 255).astype(np.uint8)


def _draw(image: Image, pixels: NDArray[np.float64], clothes: list[list[int]]) -> None:
    """Limbs as lines and joints as dots, into `image`, from the 25 joints' pixels (25, 2)."""
    import cv2

    places = np.rint(pixels).astype(int).tolist()
    for chain, colour in zip(_CHAINS, clothes, strict=True):
        for start, end in pairwise(chain):
            cv2.line(image, places[start], places[end], colour, 4, cv2.LINE_AA)
    for place in places:
        cv2.circle(image, place, 2, (40, 60, 235), -1, cv2.LINE_AA)
    cv2.circle(image, places[3], 8, (140, 170, 215), -1, cv2.LINE_AA)
