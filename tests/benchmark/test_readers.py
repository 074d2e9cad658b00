"""Reading speed of every file format on one core: clips and megabytes per second, and the time for the full dataset.

Real files where available, else synthetic ones of the real size. Measured is processor time from a file in the page
cache to a Recording: `load` and `read` of every clip, repeated for a second, the median of three rounds. Finding,
preprocessing and writing are not included. Full datasets: clips times seconds per clip.
"""

from __future__ import annotations

import json
import pickle
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from helpers import plain_kinetics, synthetic_formats, synthetic_kinect, synthetic_own, synthetic_pku
from helpers.shared import SHARED

from manifests.custom import read_custom
from manifests.dataset import Dataset
from manifests.facts import dataset
from prep.formats import FindRequest, format_named

NTU60, NTU120, KINETICS, PKU, NW_UCLA, MSR = 56_880, 114_480, 246_534 + 19_906, 21_545, 1_484, 353
TURNS, SECONDS = 3, 1.0
# Slower by a factor of several means that something broke, not that the machine is busy.
SLOWEST = 20.0  # clips a second


@dataclass(frozen=True)
class Case:
    """A form, the data set it holds, how many clips that has, and a writer of files: (path, whether they are real)."""

    data: str
    clips: int
    write: Callable[[Path], tuple[Path, bool]]


def real(relative: str, name: str = "") -> Callable[[Path], tuple[Path, bool]]:
    """A real file, under another `name` where given; the tests' writers stand in where it is absent."""

    def write(folder: Path) -> tuple[Path, bool]:
        path = SHARED / "data" / relative
        if not path.exists():
            pytest.skip(f"needs ../shared/data/{relative}, which this machine does not have")
        if not name:
            return path, True
        shutil.copy(path, folder / name)
        return folder, True

    return write


def kinetics(folder: Path) -> tuple[Path, bool]:
    """The five real clips, or clips of 300 frames of two people."""
    path = SHARED / "data" / "kinetics-skeleton" / "kinetics_val"
    if path.exists():
        return path, True
    for seed in range(5):
        frames = [[plain_kinetics.pose(seed), plain_kinetics.pose(seed + 9, x=0.9)]] * 300
        (folder / f"-bcdefghij{seed}.json").write_bytes(plain_kinetics.text(plain_kinetics.clip(frames)))
    return folder, False


def pku(folder: Path) -> tuple[Path, bool]:
    """The lines of the real recording (or 1,040 synthetic), cut into the eight clips that its phase has on average."""
    path = SHARED / "data" / "pku_mmd" / "A10N08-L.txt"
    text = path.read_bytes() if path.exists() else synthetic_pku.skeleton_text(synthetic_pku.recording(1040))
    labels = synthetic_pku.label_text([(1 + row, 1 + 130 * row, 130 * (row + 1), 1) for row in range(8)])
    synthetic_pku.write(folder, {"skeletons/A10N08-L.txt": text, "labels/A10N08-L.txt": labels})
    return folder, path.exists()


def nw_ucla_frames(folder: Path) -> tuple[Path, bool]:
    """Twenty clips of 39 frames, the mean of the other form."""
    for clip in range(20):
        files = synthetic_kinect.sequence(synthetic_kinect.people(39, clip), f"view_1/a01_s01_e{clip:02d}")
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return folder, False


def own(ending: str) -> Callable[[Path], tuple[Path, bool]]:
    """Clips of 80 frames."""

    def write(folder: Path) -> tuple[Path, bool]:
        manifest = synthetic_own.write_own(folder, arrays={})
        for label in range(5):
            array, path = synthetic_own.joints(label, 1, 80), folder / "clips" / f"a{label + 1}_s1_e0{ending}"
            if ending == ".json":
                path.write_text(json.dumps(array.astype(float).round(6).tolist()))
            elif ending == ".npz":
                np.savez_compressed(path, joints=array)
            else:
                np.save(path, array)
        return manifest, False

    return write


def several() -> list[synthetic_formats.SyntheticClip]:
    """120 clips of 5 to 124 frames, a third of them with two bodies."""
    return synthetic_formats.clips(120)


def ctrgcn(folder: Path) -> tuple[Path, bool]:
    made = several()
    synthetic_formats.ctrgcn(folder / "NTU120_CSub.npz", made[:100], made[100:])
    return folder, False


def npy_pkl(ending: str) -> Callable[[Path], tuple[Path, bool]]:
    def write(folder: Path) -> tuple[Path, bool]:
        made = several()
        return synthetic_formats.npy_pkl(folder / "xsub", {"train": made[:100], "val": made[100:]}, ending), False

    return write


def dastm(folder: Path) -> tuple[Path, bool]:
    made = several()
    np.save(folder / "train_data.npy", synthetic_formats.channels_first(made))
    np.save(folder / "train_label.npy", np.array([each.label for each in made]))
    np.save(folder / "train_frame.npy", np.array([len(each.joints) for each in made]))
    return folder, False


def mamp(folder: Path) -> tuple[Path, bool]:
    made = several()
    x, y = synthetic_formats.flat(made), synthetic_formats.one_hot(made, 51)
    np.savez(folder / "PKUv1_XSub.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    return folder, False


def skeletonx(folder: Path) -> tuple[Path, bool]:
    made, arrays = several(), {}
    for part, of in (("aux", made[:80]), ("anchor", made[80:87]), ("eval", made[87:])):
        arrays |= {f"x_{part}": synthetic_formats.flat(of), f"y_{part}": synthetic_formats.one_hot(of, 120)}
        arrays[f"name_{part}"] = np.array([each.name for each in of])
    np.savez(folder / "NTU120_1Shot.npz", **arrays)
    return folder, False


def pyskl(folder: Path) -> tuple[Path, bool]:
    held = {"split": {}, "annotations": [synthetic_formats.annotation(each) for each in several()]}
    (folder / "ntu120_3danno.pkl").write_bytes(pickle.dumps(held, 4))
    return folder, False


def txt2npy(folder: Path) -> tuple[Path, bool]:
    for each in several()[:30]:
        bodies = [int(shown.any(axis=(1, 2)).sum()) for shown in each.joints]
        held = {"file_name": each.name, "nbodys": bodies, "njoints": 25}
        held |= {f"skel_body{m}": each.joints[:, m].astype(float) for m in range(each.joints.shape[1])}
        np.save(folder / f"{each.name}.skeleton.npy", held, allow_pickle=True)  # type: ignore[arg-type]
    return folder, False


CASES = {
    "ntu": Case("ntu120", NTU120, real("ntu/nturgb+d_skeletons")),
    "ntu (60)": Case("ntu60", NTU60, real("ntu/nturgb+d_skeletons")),
    "kinetics": Case("kinetics", KINETICS, kinetics),
    "pku_mmd": Case("pku_mmd_2", PKU, pku),
    "nw_ucla": Case("nw_ucla", NW_UCLA, real("nw_ucla.zip")),
    "nw_ucla_frames": Case("nw_ucla", NW_UCLA, nw_ucla_frames),
    "msr_pairs": Case("msr_pairs", MSR, real("msr_daily/a03_s01_e01_skeleton.txt", "a03_s01_e01_skeleton.txt")),
    "own (.npy)": Case("", NTU60, own(".npy")),
    "own (.npz)": Case("", NTU60, own(".npz")),
    "own (.json)": Case("", NTU60, own(".json")),
    "ctrgcn_npz": Case("ntu120", NTU120, ctrgcn),
    "agcn_npy": Case("ntu120", NTU120, npy_pkl("_data_joint")),
    "stgcn_npy": Case("ntu120", NTU120, npy_pkl("_data")),
    "dastm_npy": Case("ntu120", NTU120, dastm),
    "pyskl_pkl": Case("ntu120", NTU120, pyskl),
    "skeletonx_npz": Case("ntu120", NTU120, skeletonx),
    "mamp_npz": Case("pku_mmd", PKU, mamp),
    "txt2npy": Case("ntu120", NTU120, txt2npy),
}


@pytest.mark.benchmark
@pytest.mark.parametrize("name", CASES)
def test_throughput(name: str, tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    case, held = CASES[name], format_named(name.split()[0])
    (tmp_path / "raw").mkdir()
    raw, is_real = case.write(tmp_path / "raw")
    data: Dataset = dataset(case.data) if case.data else read_custom(raw).data
    found = held.find(FindRequest(raw, data, held.parse_options({}), tmp_path / "scratch"))
    assert found.sources, found.bad

    def read_all() -> int:
        size = 0
        for source in found.sources:
            loaded = held.load(source)
            size += len(loaded)
            assert held.read(source, loaded, data).frames >= 0
        return size

    size, per_clip = read_all(), []
    for _ in range(TURNS):
        rounds, start = 0, time.process_time()
        while time.process_time() - start < SECONDS:
            read_all()
            rounds += 1
        per_clip.append((time.process_time() - start) / rounds / len(found.sources))
    seconds, megabytes = statistics.median(per_clip), size / len(found.sources) / 1e6
    record_property("clips_per_second", 1 / seconds)
    kind = "real" if is_real else "synthetic"
    print(
        f"\n{name:15} {len(found.sources):5,} {kind:8} clips of {1000 * megabytes:7.1f} kB: "
        f"{1 / seconds:8,.0f} clips/s, {megabytes / seconds:7,.1f} MB/s; "
        f"{case.clips:7,} clips in {_spell(case.clips * seconds)}"
    )
    assert 1 / seconds > SLOWEST


def _spell(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
