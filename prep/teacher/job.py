"""From a store and a folder of videos to the file of a demo teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from manifests.split import Split
from prep.encoders._teacher_file import SUFFIX, Provenance, write_teacher
from prep.files import disk_errors
from prep.progress import Work
from prep.store.embedding_key import Rows
from prep.store.info import software
from prep.store.read import Store
from prep.teacher.clips import TeacherError, base_videos
from prep.teacher.training import train
from prep.tensors import weights_digest
from prep.workers import Workers


@dataclass(frozen=True)
class TeacherJob:
    """Train on the videos below the folder `videos` of the base classes of `split`, and write the file `out`.

    An existing file is replaced only with `replace`.
    """

    store: Store
    videos: Path
    split: Split
    out: Path
    seed: int = 0
    epochs: int = 60
    replace: bool = False


@dataclass(frozen=True)
class TeacherResult:
    """The file, the digest of its weights, its provenance, and base clips whose video is unreadable or missing."""

    file: str
    weights: str
    provenance: Provenance
    bad: Rows
    missing: tuple[str, ...]


def train_teacher(job: TeacherJob, workers: Workers) -> Work[TeacherResult]:
    """Decode, train and write; stages "decoding" and "training".

    Unreadable videos are listed in the result, and the others are used. Raises TeacherError, see `base_videos`, and for
    an output that exists or has another ending than .safetensors.
    """
    _check_out(job)
    base = yield from base_videos(job.store, job.videos, job.split, workers)
    trained = yield from train(base, job.seed, job.epochs)
    provenance = Provenance(
        store=job.store.digest,
        split=job.split.name,
        base_classes=base.classes,
        seed=job.seed,
        epochs=job.epochs,
        clips=int((~base.held_out).sum()),
        held_out=int(base.held_out.sum()),
        accuracy=trained.accuracy,
        software=software(),
    )
    tensors = trained.net.state_dict()
    with disk_errors(job.out):
        write_teacher(job.out, tensors, provenance)
    return TeacherResult(str(job.out), weights_digest(tensors.items()), provenance, base.bad, base.missing)


def _check_out(job: TeacherJob) -> None:
    if job.out.suffix != SUFFIX:
        raise TeacherError(f"{job.out}: a teacher is a {SUFFIX} file. Give --out that ending.")
    if job.out.is_dir() or (job.out.exists() and not job.replace):
        raise TeacherError(f"{job.out}: exists. Choose another file with --out, or replace it with --replace.")
    if job.seed < 0 or job.epochs < 1:
        raise TeacherError(f"seed = {job.seed}, epochs = {job.epochs}: a seed is 0 or more, epochs are 1 or more.")
