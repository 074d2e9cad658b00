"""One store from several, for example from parts that several people built, or from camera folders built one by one.

Clips are sorted by name and all facts must agree, so the digest is that of a store built in one run from all the files:
`made_from`, like `software`, is not part of the digest. The store is written in `<out>.merging`, finalised, and moved
to its name; a merge that was stopped starts again. Embeddings are merged if all stores used the same settings.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.curate.merge_embeddings import are_merged, merge_embeddings
from prep.errors import PrepError
from prep.files import clear, disk_errors, locked, publish
from prep.progress import Step, Work
from prep.store.arrays import BLOCK, PER_CLIP
from prep.store.frames import Frames, joined
from prep.store.info import StoreInfo, software
from prep.store.manifest import BlockDigests, StoreError
from prep.store.read import Store, open_store
from prep.store.runs import read_clips, runs
from prep.store.write import create, finalise, pack_text, write_block

UNITED = ("left_out", "notes")
NAMED = 5  # clips that an error names
LONGEST = 80  # characters of a value that an error shows
Clip = tuple[int, int]  # index of the store, row of the clip in it


def merge(stores: Sequence[Store], out: Path) -> Work[bool]:
    """Write the store `out` with every clip of `stores`; identical clips with the same name are stored once.

    Returns False if `out` is the finished merge of these stores already. Raises PrepError if facts or shapes disagree,
    if clips with the same name differ, while another command writes to `out`, and if something else is there.
    """
    _check_facts(stores)
    working = out.with_name(f"{out.name}.merging")
    if working.exists() or not out.exists():
        with disk_errors(out), locked(working):
            if not out.exists():
                yield from _write(stores, out, working / "store")
                return True
            clear(working)
    _check_finished(stores, out)
    return False


def _write(stores: Sequence[Store], out: Path, target: Path) -> Work[None]:
    copies = _by_name(stores)
    yield from _check_copies(stores, copies)
    clips = [copies[name][0] for name in sorted(copies)]
    if target.exists():
        shutil.rmtree(target)
    small = _small_arrays(stores, clips)
    create(target, _info(stores, small, copies), int(small["offsets"][-1]), stores[0].shape)
    blocks: list[BlockDigests] = []
    total = -(-int(small["offsets"][-1]) // BLOCK)
    for index in range(total):
        blocks.append(write_block(target, index, _block(stores, clips, small["offsets"], index)))
        yield Step(index + 1, total, "writing")
    finalise(target, small, blocks)
    merge_embeddings(stores, open_store(target))
    publish(target, out)


def _check_facts(stores: Sequence[Store]) -> None:
    first = stores[0]
    for other in stores[1:]:
        for field in fields(StoreInfo):
            ours, theirs = getattr(first.info, field.name), getattr(other.info, field.name)
            if ours != theirs and field.name not in (*UNITED, "software", "source_digest", "made_from"):
                values = f"{_truncated(ours)} in {first.path} and {_truncated(theirs)} in {other.path}"
                rule = "Only stores with the same value can be merged; build them with the same settings."
                raise PrepError(f"{field.name} is {values}. {rule}")
        if first.shape != other.shape:
            shapes = f"{first.path} has frames of (M, V, C) = {first.shape}, {other.path} of {other.shape}"
            raise PrepError(f"{shapes}. Build them with the same settings.")


def _check_finished(stores: Sequence[Store], out: Path) -> None:
    try:
        merged = open_store(out)
    except StoreError:
        merged = None
    if merged is None or merged.info.made_from != _made_from(stores) or not are_merged(stores, merged):
        rule = "exists, and is not the merge of these stores as they are now"
        raise PrepError(f"{out}: {rule}. Choose another --out, or delete it.")


def _by_name(stores: Sequence[Store]) -> dict[str, list[Clip]]:
    copies: dict[str, list[Clip]] = defaultdict(list)
    for number, store in enumerate(stores):
        for clip, name in enumerate(store.names):
            copies[name].append((number, clip))
    return copies


def _check_copies(stores: Sequence[Store], copies: Mapping[str, Sequence[Clip]]) -> Iterator[Step]:
    """Raise PrepError unless clips with the same name are identical."""
    pairs = [(clips[0], other) for name in sorted(copies) for clips in [copies[name]] for other in clips[1:]]
    unlike = [stores[one[0]].names[one[1]] for one, other in pairs if _columns(stores, one) != _columns(stores, other)]
    _refuse(unlike)
    lengths = [_length(stores, one) for one, _ in pairs]
    for start, stop in runs(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])):
        ours = _read(stores, [one for one, _ in pairs[start:stop]])
        theirs = _read(stores, [other for _, other in pairs[start:stop]])
        for one, other in pairs[start:stop]:
            if not _equal(ours[one], theirs[other]):
                unlike.append(stores[one[0]].names[one[1]])
        yield Step(stop, len(pairs), "comparing")
    _refuse(unlike)


def _refuse(unlike: Sequence[str]) -> None:
    if unlike:
        names = ", ".join(unlike[:NAMED]) + (f", ... and {len(unlike) - NAMED} more" if len(unlike) > NAMED else "")
        remedy = "`fsprep diff` shows the differences; keep each clip in one store only"
        raise PrepError(f"clips with the same name differ between the stores: {names}. {remedy}.")


def _columns(stores: Sequence[Store], clip: Clip) -> tuple[Any, ...]:
    """Everything that is stored for a clip, without its frames."""
    store, row = stores[clip[0]], clip[1]
    columns = tuple(getattr(store, name)[row].item() for name in PER_CLIP)
    return (*columns, _length(stores, clip), store.source[row].tobytes(), store.to_recorded[row].tobytes())


def _length(stores: Sequence[Store], clip: Clip) -> int:
    offsets = stores[clip[0]].offsets
    return int(offsets[clip[1] + 1] - offsets[clip[1]])


def _equal(one: Frames, other: Frames) -> bool:
    return all(np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items())


def _read(stores: Sequence[Store], clips: Sequence[Clip]) -> dict[Clip, Frames]:
    """The frames of some clips, each store read in its own order."""
    rows = defaultdict(list)
    for number, row in clips:
        rows[number].append(row)
    return {
        (number, row): frames for number, wanted in rows.items() for row, frames in read_clips(stores[number], wanted)
    }


def _block(stores: Sequence[Store], clips: Sequence[Clip], offsets: NDArray[np.int64], index: int) -> Frames:
    """Frames of one block of the merged store. Clips that cross its edges are read whole and cut."""
    low, high = index * BLOCK, min((index + 1) * BLOCK, int(offsets[-1]))
    first = int(np.searchsorted(offsets, low, side="right")) - 1
    last = int(np.searchsorted(offsets, high, side="left"))
    pieces = _read(stores, clips[first:last])
    return joined([pieces[clip] for clip in clips[first:last]])[low - int(offsets[first]) : high - int(offsets[first])]


def _small_arrays(stores: Sequence[Store], clips: Sequence[Clip]) -> dict[str, NDArray[Any]]:
    small = {
        name: np.array([getattr(stores[number], name)[row] for number, row in clips], dtype)
        for name, dtype in PER_CLIP.items()
    }
    small["to_recorded"] = np.stack([stores[number].to_recorded[row] for number, row in clips])
    small["source"] = np.stack([stores[number].source[row] for number, row in clips])
    small["names"] = pack_text([stores[number].names[row] for number, row in clips])
    lengths = [_length(stores, clip) for clip in clips]
    small["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return small


def _info(stores: Sequence[Store], small: Mapping[str, NDArray[Any]], copies: Mapping[str, Any]) -> StoreInfo:
    """The shared facts. A clip that one store left out is not listed as left out if another store has it."""
    united = {name: {row for store in stores for row in getattr(store.info, name)} for name in UNITED}
    return replace(
        stores[0].info,
        software=software(),
        source_digest=hashlib.sha256(small["names"].tobytes() + small["source"].tobytes()).hexdigest(),
        left_out=tuple(sorted(row for row in united["left_out"] if row[0] not in copies)),
        notes=tuple(sorted(united["notes"])),
        made_from=_made_from(stores),
    )


def _made_from(stores: Sequence[Store]) -> tuple[str, ...]:
    return tuple(sorted({store.digest for store in stores}))


def _truncated(value: Any) -> str:
    return text if len(text := repr(value)) <= LONGEST else f"{text[:LONGEST]}..."
