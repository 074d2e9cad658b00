"""Writers of the intermediate forms, from what is known of the public code that writes them; none of ours is used."""

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
from prep.build.build import build
from prep.build.job import Job
from prep.formats import FindRequest, FindResult, format_named
from prep.store.read import Store, open_store


@dataclass(frozen=True)
class Made:
    """One clip that a test knows: joints float32 (L, M, V, C)."""

    name: str
    label: int
    joints: np.ndarray


def clips(count: int = 6, seed: int = 0, joints: int = 25, names: Sequence[str] = ()) -> list[Made]:
    """Clips of different lengths; every third has two bodies, the second of which is absent from frame 1."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        bodies = 2 if index % 3 == 2 else 1
        drawn = rng.normal(0, 1, (5 + index, bodies, joints, 3)).astype(np.float32)
        if bodies == 2:
            drawn[1, 1] = 0
        name = names[index] if names else f"S001C001P{index + 1:03d}R001A{index % 7 + 1:03d}"
        made.append(Made(name, int(name[-3:]) - 1 if name[-4] == "A" else index % 7, drawn))
    return made


def padded(made: Made, frames: int, bodies: int = 2, doubled: bool = False) -> np.ndarray:
    """(frames, bodies, V, C) with zeros, or with the only body repeated in the second place."""
    whole = np.zeros((frames, bodies, *made.joints.shape[2:]), np.float32)
    whole[: len(made.joints), : made.joints.shape[1]] = made.joints
    if doubled and made.joints.shape[1] == 1:
        whole[:, 1] = whole[:, 0]
    return whole


def flat(several: Sequence[Made], frames: int = 300, doubled: bool = False) -> np.ndarray:
    """(N, frames, 150)."""
    rows = [padded(made, frames, doubled=doubled).reshape(frames, 150) for made in several]
    return np.array(rows, np.float32).reshape(len(rows), frames, 150)


def channels_first(several: Sequence[Made], frames: int = 300) -> np.ndarray:
    """(N, C, frames, V, 2)."""
    return np.stack([padded(made, frames).transpose(3, 0, 2, 1) for made in several])


def one_hot(several: Sequence[Made], classes: int) -> np.ndarray:
    """(N, classes) float64."""
    y = np.zeros((len(several), classes))
    for row, made in enumerate(several):
        y[row, made.label] = 1
    return y


def ctrgcn(
    path: Path, train: Sequence[Made], test: Sequence[Made], classes: int = 120, doubled: bool = True, frames: int = 300
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


def npy_pkl(folder: Path, parts: Mapping[str, Sequence[Made]], ending: str, protocol: int = 2) -> Path:
    """A folder of 2s-AGCN or st-gcn."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, several in parts.items():
        np.save(folder / f"{part}{ending}.npy", channels_first(several))
        names = [f"{made.name}.skeleton" for made in several]
        with (folder / f"{part}_label.pkl").open("wb") as file:
            pickle.dump((names, [made.label for made in several]), file, protocol=protocol)
    return folder


def annotation(made: Made, kind: Any = np.float16) -> dict[str, Any]:
    """One entry of pyskl's and mmaction2's pickles."""
    return {
        "frame_dir": made.name,
        "label": made.label,
        "keypoint": np.ascontiguousarray(made.joints.transpose(1, 0, 2, 3)).astype(kind),
        "total_frames": len(made.joints),
    }


def find(name: str, path: Path, data: Dataset | str, scratch: Path, **options: str) -> FindResult:
    """What a form finds."""
    facts = dataset(data) if isinstance(data, str) else data
    held = format_named(name)
    return held.find(FindRequest(path, facts, held.parse_options(options), scratch))


def imported(
    name: str,
    path: Path,
    data: Dataset | str,
    out: Path,
    recipe: str = "imported",
    allow_bad: bool = False,
    **options: str,
) -> Store:
    """The store that a build makes of a form."""
    facts = dataset(data) if isinstance(data, str) else data
    job = Job(facts, recipe, path, out, form=name, options=options, allow_bad=allow_bad)
    with ThreadPoolExecutor(1) as pool:
        list(build(job, pool, window=2))
    return open_store(out)


def assert_holds(store: Store, several: Sequence[Made], tolerance: float = 0.0, bodies: int = 2) -> None:
    """The store has exactly these clips: names, labels, lengths, joints, and which body is where."""
    ordered = sorted(several, key=lambda made: made.name)
    assert list(store.names) == [made.name for made in ordered]
    assert store.label.tolist() == [made.label for made in ordered]
    assert np.diff(store.offsets).tolist() == [len(made.joints) for made in ordered]
    for made, start, stop in zip(ordered, store.offsets, store.offsets[1:], strict=False):
        expected = padded(made, len(made.joints), bodies)
        np.testing.assert_allclose(store.joints(int(start), int(stop)), expected, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(store.body_mask[start:stop], expected.any(axis=(2, 3)))
