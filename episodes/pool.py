"""Pool: the clips of a store, resident on a device, ragged and end to end, without absent bodies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from episodes.options import EpisodeError
from prep.store.frames import Frames

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# The share of a GPU's free memory that the joints may take: a network has to train beside them.
SHARE = 0.75


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
    def subject(self) -> NDArray[np.int16]:
        """(clips): the number of the person, -1 where the store does not know it."""

    @property
    def camera(self) -> NDArray[np.int16]:
        """(clips): the number of the camera, -1 where the store does not know it."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per clip."""

    @property
    def body_mask(self) -> NDArray[np.bool_]:
        """(L, M): False where a body is absent; its joints are zeros."""

    @property
    def to_recorded(self) -> NDArray[np.float32]:
        """(clips, C, C): recorded = to_recorded @ preprocessed + origin, for a joint of a present body."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, V, C) of every frame."""

    def blocks(self) -> Iterator[tuple[int, Frames]]:
        """All frames in pieces that fit in memory, each with the number of its first frame.

        Raises an error after the last one unless all frames together give the digest of the store.
        """


@dataclass(frozen=True)
class Pool:
    """Clips on one device; a clip is identified by its position in the pool, 0..X-1.

    `joints` are the bodies of all frames end to end, and one row of zeros after them. Clip x has length[x] >= 1 frames;
    body m of frame l is row first[x, m] + l * stride[x, m]. For a body that no frame of the clip has, first is the row
    of zeros and stride is 0. `origin` are the origins of all frames end to end, clip x from start[x] on, and one of
    zeros after them. Recorded coordinates of a joint are to_recorded[x] @ joint + origin.
    `clip_id` is the clip's index in the store and `names` its name there; `classes` are the names of the labels.
    `subject` and `camera` are numbers, -1 where the store does not know them. `left_out` clips had no frames, or showed
    nobody in any frame.
    `on_host`: the joints lie in the memory of the host and are sent to the device as they are gathered.
    """

    joints: Float[Tensor, "_ V C"]
    first: Int[Tensor, "X M"]
    stride: Int[Tensor, "X M"]
    start: Int[Tensor, "X"]
    length: Int[Tensor, "X"]
    origin: Float[Tensor, "L C"]
    to_recorded: Float[Tensor, "X C C"]
    label: Int[Tensor, "X"]
    subject: Int[Tensor, "X"]
    camera: Int[Tensor, "X"]
    clip_id: Int[Tensor, "X"]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    left_out: int
    on_host: bool

    @classmethod
    def load(
        cls,
        store: StoreLike,
        keep: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        on_host: bool | None = None,
        keep_empty: bool = False,
    ) -> Pool:
        """Read the clips `keep` (indices in the store; None = all) in the store's order; see `load_several`."""
        return cls.load_several(store, [keep], device, dtype, on_host, keep_empty)[0]

    @classmethod
    def load_several(
        cls,
        store: StoreLike,
        keeps: Sequence[Sequence[int] | None],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        on_host: bool | None = None,
        keep_empty: bool = False,
    ) -> tuple[Pool, ...]:
        """A pool for each choice of clips, in one pass over the store, which may be remote.

        The store is read block by block, so the peak is the pools and one block. All blocks are read, because only all
        of them together give the digest of the store. Clips without frames are left out, and so are
        those that show nobody in any frame, unless `keep_empty`.
        Joints are kept as `dtype` and served as float32. float16 keeps 11 significant bits: coordinates of 1 to 2 m are
        off by at most 0.5 mm, of 2 to 4 m by 1 mm. bfloat16 keeps 8: 4 mm and 8 mm.
        `on_host` None keeps the joints on the host where they would take more than 3/4 of the free memory of a GPU.
        Raises EpisodeError for a clip that the store does not have and a `dtype` that is not one of the three.
        """
        if dtype not in DTYPES:
            raise EpisodeError(f"dtype is {dtype}: a pool keeps its joints as {', '.join(map(str, DTYPES))}.")
        device, lengths, present = torch.device(device), np.diff(store.offsets), _present(store)
        plans = [_Plan.of(keep, lengths, present, keep_empty) for keep in keeps]
        shapes = [(int((plan.bodies * lengths).sum()) + 1, *store.shape[1:]) for plan in plans]
        if on_host is None:
            on_host = _too_large(dtype.itemsize * sum(map(math.prod, shapes)), device)
        home = torch.device("cpu") if on_host else device
        joints = [torch.empty(shape, dtype=dtype, device=home) for shape in shapes]
        origins = _read(store, plans, joints)
        return tuple(
            cls._of(store, plan, part, origin, device, on_host)
            for plan, part, origin in zip(plans, joints, origins, strict=True)
        )

    @classmethod
    def _of(
        cls,
        store: StoreLike,
        plan: _Plan,
        joints: Tensor,
        origin: NDArray[np.float32],
        device: torch.device,
        host: bool,
    ) -> Pool:
        kept = np.flatnonzero(plan.wanted)
        length, row = plan.lengths[kept], plan.row[kept]

        def tensor(array: NDArray[Any], dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.as_tensor(array, dtype=dtype, device=device)

        return cls(
            joints=joints,
            first=tensor(np.where(row < 0, len(joints) - 1, row), torch.int32),
            stride=tensor(np.where(row < 0, 0, plan.bodies[kept, None]), torch.int32),
            start=tensor(np.cumsum(length) - length),
            length=tensor(length),
            origin=tensor(origin, torch.float32),
            to_recorded=tensor(store.to_recorded[kept], torch.float32),
            label=tensor(store.label[kept]),
            subject=tensor(store.subject[kept]),
            camera=tensor(store.camera[kept]),
            clip_id=tensor(kept),
            names=tuple(store.names[i] for i in kept),
            classes=tuple(store.info.classes),
            left_out=plan.left_out,
            on_host=host,
        )

    @property
    def device(self) -> torch.device:
        """The device on which clips are served."""
        return self.length.device

    def rows(self, clip: Int[Tensor, "X"], frame: Int[Tensor, "X T"]) -> Int[Tensor, "X M T"]:
        """Rows of `joints` for frames `frame` (0..length-1 in the clip, -1 = zeros) of the bodies of clips `clip`."""
        frame = frame.int()[:, None]
        row = torch.addcmul(self.first[clip][:, :, None], self.stride[clip][:, :, None], frame)
        return torch.where(frame < 0, len(self.joints) - 1, row)

    def gather(self, row: Int[Tensor, "X M T"]) -> Float[Tensor, "X M T V C"]:
        """The joints in these rows: one copy, already in the order in which networks read them."""
        V, C = self.joints.shape[1:]
        rows, index = self.joints.view(-1, V * C), row.to(self.joints.device).view(-1)
        # On a CPU only the kernel that sums rows fetches them ahead, twice as fast; a sum over one row is that row.
        plain = row.is_cuda or row.numel() == 0 or rows.dtype != torch.float32
        taken = rows.index_select(0, index) if plain else embedding_bag(index[:, None], rows, mode="sum")
        if self.on_host and self.device.type == "cuda":
            # Only from pinned memory does a copy run beside the host's work.
            taken = taken.pin_memory().to(self.device, non_blocking=True)
        return taken.float().view(*row.shape, V, C)

    def origins(self, clip: Int[Tensor, "X"], row: Int[Tensor, "X M T"]) -> Float[Tensor, "X M T C"]:
        """The origin of the frame in each of these rows of clips `clip`; zeros for padding and absent bodies."""
        frame = (row - self.first[clip][:, :, None]) // self.stride[clip].clamp(min=1)[:, :, None]
        frame = frame + self.start[clip][:, None, None]
        return self.origin[torch.where(row < len(self.joints) - 1, frame, len(self.origin) - 1)]


@dataclass(frozen=True)
class _Plan:
    """The clips of a store that a pool takes or leaves out, their bodies, and the first row of each body (-1: none)."""

    wanted: NDArray[np.bool_]
    left_out: int
    lengths: NDArray[np.int64]
    bodies: NDArray[np.int64]
    row: NDArray[np.int64]

    @classmethod
    def of(
        cls, keep: Sequence[int] | None, lengths: NDArray[np.int64], present: NDArray[np.bool_], keep_empty: bool
    ) -> _Plan:
        chosen = _wanted(keep, len(lengths))
        wanted = chosen & (lengths > 0) & (present.any(axis=1) | keep_empty)
        taken = present & wanted[:, None]
        bodies = taken.sum(axis=1)
        first = np.cumsum(bodies * lengths) - bodies * lengths
        left_out = int(chosen.sum() - wanted.sum())
        return cls(
            wanted, left_out, lengths, bodies, np.where(taken, first[:, None] + np.cumsum(taken, axis=1) - 1, -1)
        )

    def rows(self, clip: NDArray[np.int64], frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """(frames, M): the rows of frames of clips, -1 where there is none."""
        row = self.row[clip]
        return np.where(row >= 0, row + (frame * self.bodies[clip])[:, None], -1)


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


def _present(store: StoreLike) -> NDArray[np.bool_]:
    """(clips, M): whether any frame of the clip has the body."""
    mask, lengths = store.body_mask, np.diff(store.offsets)
    present = np.zeros((len(lengths), mask.shape[1]), dtype=bool)
    filled = np.flatnonzero(lengths)
    if len(filled):
        present[filled] = np.logical_or.reduceat(mask, store.offsets[filled], axis=0)
    return present


def _read(store: StoreLike, plans: Sequence[_Plan], pools: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    """Fill the joints of the pools, block by block; returns the origins of their frames, and one of zeros."""
    offsets = store.offsets
    origins: list[list[NDArray[np.float32]]] = [[] for _ in plans]
    for start, frames in store.blocks():
        frame = np.arange(start, start + len(frames))
        clip = np.searchsorted(offsets, frame, side="right") - 1
        inside = frame - offsets[clip]
        for plan, pool, seen in zip(plans, pools, origins, strict=True):
            _copy(frames.joints, plan.rows(clip, inside), pool)
            seen.append(frames.origin[plan.wanted[clip]])
    for pool in pools:
        pool[-1] = 0
    zero = np.zeros((1, store.shape[-1]), dtype=np.float32)
    return [np.concatenate([*seen, zero]) for seen in origins]


def _copy(part: NDArray[np.float32], row: NDArray[np.int64], pool: Tensor) -> None:
    """Copy the bodies of some frames to their rows of a pool; those with row -1 are left out."""
    for body in range(row.shape[1]):
        taken = np.flatnonzero(row[:, body] >= 0)
        values = part[taken, body]
        most = np.abs(values).max(initial=0)
        if most > torch.finfo(pool.dtype).max:
            raise EpisodeError(
                f"The joints reach {most:.3g}, too large for {pool.dtype}: use torch.bfloat16 or torch.float32."
            )
        pool[torch.from_numpy(row[taken, body]).to(pool.device)] = torch.from_numpy(values).to(pool)


def _too_large(size: int, device: torch.device) -> bool:
    """Whether `size` bytes are more than a GPU can spare beside a network."""
    return device.type == "cuda" and size > SHARE * torch.cuda.mem_get_info(device)[0]
