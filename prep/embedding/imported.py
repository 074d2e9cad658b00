"""Vectors of videos and class names that were computed elsewhere, into a store."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.embedding.job import StoredType, as_stored
from prep.errors import PrepError
from prep.files import WRITING
from prep.store.arrays import MAX_WIDTH
from prep.store.embedding_key import TextKey, TextMetadata, VideoKey, VideoMetadata
from prep.store.info import software
from prep.store.keep_embedding import NewPart, are_kept, check_name, keep, locked_store, text_part, video_part
from prep.store.manifest import file_digest
from prep.store.read import Store
from prep.untrusted.arrays import npz_names, open_npy, open_npz, read_all
from prep.untrusted.files import check_regular
from prep.untrusted.text import text_of


@dataclass(frozen=True)
class ImportJob:
    """Import the vectors in `file` into `store` as the embedding `name`; `description` says how they were computed.

    `file` is an .npz with `names` (n,) and `video` (n, D), `text` (classes, D) in the order of the store's classes, or
    all three; or an .npy (n, D) with one clip name per line in the file `names`.
    """

    store: Store
    file: Path
    name: str
    description: str
    names: Path | None = None
    replace: bool = False


@dataclass(frozen=True)
class Imported:
    """The outcome of an import: how many clips and classes have a vector (None: not in the file).

    `missing` lists clips without a vector, `unknown` names in the file that are no clip of the store. `fresh` is False
    if the store had these vectors already.
    """

    store: str
    name: str
    width: int
    clips: int | None
    classes: int | None
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    fresh: bool


def import_embeddings(job: ImportJob) -> Imported:
    """Match vectors with clips by name and store them. Names that are no clip of the store are left out and reported.

    Raises PrepError where the file has another format, a name occurs twice, no name matches or numbers are not finite,
    and where the store has another embedding of this name, unless `replace` is set.
    """
    check_name(job.name)
    with locked_store(job.store) as (store, working):
        job = dataclasses.replace(job, store=store)
        with TemporaryDirectory(dir=working, suffix=WRITING) as scratch:
            arrays = _arrays(job, Path(scratch))
        weights, parts = file_digest(job.file), []
        done, unknown = None, tuple[str, ...]()
        if "video" in arrays:
            vectors, done, unknown = _by_clip(job, arrays["video"], _texts(arrays["names"]))
            parts.append(_video_part(job, vectors, done, weights))
        if "text" in arrays:
            parts.append(_text_part(job, arrays["text"], weights))
        fresh = not are_kept(store, job.name, *parts)
        if fresh:
            _check_free(job)
            _check_all_replaced(job, arrays)
            keep(store, job.name, *parts)
    return Imported(
        store=store.path,
        name=job.name,
        width=int(next(arrays[kind] for kind in ("video", "text") if kind in arrays).shape[1]),
        clips=None if done is None else int(done.sum()),
        classes=len(arrays["text"]) if "text" in arrays else None,
        missing=() if done is None else tuple(store.names[clip] for clip in np.flatnonzero(~done)),
        unknown=unknown,
        fresh=fresh,
    )


def _video_part(job: ImportJob, vectors: NDArray[Any], done: NDArray[np.bool_], weights: str) -> NewPart:
    key = VideoKey(job.name, weights, 0, 0, "", "", "", str(vectors.dtype))
    not_counted = np.full(len(job.store), -1, np.int32)
    return video_part(vectors, done, not_counted, VideoMetadata(key, _description(job), False, software()))


def _text_part(job: ImportJob, vectors: NDArray[Any], weights: str) -> NewPart:
    dtype = _stored_type(vectors)
    key = TextKey(job.name, weights, (), "", dtype)
    return text_part(as_stored(vectors, dtype), TextMetadata(key, _description(job), False, software()))


def _description(job: ImportJob) -> str:
    return job.description or job.file.name


def _check_free(job: ImportJob) -> None:
    parts = job.store.embeddings.get(job.name, ())
    if parts and not job.replace:
        listed = " and ".join(map(str, parts))
        rule = f"holds {listed} already, with other vectors or another --description"
        raise PrepError(f"{job.store.path}: {rule}. Take another --name, or --replace.")


def _check_all_replaced(job: ImportJob, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise PrepError if a part would remain that was not made together with the new ones."""
    remaining = [str(part) for part in job.store.embeddings.get(job.name, ()) if part.kind not in arrays]
    if remaining:
        rule = f"does not replace {' and '.join(remaining)}, and vectors from two files do not fit together"
        raise PrepError(f"{job.file}: {rule}. Put `video`, `names` and `text` into one file, or take another --name.")


def _arrays(job: ImportJob, scratch: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of the file; shapes, types and numbers are checked."""
    if job.file.suffix == ".npy":
        if job.names is None:
            raise PrepError(f"{job.file}: an .npy holds no names. Give them with --names FILE, one per line.")
        arrays = {"video": read_all(open_npy(job.file)), "names": _lines(job.names)}
    else:
        members = open_npz(job.file, ("names", "video", "text"), scratch)
        arrays = {name: read_all(member, job.file.stat().st_size) for name, member in members.items()}
    if not {"video", "text"} & arrays.keys() or ("video" in arrays) != ("names" in arrays):
        content = ", ".join(npz_names(job.file)) if job.file.suffix != ".npy" else "one array"
        raise PrepError(f"{job.file}: holds {content}; `video` with `names`, `text`, or all three are needed.")
    for kind in ("video", "text"):
        if kind in arrays:
            _check_vectors(job, kind, arrays[kind])
    if "text" in arrays and len(arrays["text"]) != len(job.store.info.classes):
        rule = f"`text` has {len(arrays['text'])} rows, the store {len(job.store.info.classes)} classes"
        raise PrepError(f"{job.file}: {rule}. One row for each class, in the order of `fsprep info --json`.")
    if "video" in arrays and arrays["names"].shape != (len(arrays["video"]),):
        rule = f"{arrays['names'].shape} names for {len(arrays['video'])} rows of `video`"
        raise PrepError(f"{job.file}: {rule}. One name for each row.")
    return arrays


def _check_vectors(job: ImportJob, kind: str, vectors: NDArray[Any]) -> None:
    if vectors.ndim != 2 or not 1 <= vectors.shape[1] <= MAX_WIDTH or vectors.dtype.kind not in "fiu":
        rule = f"`{kind}` is {vectors.dtype} of shape {vectors.shape}; it must be numbers of (rows, D)"
        raise PrepError(f"{job.file}: {rule}. Save it again.")
    if not np.isfinite(vectors).all():
        raise PrepError(f"{job.file}: `{kind}` holds numbers that are not finite. Compute it again.")


def _stored_type(vectors: NDArray[Any]) -> StoredType:
    return "float16" if vectors.dtype == np.float16 else "float32"


def _lines(path: Path) -> NDArray[np.str_]:
    try:
        check_regular(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error
    return np.array(lines, np.str_)


def _texts(names: NDArray[Any]) -> list[str]:
    """Names of any type, bytes included, without blanks around them."""
    return [str(text_of(name)).strip() for name in names.tolist()]


def _by_clip(
    job: ImportJob, vectors: NDArray[Any], names: list[str]
) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[str, ...]]:
    """(vectors (clips, D), which clips have one, names that are no clip)."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        rule = f"`{repeated[0]}` stands twice in `names` ({len(repeated)} such)"
        raise PrepError(f"{job.file}: {rule}. Keep one row of each.")
    clip_of = {name: clip for clip, name in enumerate(job.store.names)}
    matches = [(row, clip_of[name]) for row, name in enumerate(names) if name in clip_of]
    if not matches:
        rule = f"none of its names ({names[0] if names else 'none at all'}, ...) is a clip of {job.store.path}"
        raise PrepError(f"{job.file}: {rule}, such as {job.store.names[0]}. Names are stems of the raw files.")
    rows, clips = np.array(matches).T
    dtype = _stored_type(vectors)
    by_clip = np.zeros((len(clip_of), vectors.shape[1]), dtype)
    done = np.zeros(len(clip_of), np.bool_)
    by_clip[clips], done[clips] = as_stored(vectors[rows], dtype), True
    return by_clip, done, tuple(name for name in names if name not in clip_of)
