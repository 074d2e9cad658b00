"""Four ways to break a commit on purpose, each by a patch in the process of the command.

no fsync          os.fsync does nothing
no rename         a file is replaced by copying over it, half by half
manifest first    the manifest of a store is replaced before the arrays of an embedding are complete
digest unchecked  a fetched file is taken whatever its bytes are
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kill.points import Points

BREAKAGES = ("no fsync", "no rename", "manifest first", "digest unchecked")


def install(breakage: str, points: Points) -> None:
    """Break this process in one way; "" breaks nothing."""
    if breakage:
        {
            "no fsync": _no_fsync,
            "no rename": _no_rename,
            "manifest first": _manifest_first,
            "digest unchecked": _digest_unchecked,
        }[breakage](points)


def shorten() -> None:
    """Small parts, blank figures, and a thread in place of decoding processes: a command takes tenths of a second."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import contextmanager

    import cli.prep.embed_videos
    from prep.building import build
    from prep.check import folder as reports
    from prep.workers import Workers

    @contextmanager
    def threads(workers: int, scheduler: str = "", timeout: float = 0) -> Any:
        with ThreadPoolExecutor(1) as pool:
            yield Workers(pool, 1, (ChildProcessError,))

    def draw(_: object, path: Path) -> None:
        path.write_bytes(b"blank")

    for name in ("draw_bones", "draw_classes", "draw_lengths", "draw_strip"):
        setattr(reports, name, draw)
    build.CLIPS_PER_PART = 7
    cli.prep.embed_videos.decoding_workers = threads


def _no_fsync(points: Points) -> None:
    os.fsync = lambda descriptor: None


def _no_rename(points: Points) -> None:
    def copying(real: Callable[..., None]) -> Callable[..., None]:
        def copy(source: Any, target: Any) -> None:
            if os.path.isdir(source):
                real(source, target)
                return
            content, path = Path(source).read_bytes(), os.path.abspath(target)
            with open(target, "wb", buffering=0) as file:
                file.write(content[: len(content) // 2])
                points.event("half of", path)
                file.write(content[len(content) // 2 :])
                os.fsync(file.fileno())
            points.event("rename", path)
            os.unlink(source)

        return copy

    os.rename, os.replace = copying(os.rename), copying(os.replace)


def _manifest_first(points: Points) -> None:
    from prep.sharing import pull_embeddings
    from prep.store import keep_embedding, manifest

    real_enter, real_write = manifest.enter_embeddings, manifest.atomic_write

    def enter(path: Path, current: Any, entries: Any, folders: Any) -> Any:
        def write(target: Path, content: Any) -> None:
            new = [path / folder for folder in folders.values()]
            for folder in new:
                folder.rename(folder.with_name(f"{folder.name}.late"))
            real_write(target, content)
            for folder in new:
                folder.with_name(f"{folder.name}.late").rename(folder)

        manifest.atomic_write = write  # type: ignore[assignment]
        return real_enter(path, current, entries, folders)

    keep_embedding.enter_embeddings = pull_embeddings.enter_embeddings = enter


def _digest_unchecked(points: Points) -> None:
    from prep.sharing import transfer

    class Right(str):
        """A digest that equals every other one."""

        def __eq__(self, other: object) -> bool:
            return True

        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = str.__hash__

    transfer.file_digest = lambda path: Right()
