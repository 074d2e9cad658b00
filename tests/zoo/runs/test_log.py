"""The log of a run in CSV and for TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zoo.engine.header import Progress
from zoo.engine.train import Record
from zoo.runs import log


def record(step: int, validation: float | None = None) -> Record:
    return Record(step, 30, 1.5, 0.5, 1e-3, {"cross_entropy": 1.0, "rank": 0.5}, Progress(step), validation)


def test_a_column_per_number_and_an_empty_cell_where_there_is_none(tmp_path: Path) -> None:
    writer = log.Log(tmp_path / "log.csv")
    writer.add(record(10))
    writer.add(record(20, 0.25))
    assert not (tmp_path / "log.csv").exists()
    writer.flush()
    writer.add(record(30))
    writer.flush()
    assert (tmp_path / "log.csv").read_text().splitlines() == [
        "step,done,lr,loss,accuracy,validation,cross_entropy,rank",
        "10,10,0.001,1.5,0.5,,1.0,0.5",
        "20,20,0.001,1.5,0.5,0.25,1.0,0.5",
        "30,30,0.001,1.5,0.5,,1.0,0.5",
    ]


@pytest.mark.parametrize("rest", ["", "30,30,0.001", "30,30,0.001,1.5,0.5,,1.0,0.5\n999,1", "\0\0\n"])
def test_what_a_killed_run_wrote_after_its_checkpoint_is_cut_off(tmp_path: Path, rest: str) -> None:
    file = tmp_path / "log.csv"
    writer = log.Log(file)
    for step in (10, 20):
        writer.add(record(step))
    writer.flush()
    kept = file.read_text()
    file.write_text(kept + rest)
    log.cut(file, 20)
    assert file.read_text() == kept
    log.cut(file, 5)
    assert not file.exists()


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no TensorBoard")
    writer = log.Log(tmp_path / "log.csv", tmp_path / "tensorboard")
    for step in (10, 20):
        writer.add(record(step))
    writer.flush()
    writer.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(10, 1.5), (20, 1.5)]
    assert "validation" not in events.Tags()["scalars"]


def test_without_tensorboard_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(
        log.LogError, match=r"pip install 'fewshot-skeleton\[tensorboard\]', or leave out --tensorboard"
    ):
        log.Log(tmp_path / "log.csv", tmp_path / "tensorboard")
