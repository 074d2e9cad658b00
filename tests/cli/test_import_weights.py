"""fszoo import-weights as a user types it, and a training that starts from its result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from helpers import released

QUICK = (
    '--set backbone.name=stgcn --set backbone.options={blocks=4} --set data.streams=["joint"] --set data.frames=8 '
    "--set budget.episodes=0 --set budget.test_episodes=2 --set evaluation.join= --set evaluation.mirror=false"
)


def checkpoint(folder: Path, **options: object) -> Path:
    torch.save({"state_dict": released.stgcn(**options)}, folder / "st_gcn.pt")  # type: ignore[arg-type]
    return folder / "st_gcn.pt"


def test_import_and_train(shell, in_demo: Path, tmp_path: Path) -> None:
    file = checkpoint(tmp_path)
    done = shell(f"fszoo import-weights {file} stgcn --set blocks=4 --out {tmp_path}/ours.safetensors")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"{tmp_path}/ours.safetensors: stgcn for ntu25, 3 channels, 2 bodies",
        "  left out: fcn.weight, fcn.bias",
        f"  start with --set backbone.name=stgcn --set init.source={tmp_path}/ours.safetensors",
    ]
    trained = shell(f"fszoo train protonet --data demo {QUICK} --set init.source={tmp_path}/ours.safetensors")
    assert trained.exit_code == 0, trained.output
    assert "Warning: the initial weights are imported (ours.safetensors): which classes" in trained.output


def test_default_place_json_and_the_same_again(shell, in_demo: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FSPREP_HOME", str(tmp_path))
    words = f"fszoo import-weights {checkpoint(tmp_path)} stgcn --set blocks=4"
    record = json.loads(shell(f"{words} --json").stdout)
    assert record["weights"] == str(tmp_path / "weights" / "st_gcn-stgcn.safetensors")
    assert (record["backbone"], record["channels"], record["left_out"]) == ("stgcn", 3, ["fcn.weight", "fcn.bias"])
    assert shell(words).exit_code == 0
    checkpoint(tmp_path, edge_importance=True)
    other = shell(f"{words} --set edge_importance=true")
    assert other.exit_code == 2
    assert "exists and holds other weights. Choose another file with --out" in other.output


def test_refusals(shell, in_demo: Path, tmp_path: Path) -> None:
    file, out = checkpoint(tmp_path), f"--out {tmp_path}/x.safetensors"
    for words, expected in (
        (f"{file} stgcn {out}", "`blocks.4.joints.maps.weight` is missing"),
        (f"{file} stgcn --set blocks=4 --channels 2 {out}", "has shape (75,) instead of (50,)"),
        (
            f"{file} stgcn --set blocks=4 --layout kinect20 {out}",
            "does not fit stgcn for kinect20, 3 channels, 2 bodies",
        ),
        (f"{file} stgcn --set block=4 {out}", "Did you mean `blocks`?"),
        (f"{file} stgcn --set blocks {out}", "--set blocks: must be key=value"),
        (f"{file} tcn {out}", "backbone `tcn` does not say how its weights are named by its authors"),
        (f"{file} stgnc {out}", "Did you mean `stgcn`?"),
        (f"{file} stgcn --layout ntu52 {out}", "ntu52"),
        (f"{file} stgcn --set blocks=4 --out {tmp_path}/x.pt", "imported weights are a .safetensors file"),
        (f"{tmp_path}/absent.pt stgcn", "does not exist"),
    ):
        done = shell(f"fszoo import-weights {words}")
        assert done.exit_code == 2, done.output
        assert expected in done.output
    assert not (tmp_path / "x.safetensors").exists()


def test_identities_are_computed_without_torch() -> None:
    script = "import sys, zoo.experiment.identity; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
