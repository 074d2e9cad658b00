"""What `fsprep export --format hdf5` writes: every clip of a store end to end, as it is.

    joints (frames, M, V, C) float32     offsets (clips + 1) int64     label, subject, camera, setup, repetition (clips)
    names (clips, width) uint8, UTF-8 padded with zeros

Frames are kept as they are; of more than two bodies the recipe `imported_all` keeps four. HDF5 can point at other
files, promise more than it holds and ask for code to unpack it: links, external and virtual data, other filters than
gzip, shuffle and fletcher32, chunks above 64 MiB and chunks that are not there are refused. What remains is the HDF5
library itself, which reads the file's own structures.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import Found, Request
from prep.importers import _clips, _labels
from prep.untrusted.arrays import LARGEST_IN_MEMORY, from_npy, stamp, to_npy

FILES = "one .h5 with joints, offsets, label and names"
PREPARED = True
FORMAT = "fewshot-skeleton clips 1"
DETAILS = ("subject", "camera", "setup", "repetition")
LARGEST_CHUNK = 64 * 2**20
_FILTERS = {1, 2, 3}  # deflate, shuffle, fletcher32
_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError)


def find(request: Request) -> Found:
    """Every clip. Raises PrepError where the file is not of this form, or another layout."""
    path = _the_file(request.raw)
    if path is None:
        return Found(())
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _found(file, path, request.data)
    except _BROKEN as error:
        raise PrepError(f"{path}: is no HDF5 file of `fsprep export` ({error}). Fetch it again.") from error


def load(source: Source) -> bytes:
    """One clip's joints (L, M, V, C) as the bytes of a .npy, and what the name does not say, 4 int16, behind it."""
    try:
        joints, details = _opened(source.path, source.stamp, os.getpid())
        start, stop = source.rows
        row = to_npy(joints[start:stop]) + details[int(source.member)].tobytes()
    except _BROKEN as error:
        raise BadFile(f"{source.name}: damaged in {source.path} ({error}). Fetch it again.") from error
    return row


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One clip, as long as it was. Raises BadFile."""
    joints, details = from_npy(raw[:-8], source.name), np.frombuffer(raw[-8:], "<i2").tolist()
    recording = _clips.recording(source, joints, data, keep_length=True)
    return replace(recording, **dict(zip(DETAILS, details, strict=True)))


def _found(file: Any, path: Path, data: Dataset) -> Found:
    known = layout_of(data)
    if file.attrs.get("format") != FORMAT:
        raise PrepError(f"{path}: is not of the form `{FORMAT}`. Only what `fsprep export` wrote is read.")
    arrays = {name: _dataset(file, name, path) for name in ("joints", "offsets", "label", "names", *DETAILS)}
    shape, offsets = arrays["joints"].shape, _whole(arrays["offsets"], path)
    clips = len(offsets) - 1
    fits = shape[2:] == (len(known.joints), known.coordinates) and 1 <= shape[1] <= _clips.MOST_BODIES
    if not fits or arrays["joints"].dtype != np.float32:
        raise PrepError(f"{path}: joints of shape {shape} are not those of {data.name} ({known.name}).")
    rising = clips >= 0 and offsets[0] == 0 and offsets[-1] == shape[0] and (np.diff(offsets) >= 0).all()
    if not rising or any(len(arrays[name]) != clips for name in ("label", "names", *DETAILS)):
        raise PrepError(f"{path}: offsets, labels and names do not fit each other. Fetch it again.")
    labels, bad = _labels.from_array(_whole(arrays["label"], path), clips, data, str(path))
    texts = [bytes(row).rstrip(b"\0").decode() for row in _whole(arrays["names"], path)]
    names = [_clips.clean_name(text, str(path)) for text in texts]
    if len(set(names)) < clips:
        raise PrepError(f"{path}: holds two clips of one name. Export the store again.")
    frame = math.prod(shape[1:]) * 4
    sources = [
        Source(name, str(path), str(row), (stop - start) * frame, stamp(path), int(labels[row]), (start, stop))
        for row, (name, start, stop) in enumerate(zip(names, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
        if row not in bad
    ]
    sources.sort(key=lambda source: source.name)
    return _clips.usable(Found(tuple(sources), tuple((names[row], reason) for row, reason in bad.items())))


def _dataset(file: Any, name: str, path: Path) -> Any:
    """An array of the file that is all there and only there. Raises PrepError."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise PrepError(
            f"{path}: `{name}` is missing, or a link to elsewhere. Only what `fsprep export` wrote is read."
        )
    held = file[name]
    plan = held.id.get_create_plist()
    filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
    if held.external or held.is_virtual or not filters <= _FILTERS:
        raise PrepError(f"{path}: `{name}` lies in other files or is packed by a filter of its own. Export it again.")
    size = math.prod(held.shape) * held.dtype.itemsize
    if held.dtype.kind not in "iuf":
        raise PrepError(f"{path}: `{name}` holds {held.dtype}, not numbers. Export it again.")
    if held.chunks is None:
        whole = held.id.get_storage_size() == size
    else:
        needed = math.prod(-(-side // chunk) for side, chunk in zip(held.shape, held.chunks, strict=True))
        whole = held.id.get_num_chunks() == needed and math.prod(held.chunks) * held.dtype.itemsize <= LARGEST_CHUNK
    if not whole:
        raise PrepError(f"{path}: `{name}` of shape {held.shape} promises more than the file holds. Export it again.")
    return held


def _whole(held: Any, path: Path) -> Any:
    if held.ndim not in (1, 2) or math.prod(held.shape) * held.dtype.itemsize > LARGEST_IN_MEMORY:
        raise PrepError(f"{path}: `{held.name}` has shape {held.shape}. Export it again.")
    return held[()]


@lru_cache(maxsize=4)
def _opened(path: str, state: str, process: int) -> tuple[Any, NDArray[np.int16]]:
    """The joints, unread, and the details (clips, 4)."""
    import h5py

    # The default cache holds one chunk of a megabyte; clips lie in order, several to a chunk.
    file = h5py.File(path, "r", rdcc_nbytes=LARGEST_CHUNK)
    return file["joints"], np.stack([file[name][()] for name in DETAILS], axis=1).astype("<i2")


def _the_file(raw: Path) -> Path | None:
    if raw.is_file():
        return raw
    held = sorted(path for ending in ("*.h5", "*.hdf5") for path in raw.glob(ending))
    if len(held) > 1:
        raise PrepError(f"{raw}: holds {', '.join(path.name for path in held)}. Name the file instead of the folder.")
    return held[0] if held else None
