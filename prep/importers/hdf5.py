"""HDF5 as `fsprep export --format hdf5` writes it: all clips of a store, concatenated and unchanged.

    joints (frames, M, V, C) float32     offsets (clips + 1) int64     label, subject, camera, setup, repetition (clips)
    origin (frames, C) float32           to_recorded (clips, C, C) float32
    names (clips, width) uint8, UTF-8 padded with zeros

Frames are kept unchanged; the preprocessing `imported_all` keeps four bodies instead of two. HDF5 files can refer to
other files, promise more than they hold and need code for unpacking: links, external and virtual data, filters other
than gzip, shuffle and fletcher32, chunks above 64 MiB and missing chunks are refused. The structures of the file itself
are left to the HDF5 library.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import LARGEST_COORDINATE, Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips, _labels
from prep.importers._names import clean_names
from prep.untrusted.arrays import LARGEST_IN_MEMORY, from_npy, stamp, to_npy
from prep.untrusted.files import most_unpacked

EXPORT_FORMAT = "fewshot-skeleton clips 2"
_FLOATS = ("joints", "origin", "to_recorded")
STREAMED = ("joints", "origin")  # read clip by clip; the others are read as a whole
DETAILS = ("subject", "camera", "setup", "repetition")
LARGEST_CHUNK = 64 * 2**20
_FILTERS = {1, 2, 3}  # deflate, shuffle, fletcher32
_HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)


def find(request: FindRequest) -> FindResult:
    """Every clip. Raises PrepError if the file has another format or layout."""
    path = _clips.the_file(request.raw, "*.h5", "*.hdf5")
    if path is None:
        return FindResult(())
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _clips_of(file, path, request.data)
    except _HDF5_ERRORS as error:
        raise PrepError(f"{path}: is no HDF5 file of `fsprep export` ({error}). Fetch it again.") from error


def load(source: Source) -> bytes:
    """The joints (L, M, V, C) of one clip as the bytes of a .npy, followed by its small arrays.

    These are `to_recorded` (C, C) and `origin` (L, C), float32, and the details, 4 int16.
    """
    try:
        file = _opened(source.path, source.stamp, os.getpid())
        rows, clip = slice(*source.rows), int(source.member)
        small = file.to_recorded[clip], file.origin[rows], file.details[clip]
        row = to_npy(file.joints[rows]) + b"".join(array.tobytes() for array in small)
    except _HDF5_ERRORS as error:
        raise BadFile(f"{source.name}: damaged in {source.path} ({error}). Fetch it again.") from error
    return row


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One clip with all its frames. Raises BadFile."""
    channels, frames = layout_of(data).coordinates, source.rows[1] - source.rows[0]
    size = 4 * channels * (channels + frames)
    joints = from_npy(raw[: -size - 8], source.name)
    affine, details = np.frombuffer(raw[-size - 8 : -8], "<f4").reshape(-1, channels), np.frombuffer(raw[-8:], "<i2")
    if not (np.abs(affine) <= LARGEST_COORDINATE).all():
        raise BadFile(f"{source.name}: `origin` or `to_recorded` holds no coordinates. Export the store again.")
    return replace(
        _clips.recording(source, joints, data, keep_length=True),
        to_recorded=affine[:channels],
        origin=affine[channels:],
        **dict(zip(DETAILS, details.tolist(), strict=True)),
    )


FORMAT = Format(files="one .h5 with joints, offsets, label and names", find=find, read=read, load=load, prepared=True)


def _clips_of(file: Any, path: Path, data: Dataset) -> FindResult:
    layout = layout_of(data)
    if file.attrs.get("format") != EXPORT_FORMAT:
        raise PrepError(f"{path}: is not of the format `{EXPORT_FORMAT}`. Only what `fsprep export` wrote is read.")
    arrays = {name: _dataset(file, name, path) for name in (*_FLOATS, "offsets", "label", "names", *DETAILS)}
    shape, offsets = arrays["joints"].shape, _read_all(arrays["offsets"], path)
    clips = len(offsets) - 1
    fits = shape[2:] == (len(layout.joints), layout.coordinates) and 1 <= shape[1] <= _clips.MOST_BODIES
    if not fits or arrays["joints"].dtype != np.float32:
        raise PrepError(f"{path}: joints of shape {shape} are not those of {data.name} ({layout.name}).")
    rising = clips >= 0 and offsets[0] == 0 and offsets[-1] == shape[0] and (np.diff(offsets) >= 0).all()
    if not rising or any(len(arrays[name]) != clips for name in ("label", "names", *DETAILS)):
        raise PrepError(f"{path}: offsets, labels and names do not fit each other. Fetch it again.")
    expected = {"origin": (shape[0], shape[3]), "to_recorded": (clips, shape[3], shape[3])}
    if any(arrays[name].shape != wanted or arrays[name].dtype != np.float32 for name, wanted in expected.items()):
        raise PrepError(f"{path}: origin and to_recorded do not fit joints of shape {shape}. Export the store again.")
    labels, bad = _labels.from_array(_read_all(arrays["label"], path), clips, data, str(path))
    names, nameless = clean_names((bytes(row).rstrip(b"\0") for row in _read_all(arrays["names"], path)), str(path))
    bad |= nameless
    if len(set(names)) < clips:
        raise PrepError(f"{path}: holds two clips of one name. Export the store again.")
    frame = math.prod(shape[1:]) * 4
    sources = [
        Source(name, str(path), str(row), (stop - start) * frame, stamp(path), int(labels[row]), (start, stop))
        for row, (name, start, stop) in enumerate(zip(names, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
        if row not in bad
    ]
    sources.sort(key=lambda source: source.name)
    return FindResult(tuple(sources), tuple((names[row], reason) for row, reason in bad.items()))


def _dataset(file: Any, name: str, path: Path) -> Any:
    """An array that lies completely in this file. Raises PrepError for any other."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise PrepError(
            f"{path}: `{name}` is missing, or a link to elsewhere. Only what `fsprep export` wrote is read."
        )
    array = file[name]
    plan = array.id.get_create_plist()
    filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
    if array.external or array.is_virtual or not filters <= _FILTERS:
        raise PrepError(f"{path}: `{name}` lies in other files or is packed by a custom filter. Export it again.")
    if name not in STREAMED and math.prod(array.shape) * array.dtype.itemsize > most_unpacked(
        array.id.get_storage_size()
    ):
        raise PrepError(f"{path}: `{name}` of shape {array.shape} is packed too small to be true. Export it again.")
    if array.dtype.kind not in "iuf":
        raise PrepError(f"{path}: `{name}` holds {array.dtype}, not numbers. Export it again.")
    if array.chunks is None:
        complete = array.id.get_storage_size() == math.prod(array.shape) * array.dtype.itemsize
    else:
        chunks = math.prod(-(-side // chunk) for side, chunk in zip(array.shape, array.chunks, strict=True))
        bounded = math.prod(array.chunks) * array.dtype.itemsize <= LARGEST_CHUNK
        complete = bounded and array.id.get_num_chunks() == chunks
    if not complete:
        raise PrepError(f"{path}: `{name}` of shape {array.shape} promises more than the file holds. Export it again.")
    return array


def _read_all(array: Any, path: Path) -> Any:
    if array.ndim not in (1, 2) or math.prod(array.shape) * array.dtype.itemsize > LARGEST_IN_MEMORY:
        raise PrepError(f"{path}: `{array.name}` has shape {array.shape}. Export it again.")
    return array[()]


class _Arrays(NamedTuple):
    """The arrays of a file: `joints` and `origin` unread, `to_recorded` (clips, C, C), `details` (clips, 4)."""

    joints: Any
    origin: Any
    to_recorded: NDArray[np.float32]
    details: NDArray[np.int16]


@lru_cache(maxsize=4)
def _opened(path: str, state: str, process: int) -> _Arrays:
    import h5py

    # The default cache holds one chunk of a megabyte; a chunk contains several clips, in order.
    file = h5py.File(path, "r", rdcc_nbytes=LARGEST_CHUNK)
    details = np.stack([file[name][()] for name in DETAILS], axis=1).astype("<i2")
    return _Arrays(file["joints"], file["origin"], file["to_recorded"][()], details)
