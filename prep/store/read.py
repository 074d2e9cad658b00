"""Reading a finished store; `prep/store/arrays.py` lists its arrays, `prep/store/write.py` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import PrepError
from prep.storage.address import storage_at
from prep.storage.storage import Storage
from prep.store.arrays import BLOCK, BOX, PER_FRAME
from prep.store.embedding_key import EmbeddingPart
from prep.store.frames import Frames
from prep.store.info import StoreInfo, info_of, of_one_manifest
from prep.store.manifest import (
    AGAIN,
    MANIFEST,
    FileEntry,
    Manifest,
    StoreError,
    array_digest,
    block_digests,
    check_files,
    long_digest,
    long_digests,
)
from prep.store.values import check_values, clip_names


def _small(name: str) -> cached_property[NDArray[Any]]:
    return cached_property(lambda store: store.read_small(name))


class Store:
    """A finished store, read only: small arrays are read on first use and kept, `joints` and `origin` on every call.

    Small arrays and `body_mask` are compared with their digests when they are read, the frames by `blocks`: what these
    give is what the digest of the store stands for. `joints`, `origin` and `read_frames` give any rows, and find only
    damage (a checksum per chunk).
    """

    def __init__(self, storage: Storage, info: StoreInfo, manifest: Manifest, group: Any) -> None:
        self.storage, self.info, self.manifest, self._group = storage, info, manifest, group

    def with_manifest(self, manifest: Manifest) -> Store:
        """The same files under another manifest."""
        return Store(self.storage, self.info, manifest, self._group)

    @property
    def digest(self) -> str:
        """sha256 over attributes and arrays: equal for equal clips, however many machines or steps built them."""
        return self.manifest.digest

    @property
    def array_digests(self) -> Mapping[str, str]:
        """The sha256 of each array, from the manifest."""
        return self.manifest.arrays

    @property
    def path(self) -> str:
        """Path or URL of the store."""
        return str(self.storage)

    @property
    def files(self) -> Mapping[str, FileEntry]:
        """Size and digest of each file, by its path inside the store."""
        return self.manifest.files

    @property
    def embeddings(self) -> Mapping[str, tuple[EmbeddingPart, ...]]:
        """The parts (vectors of videos, of class names) of each embedding, by name in alphabetical order."""
        parts = sorted(map(EmbeddingPart.parse, self.manifest.embedded))
        return {part.name: tuple(other for other in parts if other.name == part.name) for part in parts}

    @property
    def frames(self) -> int:
        """The number of frames of all clips together."""
        return int(self._group["joints"].shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, V, C) of every frame."""
        _, bodies, joints, channels = self._group["joints"].shape
        return bodies, joints, channels

    def __len__(self) -> int:
        return len(self.label)

    def joints(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Frames start : stop as (frames, M, V, C). Raises StoreError if a block is damaged."""
        return self.read("joints", slice(start, stop))

    def origin(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """The origin of frames start : stop as (frames, C), in the unit in which the clips were recorded.

        For a joint of a present body, recorded = `to_recorded` of its clip @ preprocessed + origin of its frame.
        Raises StoreError if a block is damaged.
        """
        return self.read("origin", slice(start, stop))

    def read_frames(self, start: int = 0, stop: int | None = None) -> Frames:
        """Frames start : stop with everything that a store holds per frame. Raises StoreError if a block is damaged."""
        return Frames(**{name: self.read(name, slice(start, stop)) for name in PER_FRAME})

    def blocks(self) -> Iterator[tuple[int, Frames]]:
        """All frames, at most 65,536 at a time, each with the number of its first frame.

        Raises StoreError for values that are not finite, and at the end if the frames do not give the store's digest.
        """
        digests = []
        for index, start in enumerate(range(0, self.frames, BLOCK)):
            frames = self.read_frames(start, min(start + BLOCK, self.frames))
            if not (np.isfinite(frames.joints).all() and np.isfinite(frames.origin).all()):
                rows = f"frames {start} to {start + len(frames) - 1}"
                raise StoreError(f"{self.path}: {rows} hold values that are not finite. {AGAIN}")
            digests.append(block_digests(index, frames))
            yield start, frames
        for name, digest in long_digests(digests).items():
            self._compare(name, digest)

    def read_small(self, name: str) -> NDArray[Any]:
        """One of the small arrays. Raises StoreError unless it gives its digest and its values are possible."""
        values = self.read(name)
        self._compare(name, array_digest(values))
        try:
            check_values(name, values, self.frames, len(self.info.classes))
        except ValueError as error:
            raise StoreError(f"{self.path}: {error}. {AGAIN}") from error
        return values

    def read(self, name: str, rows: slice = slice(None)) -> NDArray[Any]:
        """Some rows of one array. Raises StoreError if it is damaged, StorageError if it cannot be reached."""
        try:
            with self.storage.backend_errors():
                return np.asarray(self._group[name][rows])
        except (ValueError, OSError, RuntimeError, KeyError) as error:
            shards = self._shards(name, rows)
            raise StoreError(f"{self.path}: array `{name}` is damaged ({error}) in {shards}. {AGAIN}") from error

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape of one array, from its header. Raises StoreError if there is no such array."""
        try:
            with self.storage.backend_errors():
                return tuple(self._group[name].shape)
        except (KeyError, AttributeError, ValueError) as error:
            raise StoreError(f"{self.path}: has no array `{name}`. {AGAIN}") from error

    def attributes(self, name: str) -> Mapping[str, Any]:
        """The attributes of one array. Raises StoreError if there is no such array."""
        try:
            with self.storage.backend_errors():
                return dict(self._group[name].attrs)
        except (KeyError, ValueError) as error:
            raise StoreError(f"{self.path}: has no array `{name}`. {AGAIN}") from error

    def _compare(self, name: str, digest: str) -> None:
        if digest != self.array_digests.get(name):
            raise StoreError(f"{self.path}: array `{name}` differs from its digest. {AGAIN}")

    def _shards(self, name: str, rows: slice) -> str:
        """The files that hold these rows, for an error message."""
        start, stop, _ = rows.indices(self.frames if name in PER_FRAME else 1)
        first, last = f"{name}/c/{start // BLOCK}", f"{name}/c/{max(start, stop - 1) // BLOCK}"
        return first if first == last else f"one of {first} to {last}"

    @cached_property
    def body_mask(self) -> NDArray[np.bool_]:
        """(frames, M): False where a body is absent. Raises StoreError unless it gives its digest."""
        mask = self.read("body_mask")
        digests = [array_digest(mask[start : start + BLOCK]) for start in range(0, len(mask), BLOCK)]
        self._compare("body_mask", long_digest(digests))
        return mask

    @cached_property
    def to_recorded(self) -> NDArray[np.float32]:
        """(clips, C, C): the linear map from preprocessed to recorded coordinates; see `origin`."""
        return self.read_small("to_recorded")

    @cached_property
    def box(self) -> NDArray[np.float32]:
        """(clips, 4): left, top, right, bottom of the joints in the video, each -1 where unknown."""
        return np.stack([getattr(self, side) for side in BOX], axis=1)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each clip: its raw file without the extension."""
        rows = self.read_small("names")
        try:
            return clip_names(rows)
        except ValueError as error:
            raise StoreError(f"{self.path}: `names` is damaged ({error}). {AGAIN}") from error

    label = _small("label")
    subject = _small("subject")
    camera = _small("camera")
    setup = _small("setup")
    repetition = _small("repetition")
    bodies = _small("bodies")
    quality = _small("quality")
    start = _small("start")
    stop = _small("stop")
    left = _small("left")
    top = _small("top")
    right = _small("right")
    bottom = _small("bottom")
    source = _small("source")
    offsets = _small("offsets")


def open_store(path: Path | str) -> Store:
    """Open a finished store at a path or URL; arrays are read when they are used.

    It is opened again where another command replaced one of its embeddings meanwhile. Raises StoreError if it is
    absent, unfinished, of another format or visibly altered, StorageError if it cannot be reached.
    """
    storage = storage_at(path)
    return of_one_manifest(storage, lambda manifest: _open(storage, manifest))


def _open(storage: Storage, manifest: Manifest) -> Store:
    info = info_of(storage, manifest)
    check_files(storage, manifest)
    storage.check_ranges(MANIFEST)
    with storage.backend_errors():
        return Store(storage, info, manifest, _open_group(storage, manifest))


def local(store: Store) -> Path:
    """The folder of a store on this machine. Raises PrepError for a remote store."""
    folder = store.storage.backend
    if not isinstance(folder, Path):
        raise PrepError(f"{store.path}: is not on this machine. Fetch it first: `fsprep pull {store.path}`.")
    return folder


def _open_group(storage: Storage, manifest: Manifest) -> Any:
    import zarr

    import prep.store.codec  # noqa: F401  (zarr reads Blosc chunks through it)

    backend = storage.backend
    zarr_store = backend if isinstance(backend, Path) else _remote_group(backend, storage, manifest)
    # Consolidated metadata is a second copy of the headers, which nobody has checked.
    return zarr.open_group(zarr_store, mode="r", use_consolidated=False)


def _remote_group(backend: Any, storage: Storage, manifest: Manifest) -> Any:
    """zarr's view of an obstore store that raises for a listed file that is absent; zarr alone would read zeros."""
    from zarr.storage import ObjectStore

    class CompleteStore(ObjectStore):
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            content = await super().get(key, prototype, byte_range)
            if content is None and key in manifest.files:
                raise StoreError(f"{storage}: {key} is gone. {AGAIN}")
            return content

    return CompleteStore(backend, read_only=True)
