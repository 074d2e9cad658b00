"""Pool: the clips of a store, resident on a device, ragged and end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from episodes.options import EpisodeError

# Frames read from the store at once: about 40 MB for two bodies of 25 joints.
SLICE = 65_536


@runtime_checkable
class StoreLike(Protocol):
    """The part of a store that a pool reads; prep.store.read.Store has it."""

    @property
    def info(self) -> Any:
        """StoreInfo, of which only `classes`, the names of the labels, is read."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(clips + 1): clip i is frames offsets[i] : offsets[i + 1]."""

    @property
    def label(self) -> NDArray[np.int32]:
        """(clips): 0-based index into the classes."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per clip."""

    def joints(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Frames start : stop of all clips end to end, (L, M, V, C)."""


class PoolTooLarge(EpisodeError):
    """The clips asked for do not fit into the free memory of the device."""


@dataclass(frozen=True)
class Pool:
    """Clips on one device; a clip is identified by its position in the pool, 0..X-1.

    `joints` are the frames of all clips end to end, and one frame of zeros after them for padding.
    Clip x is frames start[x] .. start[x] + length[x] - 1, and length[x] is at least 1. `clip_id` is the clip's index in
    the store and `names` its name there; `classes` are the names of the labels. `left_out` clips had no frames.
    """

    joints: Float[Tensor, "L M V C"]
    start: Int[Tensor, "X"]
    length: Int[Tensor, "X"]
    label: Int[Tensor, "X"]
    clip_id: Int[Tensor, "X"]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    left_out: int

    @classmethod
    def load(cls, store: StoreLike, keep: Sequence[int] | None = None, device: torch.device | str = "cpu") -> Pool:
        """Read the clips `keep` (indices in the store; None = all) in the store's order; see `load_several`."""
        return cls.load_several(store, [keep], device)[0]

    @classmethod
    def load_several(
        cls, store: StoreLike, keeps: Sequence[Sequence[int] | None], device: torch.device | str = "cpu"
    ) -> tuple[Pool, ...]:
        """A pool for each choice of clips, in one pass over the store, which may be remote.

        The store is read slice by slice, so the peak is the pools and one slice. Clips without frames are left out.
        Raises EpisodeError for a clip that the store does not have, PoolTooLarge when a GPU's memory does not suffice.
        """
        lengths = np.diff(store.offsets)
        wanted = [_wanted(keep, len(lengths)) for keep in keeps]
        joints = _joints(store, [np.repeat(mask, lengths) for mask in wanted], torch.device(device))
        return tuple(cls._of(store, mask, part, device) for mask, part in zip(wanted, joints, strict=True))

    @classmethod
    def _of(
        cls, store: StoreLike, wanted: NDArray[np.bool_], joints: Float[Tensor, "L M V C"], device: torch.device | str
    ) -> Pool:
        lengths = np.diff(store.offsets)
        kept = np.flatnonzero(wanted & (lengths > 0))
        length = lengths[kept]
        return cls(
            joints=joints,
            start=torch.as_tensor(np.cumsum(length) - length, dtype=torch.int64, device=device),
            length=torch.as_tensor(length, dtype=torch.int64, device=device),
            label=torch.as_tensor(store.label[kept], dtype=torch.int64, device=device),
            clip_id=torch.as_tensor(kept, dtype=torch.int64, device=device),
            names=tuple(store.names[i] for i in kept),
            classes=tuple(store.info.classes),
            left_out=int(wanted.sum()) - len(kept),
        )

    @property
    def device(self) -> torch.device:
        """The device of all tensors of the pool."""
        return self.joints.device

    def rows(self, clip: Int[Tensor, "X"], frame: Int[Tensor, "X T"]) -> Int[Tensor, "X M T"]:
        """Rows of `joints` for frames `frame` (0..length-1 in the clip, -1 = zeros) of the bodies of clips `clip`."""
        L, M = self.joints.shape[:2]
        index = torch.where(frame < 0, L - 1, frame + self.start[clip][:, None]).int()
        return index[:, None] * M + torch.arange(M, device=self.device, dtype=torch.int32)[:, None]

    def gather(self, row: Int[Tensor, "X M T"]) -> Float[Tensor, "X M T V C"]:
        """The joints in these rows: one copy, already in the order in which networks read them."""
        V, C = self.joints.shape[2:]
        rows = self.joints.view(-1, V * C)
        # On a CPU only the kernel that sums rows fetches them ahead, twice as fast; a sum over one row is that row.
        plain = row.is_cuda or row.numel() == 0
        taken = rows.index_select(0, row.view(-1)) if plain else embedding_bag(row.view(-1, 1), rows, mode="sum")
        return taken.view(*row.shape, V, C)


def _wanted(keep: Sequence[int] | None, clips: int) -> NDArray[np.bool_]:
    if keep is None:
        return np.ones(clips, dtype=bool)
    indices = np.asarray(keep, dtype=np.int64)
    strange = indices[(indices < 0) | (indices >= clips)]
    if len(strange):
        raise EpisodeError(f"keep: clip {strange[0]} is not in the store, which has {clips} clips: use 0..{clips - 1}.")
    wanted = np.zeros(clips, dtype=bool)
    wanted[indices] = True
    return wanted


def _joints(store: StoreLike, wanted: Sequence[NDArray[np.bool_]], device: torch.device) -> list[Tensor]:
    """For each choice of frames those `wanted`, and one of zeros, on the device: (L, M, V, C)."""
    frame = store.joints(0, 0).shape[1:]
    shapes = [(int(mask.sum()) + 1, *frame) for mask in wanted]
    _check_room(sum(int(np.prod(shape)) for shape in shapes), device)
    pools = [torch.empty(shape, device=device) for shape in shapes]
    ends = [0] * len(pools)
    for start in range(0, len(wanted[0]), SLICE):
        here = [mask[start : start + SLICE] for mask in wanted]
        if not any(mask.any() for mask in here):
            continue
        part = store.joints(start, start + len(here[0]))
        for number, (pool, mask) in enumerate(zip(pools, here, strict=True)):
            end = ends[number] + int(mask.sum())
            pool[ends[number] : end] = torch.from_numpy(part[mask])
            ends[number] = end
    for pool in pools:
        pool[-1] = 0
    return pools


def _check_room(numbers: int, device: torch.device) -> None:
    if device.type != "cuda":
        return
    need, free = 4 * numbers, torch.cuda.mem_get_info(device)[0]
    if need > free:
        raise PoolTooLarge(
            f"The pool needs {need / 1e9:.1f} GB and {device} has {free / 1e9:.1f} GB free: "
            "keep fewer clips (a smaller split) or put the pool on the CPU."
        )
