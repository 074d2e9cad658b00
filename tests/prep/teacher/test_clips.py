"""The teacher opens videos of base classes only, and says what it lacks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.teacher_demo import BOW, JUMP, SPLIT, SQUAT, video

import prep.embedding.videos
from manifests.split_file import split as split_of
from prep.errors import PrepError
from prep.progress import result
from prep.store.read import Store
from prep.teacher.clips import BaseVideos, TeacherError, base_videos, held_out
from prep.workers import Workers


def decoded(store: Store, raw: Path, split=SPLIT) -> BaseVideos:
    with ThreadPoolExecutor(1) as pool:
        return result(base_videos(store, raw, split, Workers(pool, 1, (ChildProcessError,))))


def names(store: Store, label: int) -> list[str]:
    return [name for name, found in zip(store.names, store.label.tolist(), strict=True) if found == label]


def test_clips_labels_and_what_is_held_out(store: Store, raw: Path) -> None:
    base = decoded(store, raw)
    assert base.classes == ("jump", "squat")
    assert (base.clips.shape, base.clips.dtype) == ((10, 16, 32, 32, 3), np.uint8)
    wanted = [store.names[n] for n in range(len(store)) if store.label[n] != BOW]
    assert [("jump", "squat")[n] for n in base.label] == [
        "jump" if name.endswith("011") else "squat" for name in wanted
    ]
    assert base.held_out.sum() == 2
    assert set(base.label[base.held_out]) == {0, 1}
    assert (base.bad, base.missing) == ((), ())


def test_every_fifth_clip_of_a_class_is_held_out() -> None:
    label = np.random.default_rng(0).integers(0, 3, 100)
    chosen = held_out(label)
    for number in range(3):
        assert chosen[label == number].tolist() == [n % 5 == 4 for n in range((label == number).sum())]


def test_no_video_of_another_class_is_opened(store: Store, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, opened, decode = decoded(store, raw), [], prep.embedding.videos.decode_clip

    def recorded(clip, wanted):
        opened.append(clip.name)
        return decode(clip, wanted)

    monkeypatch.setattr(prep.embedding.videos, "decode_clip", recorded)
    for name in names(store, BOW):
        video(raw, name).write_bytes(b"poison")
    poisoned = decoded(store, raw)
    assert sorted(opened) == sorted(names(store, JUMP) + names(store, SQUAT))
    assert poisoned.clips.tobytes() == clean.clips.tobytes()
    assert poisoned.bad == ()
    # The poison works: a split that has the class as a base class notices it.
    with pytest.raises(TeacherError, match="`bow` has 0"):
        decoded(store, raw, replace(SPLIT, train=(JUMP, BOW), test=(SQUAT,)))


def test_no_videos(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PrepError, match="empty: holds no video of Demo"):
        decoded(store, tmp_path / "empty")


def test_too_few_videos_of_a_class_are_refused_with_the_reasons(store: Store, raw: Path) -> None:
    broken, gone = names(store, JUMP)[0], names(store, SQUAT)[0]
    video(raw, broken).write_bytes(b"RIFF")
    video(raw, gone).unlink()
    with pytest.raises(TeacherError) as error:
        decoded(store, raw)
    text = str(error.value)
    assert text.startswith(
        f"{raw}: every base class needs 5 usable videos; `jump` has 4, `squat` has 4. Draw at least "
    )
    assert "`fsprep demo --videos --clips N`" in text
    assert f"\n  {broken}: " in text


def test_one_base_class_is_too_few(store: Store, raw: Path) -> None:
    with pytest.raises(TeacherError, match="the split `two` has 1 base classes; at least 2 are needed. Add classes"):
        decoded(store, raw, replace(SPLIT, train=(JUMP,)))


def test_labels_beyond_the_demo_are_refused(store: Store, raw: Path) -> None:
    with pytest.raises(TeacherError, match="trains on the label 24; labels are 0 to 23. Correct its `train`"):
        decoded(store, raw, replace(SPLIT, train=(JUMP, 24)))


def test_splits_and_stores_of_other_datasets_are_refused(store: Store, raw: Path) -> None:
    with pytest.raises(TeacherError, match="the split `ntu_t` is of `ntu120`, the store of `demo`. Take --split demo"):
        decoded(store, raw, split_of("ntu_t"))
    other = Store(store.storage, replace(store.info, dataset="ntu60"), store.manifest, None)
    with pytest.raises(TeacherError, match="is a store of `ntu60`; .* published encoder: --encoder xclip"):
        decoded(other, raw)
