"""A demo clip as a small video: a stick figure in front of a wall, written with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep.demo.body import ARMS, LEGS
from prep.demo.simulation import FPS, DemoClip, Key, stream
from prep.demo.skeleton_file import COLOUR_SIZE, colour_pixels
from prep.errors import PrepError

WIDTH, HEIGHT = 320, 180
_SHRINK = WIDTH / COLOUR_SIZE[0]
_CHAINS = ((0, 1, 20, 2, 3), *((20, *arm[:5]) for arm in ARMS), *((0, *leg) for leg in LEGS))

Image = NDArray[np.uint8]


def write_video(path: Path, clip: DemoClip, seed: int, key: Key) -> None:
    """Write a Motion-JPEG AVI of 320 x 180 pixels with one frame per frame of the clip.

    Raises PrepError if the file does not have all frames afterwards; OpenCV does not report a full disk.
    """
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    try:
        for image in frames(clip, seed, key):
            writer.write(image)
    finally:
        writer.release()
    written = cv2.VideoCapture(str(path))
    count = int(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
    written.release()
    if count != len(clip.bodies_per_frame):
        raise PrepError(
            f"{path}: only {count} of {len(clip.bodies_per_frame)} frames were written; the disk may be full. "
            "Free some space and run the same command; it continues."
        )


def frames(clip: DemoClip, seed: int, key: Key) -> Iterator[Image]:
    """The frames (180, 320, 3) in BGR. The wall depends on setup and camera, the clothes on the subject."""
    wall = _wall(stream(seed, 4, key.setup, key.camera))
    clothes = stream(seed, 5, key.subject).integers(0, 130, (len(_CHAINS), 3)).tolist()
    first = 0
    for bodies in clip.bodies_per_frame.tolist():
        rows = slice(first, first + bodies)
        image = wall.copy()
        for joints in clip.joints[rows][clip.body_id[rows] == clip.actor]:
            _draw(image, colour_pixels(joints) * _SHRINK, clothes)
        first += bodies
        yield image


def _wall(rng: np.random.Generator) -> Image:
    """A light wall with large stains, and a darker floor."""
    import cv2

    colour = rng.uniform(150, 225, 3)
    stains = cv2.resize(rng.normal(0, 10, (6, 10)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    wall = colour + stains[..., None] + rng.normal(0, 2, (HEIGHT, WIDTH, 1))
    wall[int(HEIGHT * rng.uniform(0.72, 0.8)) :] -= 45
    return np.clip(wall, 0, 255).astype(np.uint8)


def _draw(image: Image, pixels: NDArray[np.float64], clothes: list[list[int]]) -> None:
    """Draw limbs as lines and joints as dots into `image`; `pixels` (25, 2) are the joints."""
    import cv2

    points = np.rint(pixels).astype(int).tolist()
    for chain, colour in zip(_CHAINS, clothes, strict=True):
        for start, end in pairwise(chain):
            cv2.line(image, points[start], points[end], colour, 4, cv2.LINE_AA)
    for point in points:
        cv2.circle(image, point, 2, (40, 60, 235), -1, cv2.LINE_AA)
    cv2.circle(image, points[3], 8, (140, 170, 215), -1, cv2.LINE_AA)
