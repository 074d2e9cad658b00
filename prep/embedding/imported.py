"""Vectors that somebody else computed, of videos and of class names, into a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.embedding.job import Stored, stored
from prep.errors import PrepError
from prep.files import disk_errors, locked
from prep.store.embedding_key import AboutText, AboutVideo, TextKey, VideoKey
from prep.store.embeddings import LARGEST_WIDTH
from prep.store.info import software
from prep.store.keep_embedding import check_name, keep_texts, keep_videos, working
from prep.store.manifest import file_digest
from prep.store.read import Store, open_store
from prep.untrusted.arrays import keys, npy, npz, whole


@dataclass(frozen=True)
class ImportJob:
    """Take the vectors of `file` into `store` under `name`; `said` is what the user says of the encoder.

    `file` is an .npz with `names` (n,) and `video` (n, D), `text` (classes, D) in the order of the store's classes, or
    both; or an .npy (n, D) with the names one per line in `names`.
    """

    store: Store
    file: Path
    name: str
    said: str
    names: Path | None = None
    replace: bool = False


@dataclass(frozen=True)
class Imported:
    """What an import came to: clips and classes with a vector, (None: not in the file), and clips left without."""

    store: str
    name: str
    width: int
    clips: int | None
    classes: int | None
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


def import_embeddings(job: ImportJob) -> Imported:
    """Match vectors with clips by name and keep them. Names that are no clip of the store are left out and reported.

    Raises PrepError where the file is not of this form, a name stands twice, nothing fits or numbers are not finite,
    and where the store holds something under the name, unless it shall be replaced.
    """
    check_name(job.name)
    beside = working(job.store)
    with locked(beside), disk_errors(beside):
        _check_free(job)
        with TemporaryDirectory(dir=beside) as scratch:
            arrays = _arrays(job, Path(scratch))
        weights = file_digest(job.file)
        clips = _keep_videos(job, arrays, weights) if "video" in arrays else (None, (), ())
        if "text" in arrays:
            _keep_texts(job, arrays["text"], weights)
    width = int(next(arrays[part] for part in ("video", "text") if part in arrays).shape[1])
    classes = len(arrays["text"]) if "text" in arrays else None
    return Imported(job.store.path, job.name, width, clips[0], classes, *clips[1:])


def _keep_videos(
    job: ImportJob, arrays: Mapping[str, NDArray[Any]], weights: str
) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """(clips with a vector, names of those without, names that are no clip)."""
    vectors, done, unknown = _by_clip(job, arrays["video"], arrays["names"].tolist())
    key = VideoKey(job.name, weights, 0, 0, "", "", "", str(vectors.dtype))
    nobody_counted = np.full(len(job.store), -1, np.int32)
    keep_videos(job.store, job.name, vectors, done, nobody_counted, AboutVideo(key, _named(job), False, software()))
    names = job.store.names
    return int(done.sum()), tuple(names[clip] for clip in np.flatnonzero(~done)), unknown


def _keep_texts(job: ImportJob, vectors: NDArray[Any], weights: str) -> None:
    key = TextKey(job.name, weights, (), "", _kind(vectors))
    # Opened anew: its mark may have a new entry.
    store = open_store(job.store.path)
    keep_texts(store, job.name, stored(vectors, _kind(vectors)), AboutText(key, _named(job), False, software()))


def _named(job: ImportJob) -> str:
    return job.said or job.file.name


def _check_free(job: ImportJob) -> None:
    taken = [unit for unit in job.store.manifest.embedded if unit.startswith(f"{job.name}/")]
    if taken and not job.replace:
        raise PrepError(f"{job.store.path}: holds {' and '.join(taken)} already. Take another --name, or --replace.")


def _arrays(job: ImportJob, scratch: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of the file, shapes, types and numbers checked."""
    if job.file.suffix == ".npy":
        if job.names is None:
            raise PrepError(f"{job.file}: an .npy holds no names. Give them with --names FILE, one per line.")
        found = {"video": whole(npy(job.file)), "names": _lines(job.names)}
    else:
        found = {name: whole(at) for name, at in npz(job.file, ("names", "video", "text"), scratch).items()}
    if not {"video", "text"} & found.keys() or ("video" in found) != ("names" in found):
        has = ", ".join(keys(job.file)) if job.file.suffix != ".npy" else "one array"
        raise PrepError(f"{job.file}: holds {has}; `video` with `names`, `text`, or all three are needed.")
    for part in ("video", "text"):
        if part in found:
            _check_vectors(job, part, found[part])
    if "text" in found and len(found["text"]) != len(job.store.info.classes):
        rule = f"`text` has {len(found['text'])} rows, the store {len(job.store.info.classes)} classes"
        raise PrepError(f"{job.file}: {rule}. One row for each class, in the order of `fsprep info --json`.")
    if "video" in found and found["names"].shape != (len(found["video"]),):
        rule = f"{found['names'].shape} names for {len(found['video'])} rows of `video`"
        raise PrepError(f"{job.file}: {rule}. One name for each row.")
    return found


def _check_vectors(job: ImportJob, part: str, vectors: NDArray[Any]) -> None:
    if vectors.ndim != 2 or not 1 <= vectors.shape[1] <= LARGEST_WIDTH or vectors.dtype.kind != "f":
        rule = f"`{part}` is {vectors.dtype} of shape {vectors.shape}; it must be floats of (rows, D)"
        raise PrepError(f"{job.file}: {rule}. Save it again.")
    if not np.isfinite(vectors).all():
        raise PrepError(f"{job.file}: `{part}` holds numbers that are not finite. Compute it again.")


def _kind(vectors: NDArray[Any]) -> Stored:
    return "float16" if vectors.dtype == np.float16 else "float32"


def _lines(path: Path) -> NDArray[np.str_]:
    try:
        return np.array(path.read_text(encoding="utf-8").splitlines(), np.str_)
    except (OSError, UnicodeDecodeError) as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error


def _by_clip(
    job: ImportJob, vectors: NDArray[Any], names: list[str]
) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[str, ...]]:
    """(vectors (clips, D), which clips have one, names that are no clip)."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise PrepError(f"{job.file}: `{twice[0]}` stands twice in `names` ({len(twice)} such). Keep one row of each.")
    clip_of = {name: clip for clip, name in enumerate(job.store.names)}
    fitting = [(row, clip_of[name]) for row, name in enumerate(names) if name in clip_of]
    if not fitting:
        rule = f"none of its names ({names[0] if names else 'none at all'}, ...) is a clip of {job.store.path}"
        raise PrepError(f"{job.file}: {rule}, such as {job.store.names[0]}. Names are stems of the raw files.")
    rows, clips = np.array(fitting).T
    spread = np.zeros((len(clip_of), vectors.shape[1]), _kind(vectors))
    done = np.zeros(len(clip_of), np.bool_)
    spread[clips], done[clips] = stored(vectors[rows], _kind(vectors)), True
    return spread, done, tuple(name for name in names if name not in clip_of)
