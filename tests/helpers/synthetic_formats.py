"""Writers of the intermediate file formats, after the public code that writes them and independent of ours."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manifests.dataset import Dataset
from manifests.facts import dataset
from prep.building.build import build
from prep.building.job import Job
from prep.formats import FindRequest, FindResult, format_named
from prep.store.read import Store, open_store
from prep.workers import Workers


@dataclass(frozen=True)
class SyntheticClip:
    """One clip with known joints, float32 (L, M, V, C)."""

    name: str
    label: int
    joints: np.ndarray


def clips(count: int = 6, seed: int = 0, joints: int = 25, names: Sequence[str] = ()) -> list[SyntheticClip]:
    """Clips of different lengths; every third has two bodies, the second of which is absent from frame 1."""
    rng = np.random.default_rng(seed)
    drawn = []
    for index in range(count):
        bodies = 2 if index % 3 == 2 else 1
        values = rng.normal(0, 1, (5 + index, bodies, joints, 3)).astype(np.float32)
        if bodies == 2:
            values[1, 1] = 0
        name = names[index] if names else f"S001C001P{index + 1:03d}R001A{index % 7 + 1:03d}"
        drawn.append(SyntheticClip(name, int(name[-3:]) - 1 if name[-4] == "A" else index % 7, values))
    return drawn


def padded(clip: SyntheticClip, frames: int, bodies: int = 2, doubled: bool = False) -> np.ndarray:
    """(frames, bodies, V, C) with zeros, or with the only body repeated in the second slot."""
    array = np.zeros((frames, bodies, *clip.joints.shape[2:]), np.float32)
    array[: len(clip.joints), : clip.joints.shape[1]] = clip.joints
    if doubled and clip.joints.shape[1] == 1:
        array[:, 1] = array[:, 0]
    return array


def flat(several: Sequence[SyntheticClip], frames: int = 300, doubled: bool = False) -> np.ndarray:
    """(N, frames, 150)."""
    rows = [padded(clip, frames, doubled=doubled).reshape(frames, 150) for clip in several]
    return np.array(rows, np.float32).reshape(len(rows), frames, 150)


def channels_first(several: Sequence[SyntheticClip], frames: int = 300) -> np.ndarray:
    """(N, C, frames, V, 2)."""
    return np.stack([padded(clip, frames).transpose(3, 0, 2, 1) for clip in several])


def one_hot(several: Sequence[SyntheticClip], classes: int) -> np.ndarray:
    """(N, classes) float64."""
    y = np.zeros((len(several), classes))
    for row, clip in enumerate(several):
        y[row, clip.label] = 1
    return y


def ctrgcn(
    path: Path,
    train: Sequence[SyntheticClip],
    test: Sequence[SyntheticClip],
    classes: int = 120,
    doubled: bool = True,
    frames: int = 300,
) -> Path:
    """CTR-GCN's npz."""
    np.savez(
        path,
        x_train=flat(train, frames, doubled),
        y_train=one_hot(train, classes),
        x_test=flat(test, frames, doubled),
        y_test=one_hot(test, classes),
    )
    return path


def npy_pkl(folder: Path, parts: Mapping[str, Sequence[SyntheticClip]], ending: str, protocol: int = 2) -> Path:
    """A folder of 2s-AGCN or st-gcn."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, several in parts.items():
        np.save(folder / f"{part}{ending}.npy", channels_first(several))
        names = [f"{clip.name}.skeleton" for clip in several]
        with (folder / f"{part}_label.pkl").open("wb") as file:
            pickle.dump((names, [clip.label for clip in several]), file, protocol=protocol)
    return folder


def annotation(clip: SyntheticClip, kind: Any = np.float16) -> dict[str, Any]:
    """One entry of pyskl's and mmaction2's pickles."""
    return {
        "frame_dir": clip.name,
        "label": clip.label,
        "keypoint": np.ascontiguousarray(clip.joints.transpose(1, 0, 2, 3)).astype(kind),
        "total_frames": len(clip.joints),
    }


def find(name: str, path: Path, data: Dataset | str, scratch: Path, **options: str) -> FindResult:
    """The recordings that a file format finds."""
    facts = dataset(data) if isinstance(data, str) else data
    file_format = format_named(name)
    return file_format.find(FindRequest(path, facts, file_format.parse_options(options), scratch))


def imported(
    name: str,
    path: Path,
    data: Dataset | str,
    out: Path,
    preprocessing: str = "imported",
    allow_bad: bool = False,
    **options: str,
) -> Store:
    """The store that a build makes from files of a format."""
    facts = dataset(data) if isinstance(data, str) else data
    job = Job(facts, preprocessing, path, out, file_format=name, options=options, allow_bad=allow_bad)
    with ThreadPoolExecutor(1) as pool:
        list(build(job, Workers(pool, 1)))
    return open_store(out)


def assert_holds(store: Store, several: Sequence[SyntheticClip], tolerance: float = 0.0, bodies: int = 2) -> None:
    """The store has exactly these clips: names, labels, lengths, joints, and which body is where."""
    ordered = sorted(several, key=lambda clip: clip.name)
    assert list(store.names) == [clip.name for clip in ordered]
    assert store.label.tolist() == [clip.label for clip in ordered]
    assert np.diff(store.offsets).tolist() == [len(clip.joints) for clip in ordered]
    for clip, start, stop in zip(ordered, store.offsets, store.offsets[1:], strict=False):
        expected = padded(clip, len(clip.joints), bodies)
        np.testing.assert_allclose(store.joints(int(start), int(stop)), expected, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(store.body_mask[start:stop], expected.any(axis=(2, 3)))
