"""Small stores made from arrays, for tests that need one without raw files."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from manifests.facts import dataset, layout_of
from prep.store.arrays import BLOCK, PER_CLIP
from prep.store.embedding_key import TextKey, TextMetadata, VideoKey, VideoMetadata
from prep.store.frames import Frames
from prep.store.info import StoreInfo
from prep.store.keep_embedding import keep_texts, keep_videos
from prep.store.manifest import FORMAT
from prep.store.read import Store, open_store
from prep.store.write import create, finalise, pack_text, write_block


def info(name: str = "demo", preprocessing: str = "agcn", subset: str = "", dataset_name: str = "") -> StoreInfo:
    data = dataset(name)
    return StoreInfo(
        format=FORMAT,
        dataset=dataset_name or name,
        title=data.title,
        subset=subset,
        file_format="tests",
        options={},
        layout=layout_of(data),
        unit=data.unit,
        fps=data.fps,
        preprocessing=preprocessing,
        preprocessing_version=1,
        licence=data.licence,
        redistribution=data.redistribution,
        citation=data.source,
        unverified="",
        software="tests",
        source_digest="0" * 64,
        classes=data.classes,
    )


def make_store(
    path: Path,
    clips_per_class: int = 8,
    frames: tuple[int, int] = (12, 40),
    name: str = "demo",
    seed: int = 0,
    bodies: int = 1,
    separable: float = 1.0,
    skip: dict[int, int] | None = None,
    preprocessing: str = "agcn",
    subset: str = "",
    poison: Collection[int] = (),
) -> Path:
    """Clips of sines around a centre of their class; `separable` times the class centre, so that classes can be told
    apart. `skip` takes that many clips away from a class; those of the classes `poison` are a million times as large.
    """
    rng = np.random.default_rng(seed)
    data, layout = dataset(name), layout_of(dataset(name))
    shape = (bodies, len(layout.joints), layout.coordinates)
    centre = rng.standard_normal((len(data.classes), 1, *shape)) * separable
    labels = [label for label in range(len(data.classes)) for _ in range(clips_per_class - (skip or {}).get(label, 0))]
    lengths = rng.integers(*frames, len(labels))
    joints = np.concatenate(
        [centre[y] + 0.3 * rng.standard_normal((length, *shape)) for y, length in zip(labels, lengths, strict=True)]
    ).astype(np.float32)
    joints *= np.repeat(np.where(np.isin(labels, list(poison)), 1e6, 1.0), lengths)[:, None, None, None].astype(
        "float32"
    )
    small = {column: np.zeros(len(labels), dtype) for column, dtype in PER_CLIP.items()}
    small |= {"label": np.array(labels, np.int32), "bodies": np.full(len(labels), bodies, np.uint8)}
    small["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    small["names"] = pack_text([clip_name(name, label, i) for i, label in enumerate(labels)])
    small["source"] = np.zeros((len(labels), 32), np.uint8)
    small["to_recorded"] = identities(len(labels), shape[2])
    create(path, info(name, preprocessing, subset), len(joints), shape)
    blocks = []
    for index in range(-(-len(joints) // BLOCK)):
        part = joints[index * BLOCK : (index + 1) * BLOCK]
        blocks.append(write_block(path, index, recorded_frames(part, np.ones(part.shape[:2], bool))))
    finalise(path, small, blocks)
    return path


def recorded_frames(joints: np.ndarray, mask: np.ndarray) -> Frames:
    """Frames whose coordinates are as recorded."""
    return Frames(joints, mask, np.zeros((len(joints), joints.shape[3]), np.float32))


def identities(clips: int, channels: int) -> np.ndarray:
    """`to_recorded` of clips whose coordinates are as recorded."""
    return np.tile(np.eye(channels, dtype=np.float32), (clips, 1, 1))


def write_clips(
    path: Path,
    facts: StoreInfo,
    names: Sequence[str],
    labels: Sequence[int],
    clips: Sequence[np.ndarray],
    masks: Sequence[np.ndarray] = (),
    source: np.ndarray | None = None,
    to_recorded: np.ndarray | None = None,
    origin: np.ndarray | None = None,
    **columns: Sequence[float],
) -> Path:
    """A store of exactly these clips, (L, M, V, C) each; `source` is the sha256 of their bytes unless given."""
    masks = masks or [clip.any(axis=(2, 3)) for clip in clips]
    joints, mask = np.concatenate(clips), np.concatenate(masks)
    values = {"label": labels, "bodies": [mask.any(axis=0).sum() for mask in masks], **columns}
    small = {name: np.array(values.get(name, [0] * len(names)), dtype) for name, dtype in PER_CLIP.items()}
    small["offsets"] = np.cumsum([0, *(len(clip) for clip in clips)]).astype(np.int64)
    small["names"] = pack_text(names)
    digests = [np.frombuffer(hashlib.sha256(clip.tobytes()).digest(), np.uint8) for clip in clips]
    small["source"] = np.stack(digests) if source is None else source
    small["to_recorded"] = identities(len(names), joints.shape[3]) if to_recorded is None else to_recorded
    frames = recorded_frames(joints, mask) if origin is None else Frames(joints, mask, origin)
    create(path, facts, len(joints), joints.shape[1:])
    blocks = [write_block(path, i, frames[e : e + BLOCK]) for i, e in enumerate(range(0, len(joints), BLOCK))]
    finalise(path, small, blocks)
    return path


def clip_name(name: str, label: int, index: int) -> str:
    """A name that fits the dataset's pattern."""
    action = dataset(name).actions[label]
    if name == "nw_ucla":
        return f"a{action:02d}_s{index % 10:02d}_e{index // 10 % 100:02d}_v01"
    return f"S001C001P{index % 1000:03d}R001A{action:03d}"


def video_metadata(
    weights: str = "a" * 64, random: bool = False, encoder: str = "xclip", frames: int = 8
) -> VideoMetadata:
    key = VideoKey(encoder, weights, frames, 224, "joints", "pyav", "float32", "float32")
    return VideoMetadata(key, "microsoft/xclip", random, "tests", bad=(("clip", "no video"),))


def text_metadata(weights: str = "a" * 64, random: bool = False, encoder: str = "xclip") -> TextMetadata:
    return TextMetadata(
        TextKey(encoder, weights, ("{name}",), "float32", "float32"), "microsoft/xclip", random, "tests"
    )


def embed(
    path: Path,
    name: str = "xclip",
    seed: int = 0,
    missing: Sequence[int] = (),
    width: int = 16,
    poison: Collection[int] = (),
    texts: bool = True,
) -> Store:
    """Add synthetic vectors of class names unless `texts` is False, and of all videos without those of the clips
    `missing`. The first number of the vectors of classes `poison` is a million."""
    store, rng = open_store(path), np.random.default_rng(seed)
    vectors = rng.standard_normal((len(store), width)).astype(np.float32)
    done = ~np.isin(np.arange(len(store)), missing)
    vectors[np.isin(store.label, list(poison)), 0] = 1e6
    vectors[~done] = 0
    frames = np.where(done, 30, -1).astype(np.int32)
    with_videos = keep_videos(store, name, vectors, done, frames, video_metadata())
    if not texts:
        return with_videos
    names = rng.standard_normal((len(store.info.classes), width)).astype("f4")
    names[list(poison), 0] = 1e6
    return keep_texts(with_videos, name, names, text_metadata())
