"""What a store holds, in numbers that a person asks for."""

from __future__ import annotations

from dataclasses import dataclass

from prep.store import Store, StoreInfo


@dataclass(frozen=True)
class Summary:
    """Counts over a store. `shape` is (M, V, C); `clips_per_class` leaves out classes without clips."""

    path: str
    digest: str
    info: StoreInfo
    clips: int
    frames: int
    shape: tuple[int, int, int]
    bytes: int
    clips_per_class: tuple[tuple[str, int], ...]
    several_bodies: int
    without_frames: int


def summarise(store: Store) -> Summary:
    """Count."""
    counts = [(name, int((store.label == label).sum())) for label, name in enumerate(store.info.classes)]
    return Summary(
        path=store.path,
        digest=store.digest,
        info=store.info,
        clips=len(store),
        frames=store.frames,
        shape=store.shape,
        bytes=sum(file.bytes for file in store.files.values()),
        clips_per_class=tuple((name, count) for name, count in counts if count),
        several_bodies=int((store.bodies > 1).sum()),
        without_frames=int((store.offsets[1:] == store.offsets[:-1]).sum()),
    )
