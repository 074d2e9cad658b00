"""The page's questions and their answers, apart from HTTP: JSON objects, arrays of numbers and JPEG images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from manifests.split_file import split
from manifests.text import counted, plain
from prep.errors import PrepError
from prep.preprocessing import quality
from prep.progress import Step
from prep.store.embedding_key import EmbeddingPart
from prep.viewer import cells
from prep.viewer.cells import ChosenClips
from prep.viewer.clip import check_coordinates, drawn_joints, flagged_frames, frames_of, upward
from prep.viewer.frames import PairedFrames
from prep.viewer.motion import Motion
from prep.viewer.neighbours import nearest
from prep.viewer.parts import UNUSED, labels_of
from prep.viewer.select import BY_MOTION, Filter, Order, check_order, length_ratio, order, select
from prep.viewer.session import Session, ViewedStore

PAGE = 100  # clips on a page of the list
NEIGHBOURS = 12
LARGEST_INDEX = 2**31


@dataclass(frozen=True)
class Binary:
    """An answer that is not JSON."""

    kind: str
    content: bytes


Answer = dict[str, Any] | Binary
Query = Mapping[str, str]


def stores(session: Session, query: Query) -> Answer:
    """Every store with all that the filters offer; stores that have changed are opened again."""
    session.reopen()
    return {
        "stores": [_describe(view) for view in session.views],
        "marked": len(session.marked),
        "marks_file": str(session.marks_file),
        "confusion": None if session.confusion is None else cells.record(session.confusion),
    }


def clips(session: Session, query: Query) -> Answer:
    """One page of the clips that a filter keeps, or the progress of the measurement that the order needs."""
    view, by = _view(session, query), check_order(query.get("order", "store"))
    motion = view.motion() if by in BY_MOTION else None
    if isinstance(motion, Step):
        return {"measuring": {"done": motion.done, "total": motion.total}}
    store = view.store
    kept = select(store, _filter(query))
    if query.get("part"):
        parts = view.parts(query.get("split", ""))
        if query["part"] not in parts:
            raise PrepError(f"the split has no part `{query['part']}`.")
        kept = kept & parts[query["part"]]
    chosen = _cells(session, query)
    if chosen is not None:
        kept = kept & np.fromiter((name in chosen.times for name in store.names), np.bool_, len(store))
    if query.get("marked"):
        kept = kept & np.fromiter((name in session.marked for name in store.names), np.bool_, len(store))
    ordered = order(store, kept, by, motion)
    page = _integer(query, "page", 0)
    rows = ordered[page * PAGE : (page + 1) * PAGE].tolist()
    values = _values(view, by, motion, rows)
    if chosen is not None:
        values = [_with_times(value, chosen.times[store.names[clip]]) for value, clip in zip(values, rows, strict=True)]
    view.warm_up()
    listed = [{**_row(session, view, clip), "value": value} for clip, value in zip(rows, values, strict=True)]
    note = "" if chosen is None else chosen.note(view.clips)
    return {"total": len(ordered), "page": page, "page_size": PAGE, "clips": listed, "note": note}


def clip(session: Session, query: Query) -> Answer:
    """One clip, by its index or its name, without its joints."""
    view = _view(session, query)
    index = view.clips.get(query["name"], -1) if "name" in query else _clip(view, query)
    if index < 0:
        raise PrepError(f"{view.store.path}: has no clip `{query['name'][:200]}`.")
    store, (start, stop) = view.store, frames_of(view.store, index)
    columns = ("subject", "camera", "setup", "repetition", "start", "stop")
    return {
        **_row(session, view, index),
        **{name: int(getattr(store, name)[index]) for name in columns},
        "drawn_frames": stop - start,
        "up": {kind: upward(store, index, check_coordinates(kind)) for kind in ("prepared", "recorded")},
        "parts": _parts(view, query.get("split", ""), index),
        "flagged": flagged_frames(store, index),
    }


def joints(session: Session, query: Query) -> Answer:
    """float32, little-endian, (drawn_frames, M, V, 3) of one clip."""
    view = _view(session, query)
    drawn = drawn_joints(view.store, _clip(view, query), check_coordinates(query.get("coordinates", "prepared")))
    return Binary("application/octet-stream", drawn.astype("<f4").tobytes())


def neighbours(session: Session, query: Query) -> Answer:
    """The clips nearest to one by an embedding's vectors of videos."""
    view, name = _view(session, query), query.get("embedding", "")
    vectors = view.vectors(name)
    found = nearest(vectors.unit, vectors.done, _clip(view, query), NEIGHBOURS)
    return {"clips": [{**_row(session, view, other), "value": f"{value:.3f}"} for other, value in found]}


def plane(session: Session, query: Query) -> Answer:
    """The points of an embedding's plot, or that they are being computed."""
    view = _view(session, query)
    made = view.plane(query.get("embedding", ""))
    if isinstance(made, Step):
        return {"computing": made.stage}
    store = view.store
    return {
        "clips": made.clips.tolist(),
        "names": [store.names[clip] for clip in made.clips],
        "labels": store.label[made.clips].tolist(),
        "positions": made.position.round(4).tolist(),
        "explained": made.explained,
        "vectors": made.vectors,
    }


def video(session: Session, query: Query) -> Answer:
    """The paired video of a clip, or the reason why none is shown."""
    view = _view(session, query)
    paired, clip = _frames(view), _clip(view, query)
    try:
        return asdict(paired.video(clip))
    except PrepError as error:
        return {"reason": str(error)}


def frame(session: Session, query: Query) -> Answer:
    """One frame of a clip's video as JPEG."""
    view = _view(session, query)
    return Binary("image/jpeg", _frames(view).jpeg(_clip(view, query), _integer(query, "frame", 0)))


def mark(session: Session, query: Query) -> Answer:
    """Mark a clip for the exclude list, or remove the mark."""
    view = _view(session, query)
    name = view.store.names[_clip(view, query)]
    session.mark(view, name, query.get("marked") == "1", query.get("split", ""))
    return {"marked": len(session.marked), "marks_file": str(session.marks_file)}


QUESTIONS: Mapping[str, Callable[[Session, Query], Answer]] = {
    "stores": stores,
    "clips": clips,
    "clip": clip,
    "joints": joints,
    "neighbours": neighbours,
    "plane": plane,
    "video": video,
    "frame": frame,
}
ACTIONS: Mapping[str, Callable[[Session, Query], Answer]] = {"mark": mark}


def _describe(view: ViewedStore) -> dict[str, Any]:
    store, info = view.store, view.store.info
    layout, counts = info.layout, np.bincount(store.label, minlength=len(info.classes))
    return {
        "path": store.path,
        "title": f"{info.dataset} {info.subset}".strip() + f", {info.preprocessing}",
        "dataset": info.dataset,
        "digest": store.digest,
        "clips": len(store),
        "frames": store.frames,
        "fps": info.fps,
        "bodies": store.shape[0],
        "unit": info.unit,
        "classes": [
            {"name": plain(name), "clips": int(count)} for name, count in zip(info.classes, counts, strict=True)
        ],
        "subjects": np.unique(store.subject).tolist(),
        "cameras": np.unique(store.camera).tolist(),
        "flags": [
            {"name": flag.name, "meaning": flag.meaning, "clips": int(((store.quality & flag.bit) != 0).sum())}
            for flag in quality.FLAGS
        ],
        "splits": [{"name": name, "parts": [*labels_of(split(name)), UNUSED]} for name in view.splits],
        "embeddings": [name for name, parts in store.embeddings.items() if EmbeddingPart(name, "video") in parts],
        "joints": [plain(name) for name in layout.joints],
        "bones": [[parent, child] for child, parent in layout.bones],
        "videos": view.frames is not None,
    }


def _row(session: Session, view: ViewedStore, clip: int) -> dict[str, Any]:
    store = view.store
    return {
        "clip": clip,
        "name": store.names[clip],
        "class": plain(store.info.classes[int(store.label[clip])]),
        "label": int(store.label[clip]),
        "frames": int(store.offsets[clip + 1] - store.offsets[clip]),
        "bodies": int(store.bodies[clip]),
        "flags": [flag.name for flag in quality.FLAGS if int(store.quality[clip]) & flag.bit],
        "marked": store.names[clip] in session.marked,
    }


def _parts(view: ViewedStore, name: str, clip: int) -> list[str]:
    """The parts of a split that a clip belongs to; of several class splits, only whether it is used."""
    if not name:
        return []
    parts = [part for part, own in view.parts(name).items() if own[clip]]
    return [f"{name}: {', '.join(parts) if len(parts) < 3 else 'in every class split'}"]


def _values(view: ViewedStore, by: Order, motion: Motion | None, rows: list[int]) -> list[str]:
    """The measure that a list is ordered by, beside each clip."""
    if by == "length-outliers":
        return [f"{value:.2f} x the median length of its class" for value in length_ratio(view.store)[rows]]
    if motion is None:
        return [""] * len(rows)
    values = motion.speed if by == "stillest" else motion.jerk
    return ["not measured" if np.isnan(value) else f"{value:.3f} bone lengths a frame" for value in values[rows]]


def _cells(session: Session, query: Query) -> ChosenClips | None:
    """The clips of the cells that are chosen in the confusion matrix, or None where none is."""
    true, answered = query.get("true", ""), query.get("answered", "")
    if not true and not answered:
        return None
    if session.confusion is None:
        raise PrepError("No confusion matrix is shown. Start `fsprep view` with --confusion FILE.")
    return cells.chosen_clips(session.confusion, true, answered)


def _with_times(value: str, times: int) -> str:
    return ", ".join(part for part in (value, f"answered so {counted(times, 'time')}") if part)


def _filter(query: Query) -> Filter:
    numbers = {key: _integer(query, key) for key in ("label", "subject", "camera") if query.get(key)}
    return Filter(**numbers, flag=query.get("flag", ""), name=query.get("name", ""))


def _view(session: Session, query: Query) -> ViewedStore:
    return session.view(_integer(query, "store", 0))


def _frames(view: ViewedStore) -> PairedFrames:
    if view.frames is None:
        raise PrepError("No videos are shown. Start `fsprep view` with --videos DIR.")
    return view.frames


def _clip(view: ViewedStore, query: Query) -> int:
    clip = _integer(query, "clip")
    if not 0 <= clip < len(view.store):
        raise PrepError(f"clip {clip} is requested, the store has {len(view.store)}.")
    return clip


def _integer(query: Query, key: str, default: int | None = None) -> int:
    text = query.get(key, "")
    if not text and default is not None:
        return default
    if not text.removeprefix("-").isdecimal() or len(text) > 11 or abs(int(text)) > LARGEST_INDEX:
        raise PrepError(f"{key} is `{text[:40]}`; it must be a whole number.")
    return int(text)
