"""From a store and videos to the file of a teacher, and the encoder that reads it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.built import built
from helpers.teacher_demo import BOW, JUMP, SPLIT, SQUAT, draw, run, video

from manifests.split_file import split as split_of
from prep.encoders._encoder import encoder
from prep.encoders._teacher_file import read_teacher
from prep.store.read import Store
from prep.teacher.clips import TeacherError
from prep.teacher.job import TeacherJob


def test_the_file_says_what_the_teacher_saw_and_the_encoder_reads_it(store: Store, raw: Path, tmp_path: Path) -> None:
    job = TeacherJob(store, raw, SPLIT, tmp_path / "new" / "t.safetensors", epochs=1)
    made = run(job)
    about = made.provenance
    assert (about.store, about.split, about.base_classes) == (store.digest, "two", ("jump", "squat"))
    assert (about.seed, about.epochs, about.clips, about.held_out) == (0, 1, 8, 2)
    assert read_teacher(job.out)[1] == about
    assert encoder("demo_teacher").load(made.file, "cpu", "float32").weights == made.weights


def test_poisoned_novel_videos_and_names_and_another_run_make_the_same_file(
    store: Store, raw: Path, tmp_path: Path
) -> None:
    job = TeacherJob(store, raw, SPLIT, tmp_path / "a.safetensors", epochs=1)
    run(job)
    for name, label in zip(store.names, store.label.tolist(), strict=True):
        if label == BOW:
            video(raw, name).write_bytes(b"poison")
    # A name without words cannot be embedded, so a trainer that reads one fails.
    poisoned = copy(store)
    names = store.info.classes
    blank = tuple(name if name in ("jump", "squat") else " " * (1 + index) for index, name in enumerate(names))
    poisoned.info = replace(store.info, classes=blank)
    second = replace(job, store=poisoned, out=tmp_path / "b.safetensors")
    assert run(second).bad == ()
    assert second.out.read_bytes() == job.out.read_bytes()
    third = replace(job, out=tmp_path / "c.safetensors", seed=1)
    run(third)
    assert third.out.read_bytes() != job.out.read_bytes()


def test_outputs_that_exist_or_have_another_ending_are_refused(store: Store, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.safetensors"
    out.write_bytes(b"mine")
    job = TeacherJob(store, raw, SPLIT, out, epochs=1)
    with pytest.raises(TeacherError, match=r"t.safetensors: exists. Choose another file with --out, or .* --replace"):
        run(job)
    assert out.read_bytes() == b"mine"
    with pytest.raises(TeacherError, match=r"t.pt: a teacher is a .safetensors file. Give --out that ending"):
        run(replace(job, out=tmp_path / "t.pt"))
    with pytest.raises(TeacherError, match="seed = 0, epochs = 0: a seed is 0 or more, epochs are 1 or more"):
        run(replace(job, out=tmp_path / "u.safetensors", epochs=0))
    run(replace(job, replace=True))
    assert read_teacher(out)[1].clips == 8


@pytest.mark.slow
def test_held_out_base_videos_match_their_names_and_novel_classes_are_told_apart(tmp_path: Path) -> None:
    """20 clips of each class of the demo's split: the default of 40 is more accurate."""
    split = split_of("demo")
    raw = draw(tmp_path / "raw", (*split.train, *split.test), 20)
    store = built("demo", raw, preprocessing="agcn")
    made = run(TeacherJob(store, raw, split, tmp_path / "t.safetensors"))
    assert made.provenance.held_out == 48
    assert made.provenance.accuracy > 4 / len(split.train)
    assert nearest_shot(store, raw, made.file, split.test) > 2.4 / len(split.test)


def nearest_shot(store: Store, raw: Path, weights: str, classes: tuple[int, ...]) -> float:
    """1-shot accuracy among all these classes, every clip being the shot of its class in turn."""
    from prep.teacher.clips import FRAMES, SIZE
    from prep.video.pairing import pair
    from prep.video.request import FrameRequest
    from prep.video.worker import decode_clip

    clips = [clip for clip in pair(store, raw).clips if store.label[clip.clip] in classes]
    frames = [decode_clip(clip, FrameRequest(FRAMES, SIZE)).frames for clip in clips]
    vectors = encoder("demo_teacher").load(weights, "cpu", "float32").videos(np.stack(frames))
    label = np.array([store.label[clip.clip] for clip in clips])
    members = [np.flatnonzero(label == number) for number in classes]
    hits = []
    for shots in zip(*members, strict=True):
        queries = np.setdiff1d(np.arange(len(label)), shots)
        hits.append(np.asarray(classes)[(vectors[queries] @ vectors[list(shots)].T).argmax(1)] == label[queries])
    return float(np.mean(hits))


def test_the_demo_of_the_tests_has_its_classes(store: Store) -> None:
    assert set(store.label.tolist()) == {JUMP, SQUAT, BOW}
