"""Several stores to one: shards that several people built, or camera folders built one by one.

Clips lie in the order of their names, and facts must agree, so the merged store has the digest of a store built at once
from the same files: `made_from`, like `software`, is left out of the digest. It is written beside its place, sealed,
and renamed; a merge that was stopped begins again. Embeddings on which the stores agree go along.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.curate.merge_embeddings import unite
from prep.errors import PrepError
from prep.files import disk_errors, locked
from prep.store.info import StoreInfo, software
from prep.store.manifest import Block
from prep.store.read import BLOCK, PER_CLIP, Store, open_store
from prep.store.runs import read_clips, runs
from prep.store.write import create, finalise, pack_text, write_block

UNITED = ("left_out", "notes")
NAMED = 5  # clips that an error names
Clip = tuple[int, int]  # store, clip


@dataclass(frozen=True)
class Merged:
    """One step: clips that lie in two stores compared, or blocks written."""

    stage: str
    done: int
    total: int


def merge(stores: Sequence[Store], out: Path) -> Iterator[Merged]:
    """Write the store at `out` that holds every clip of `stores`; a clip that two hold alike is taken once.

    Raises PrepError when facts or shapes disagree, when clips of one name differ, or `out` is taken.
    """
    _check(stores, out)
    working = out.with_name(f"{out.name}.merging")
    with locked(working), disk_errors(working):
        held = _by_name(stores)
        yield from _check_copies(stores, held)
        chosen = [held[name][0] for name in sorted(held)]
        target = working / "store"
        if target.exists():
            shutil.rmtree(target)
        small = _small_arrays(stores, chosen)
        create(target, _info(stores, small, held), int(small["offsets"][-1]), stores[0].shape)
        blocks: list[Block] = []
        total = -(-int(small["offsets"][-1]) // BLOCK)
        for index in range(total):
            blocks.append(write_block(target, index, *_block(stores, chosen, small["offsets"], index)))
            yield Merged("writing", index + 1, total)
        finalise(target, small, blocks)
        unite(stores, open_store(target))
        target.rename(out)
        shutil.rmtree(working)


def _check(stores: Sequence[Store], out: Path) -> None:
    if out.exists():
        raise PrepError(f"{out}: is there already. Choose another --out, or delete it.")
    first = stores[0]
    for other in stores[1:]:
        for field in fields(StoreInfo):
            ours, theirs = getattr(first.info, field.name), getattr(other.info, field.name)
            if ours != theirs and field.name not in (*UNITED, "software", "source_digest", "made_from"):
                said = f"{field.name} is {_short(ours)} in {first.path} and {_short(theirs)} in {other.path}"
                raise PrepError(f"{said}. Only stores that agree in it can be merged; build them alike.")
        if first.shape != other.shape:
            said = f"{first.path} has frames of (M, V, C) = {first.shape}, {other.path} of {other.shape}"
            raise PrepError(f"{said}. Build them alike.")


def _by_name(stores: Sequence[Store]) -> dict[str, list[Clip]]:
    held: dict[str, list[Clip]] = defaultdict(list)
    for number, store in enumerate(stores):
        for clip, name in enumerate(store.names):
            held[name].append((number, clip))
    return held


def _check_copies(stores: Sequence[Store], held: Mapping[str, Sequence[Clip]]) -> Iterator[Merged]:
    """Raise PrepError unless clips of one name agree in everything."""
    pairs = [(clips[0], other) for name in sorted(held) for clips in [held[name]] for other in clips[1:]]
    unlike = [stores[one[0]].names[one[1]] for one, other in pairs if _known(stores, one) != _known(stores, other)]
    _refuse(unlike)
    lengths = [_length(stores, one) for one, _ in pairs]
    for start, stop in runs(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])):
        ours = _read(stores, [one for one, _ in pairs[start:stop]])
        theirs = _read(stores, [other for _, other in pairs[start:stop]])
        for one, other in pairs[start:stop]:
            if any(not np.array_equal(x, y) for x, y in zip(ours[one], theirs[other], strict=True)):
                unlike.append(stores[one[0]].names[one[1]])
        yield Merged("comparing", stop, len(pairs))
    _refuse(unlike)


def _refuse(unlike: Sequence[str]) -> None:
    if unlike:
        names = ", ".join(unlike[:NAMED]) + (f", ... and {len(unlike) - NAMED} more" if len(unlike) > NAMED else "")
        remedy = "`fsprep diff` shows how; keep each in one store only"
        raise PrepError(f"clips of one name differ between the stores: {names}. {remedy}.")


def _known(stores: Sequence[Store], where: Clip) -> tuple[Any, ...]:
    store, clip = stores[where[0]], where[1]
    columns = tuple(getattr(store, name)[clip].item() for name in PER_CLIP)
    return (*columns, _length(stores, where), store.source[clip].tobytes())


def _length(stores: Sequence[Store], where: Clip) -> int:
    offsets = stores[where[0]].offsets
    return int(offsets[where[1] + 1] - offsets[where[1]])


def _read(stores: Sequence[Store], clips: Sequence[Clip]) -> dict[Clip, tuple[NDArray[Any], NDArray[Any]]]:
    """Joints and body_mask of some clips, each store read in its own order."""
    wanted = defaultdict(list)
    for number, clip in clips:
        wanted[number].append(clip)
    return {
        (number, clip): (joints, mask)
        for number, mine in wanted.items()
        for clip, joints, mask in read_clips(stores[number], mine)
    }


def _block(
    stores: Sequence[Store], chosen: Sequence[Clip], offsets: NDArray[np.int64], index: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Frames of one block of the merged store. Clips that reach over its edge are read whole and cut."""
    low, high = index * BLOCK, min((index + 1) * BLOCK, int(offsets[-1]))
    first = int(np.searchsorted(offsets, low, side="right")) - 1
    last = int(np.searchsorted(offsets, high, side="left"))
    pieces = _read(stores, chosen[first:last])
    joints = np.concatenate([pieces[clip][0] for clip in chosen[first:last]])
    mask = np.concatenate([pieces[clip][1] for clip in chosen[first:last]])
    where = slice(low - int(offsets[first]), high - int(offsets[first]))
    return joints[where], mask[where]


def _small_arrays(stores: Sequence[Store], chosen: Sequence[Clip]) -> dict[str, NDArray[Any]]:
    small = {
        name: np.array([getattr(stores[number], name)[clip] for number, clip in chosen], dtype)
        for name, dtype in PER_CLIP.items()
    }
    small["source"] = np.stack([stores[number].source[clip] for number, clip in chosen])
    small["names"] = pack_text([stores[number].names[clip] for number, clip in chosen])
    lengths = [_length(stores, clip) for clip in chosen]
    small["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return small


def _info(stores: Sequence[Store], small: Mapping[str, NDArray[Any]], held: Mapping[str, Any]) -> StoreInfo:
    """The facts that all share. What one store lacks is not left out where another one has it."""
    united = {name: {row for store in stores for row in getattr(store.info, name)} for name in UNITED}
    return replace(
        stores[0].info,
        software=software(),
        source_digest=hashlib.sha256(small["names"].tobytes() + small["source"].tobytes()).hexdigest(),
        left_out=tuple(sorted(row for row in united["left_out"] if row[0] not in held)),
        notes=tuple(sorted(united["notes"])),
        made_from=tuple(sorted({store.digest for store in stores})),
    )


def _short(value: Any) -> str:
    return text if len(text := repr(value)) <= 80 else f"{text[:80]}..."
