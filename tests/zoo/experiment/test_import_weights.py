"""Released checkpoints become initial weights: what is taken, what is refused, and that nothing in them is run."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import tiny_backbone
from helpers.fill import authors, golden
from helpers.released import stgcn
from safetensors.torch import save_file
from torch import Tensor

from manifests.facts import layout
from prep.errors import BadFile, PrepError
from zoo import registry
from zoo.engine.checkpoint import CheckpointError
from zoo.engine.imported import load_imported, read_imported, save_imported
from zoo.experiment.import_weights import ImportRefused, Target, import_weights, read_released


def target(
    backbone: str = "stgcn", name: str = "ntu25", channels: int = 3, bodies: int = 2, **options: object
) -> Target:
    if backbone == "stgcn":
        options = {"blocks": 4} | options
    return Target(backbone, registry.backbone(backbone).options(**options), layout(name), channels, bodies)


def released(folder: Path, state: object, name: str = "theirs.pt", **how: object) -> Path:
    torch.save(state, folder / name, **how)
    return folder / name


@pytest.mark.parametrize("old", [False, True], ids=["archive", "before torch 1.6"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model_state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=["plain", "state_dict", "model_state_dict", "module"],
)
def test_every_shape_of_a_checkpoint(tmp_path: Path, wrap: Callable[[dict[str, Tensor]], object], old: bool) -> None:
    theirs = stgcn()
    path = released(tmp_path, wrap(theirs), _use_new_zipfile_serialization=not old)
    weights, about = import_weights(path, target())
    assert about.left_out == ("fcn.weight", "fcn.bias")
    assert torch.equal(weights["blocks.0.joints.maps.weight"], theirs["st_gcn_networks.0.gcn.conv.weight"][:, :, 0, 0])
    assert torch.equal(weights["norm.running_mean"], theirs["data_bn.running_mean"])


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file({name: value.contiguous().clone() for name, value in stgcn().items()}, tmp_path / "theirs.safetensors")
    assert import_weights(tmp_path / "theirs.safetensors", target())[1].left_out == ("fcn.bias", "fcn.weight")


@pytest.mark.parametrize(
    ("backbone", "name", "options"),
    [
        ("agcn", "backbone_agcn_ntu", {}),
        ("stgcn", "backbone_stgcn_orig_ntu", {"blocks": 10, "edge_importance": True}),
        ("msg3d", "backbone_msg3d_full_ntu", {"form": "full"}),
        ("ctrgcn", "backbone_ctrgcn_ntu", {}),
    ],
)
def test_weights_of_the_real_architectures(
    tmp_path: Path, backbone: str, name: str, options: dict[str, object]
) -> None:
    """The authors' key tables of the golden numbers; these have no graph, and that of the layout is taken."""
    path = released(tmp_path, authors(golden(name)[1]["keys"]))
    weights, about = import_weights(path, target(backbone, **options))
    assert {left.split(".")[0] for left in about.left_out} == {"fcn" if backbone == "stgcn" else "fc"}
    model = registry.backbone(backbone).model(layout("ntu25"), 3, 2, target(backbone, **options).options)
    model.load_state_dict(weights)


def test_counts_of_batches_may_be_absent_and_half_precision_becomes_float32(tmp_path: Path) -> None:
    """Checkpoints of torch before 0.4.1 have no such counts."""
    theirs = {name: value.half() for name, value in stgcn().items() if not name.endswith("num_batches_tracked")}
    del theirs["A"]
    weights, _ = import_weights(released(tmp_path, theirs), target())
    assert weights["norm.weight"].dtype == torch.float32
    assert weights["norm.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("state", "chosen", "words"),
    [
        (stgcn(channels=2), target(), r"`data_bn.weight` has shape (50,) instead of (75,)"),
        (stgcn(), target(name="kinect20"), r"`data_bn.weight` has shape (75,) instead of (60,)"),
        (stgcn(), target(channels=2), r"`data_bn.weight` has shape (75,) instead of (50,)"),
        (stgcn(), target(channels=2), r"does not fit stgcn for ntu25, 2 channels, 2 bodies: "),
        (stgcn(), target(channels=2), r"--layout, --bodies, --channels"),
        (stgcn(), target(blocks=7), r"`blocks.4.joints.maps.weight` is missing"),
        (stgcn(edge_importance=True), target(), r"`edge_importance.0` has no place"),
        (stgcn(exact_hops=True), target(), r"`adjacency` is another graph"),
        (stgcn() | {"extra.bias": torch.zeros(2)}, target(), r"`extra.bias` has no place"),
        (stgcn(), target(early_fusion=True, channels=6), r"`stems.0.adjacency`"),
        (stgcn(), target("agcn"), r"is missing"),
        ({k: v for k, v in stgcn().items() if k != "data_bn.bias"}, target(), r"`norm.bias` is missing"),
    ],
)
def test_another_architecture_or_size_is_refused(
    tmp_path: Path, state: dict[str, Tensor], chosen: Target, words: str
) -> None:
    with pytest.raises(ImportRefused) as error:
        import_weights(released(tmp_path, state), chosen)
    if "stems" not in words:
        assert words in str(error.value)
    else:
        assert "`stems.0." in str(error.value)


def test_a_weight_that_the_map_looks_up_is_named(tmp_path: Path) -> None:
    theirs = authors(golden("backbone_agcn_ntu")[1]["keys"])
    del theirs["l3.gcn1.conv_a.1.weight"]
    path = released(tmp_path, theirs)
    words = "has no `l3.gcn1.conv_a.1.weight`, so it is not a checkpoint of the authors' agcn"
    with pytest.raises(ImportRefused, match=words):
        import_weights(path, target("agcn"))
    theirs |= {"l3.gcn1.conv_a.1.weight": torch.zeros(16, 3, 1, 1)}
    with pytest.raises(ImportRefused, match="its weights do not have the shapes of agcn for ntu25, 3 channels"):
        import_weights(released(tmp_path, theirs), target("agcn"))


def test_a_backbone_without_authors_is_refused(tmp_path: Path) -> None:
    path = released(tmp_path, stgcn())
    for backbone in ("tcn", tiny_backbone.__file__):
        with pytest.raises(ImportRefused, match=r"Write a function `from_authors\(weights\)` in its file"):
            import_weights(path, target(backbone))


class Bomb:
    """A pickle that runs a command when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.file), "w")


@pytest.mark.parametrize("old", [False, True])
def test_no_code_is_run(tmp_path: Path, old: bool) -> None:
    path = released(tmp_path, {"a": Bomb(tmp_path / "ran")}, _use_new_zipfile_serialization=not old)
    with pytest.raises(PrepError, match=r"something other than plain tensors .* Nothing in it was run"):
        read_released(path)
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(PrepError, match=r"Nothing in it was run"):
        read_released(path)
    assert not (tmp_path / "ran").exists()


def test_sizes_are_checked_before_they_are_believed(tmp_path: Path) -> None:
    path = released(tmp_path, {"a": torch.zeros(1).expand(10**12)})
    with pytest.raises(PrepError, match=r"claims 4000000000000 bytes of numbers, and the file has"):
        read_released(path)
    small = released(tmp_path, {"a": torch.zeros(1000)}, "small.pt")
    with zipfile.ZipFile(small) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in old.infolist():
            packed.writestr(entry.filename, old.read(entry))
    with pytest.raises(PrepError, match="is compressed, which torch.save never does"):
        read_released(path)


@pytest.mark.parametrize("cut", [1, 100, 5000])
@pytest.mark.parametrize("old", [False, True])
def test_truncated_files_are_refused(tmp_path: Path, cut: int, old: bool) -> None:
    path = released(tmp_path, stgcn(), _use_new_zipfile_serialization=not old)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(PrepError, match="damaged"):
        read_released(path)


def test_what_is_no_table_of_tensors_is_refused(tmp_path: Path) -> None:
    for value in ([1, 2], {"epoch": 3}, {}):
        with pytest.raises(PrepError, match="is not a table of tensors by name"):
            read_released(released(tmp_path, value))
    with pytest.raises(PrepError, match="`a` holds numbers that are not finite"):
        read_released(released(tmp_path, {"a": torch.tensor([float("nan")])}))
    with pytest.raises(BadFile, match="is a folder, and only regular files are read"):
        read_released(tmp_path)


def test_a_file_of_imported_weights_says_what_it_is(tmp_path: Path) -> None:
    weights, about = import_weights(released(tmp_path, stgcn()), target())
    save_imported(tmp_path / "ours.safetensors", weights, about)
    again = read_imported(tmp_path / "ours.safetensors")
    assert again == about
    assert (again.backbone, again.layout, again.channels, again.bodies) == ("stgcn", "ntu25", 3, 2)
    assert again.options["blocks"] == 4
    assert (again.source, len(again.source_digest)) == ("theirs.pt", 64)


class Learner(torch.nn.Module):
    """A backbone in a learner's place."""

    def __init__(self, chosen: Target) -> None:
        super().__init__()
        made = registry.backbone(chosen.backbone).model
        self.backbone = made(chosen.layout, chosen.channels, chosen.bodies, chosen.options)


def test_loading_takes_every_weight_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    weights, about = import_weights(released(tmp_path, stgcn()), target())
    save_imported(path, weights, about)
    learner = Learner(target(pair_norm="pn", drop_edges=4))
    load_imported(path, learner, "backbone", "stgcn", "ntu25")
    assert all(torch.equal(value, weights[name]) for name, value in learner.backbone.state_dict().items())
    for chosen, words in (
        (target(blocks=7), r"does not fit the model at `blocks.*` .* It was imported for 2 bodies, 3 channels"),
        (target(exact_hops=True), "its `adjacency` is not that of the model. It was imported for 2 bodies, 3 channels"),
    ):
        with pytest.raises(CheckpointError, match=words):
            load_imported(path, Learner(chosen), "backbone", "stgcn", "ntu25")
    with pytest.raises(CheckpointError, match="imported for backbone stgcn, not agcn. Import the weights for agcn"):
        load_imported(path, learner, "backbone", "agcn", "ntu25")
    with pytest.raises(CheckpointError, match="imported for layout ntu25, not kinect20"):
        load_imported(path, learner, "backbone", "stgcn", "kinect20")
    with pytest.raises(CheckpointError, match="holds the weights of a backbone only, not of `head`"):
        load_imported(path, learner, "head", "stgcn", "ntu25")


def test_a_damaged_file_of_imported_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    weights, about = import_weights(released(tmp_path, stgcn()), target())
    save_imported(path, weights | {"norm.bias": weights["norm.bias"] + 1}, about)
    with pytest.raises(CheckpointError, match="damaged, its weights are not those of its metadata"):
        load_imported(path, Learner(target()), "backbone", "stgcn", "ntu25")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="damaged"):
        read_imported(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="does not say which backbone it fits. Make initial weights of it with"):
        read_imported(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"imported": json.dumps({"backbone": 3})})
    with pytest.raises(CheckpointError, match="its metadata is damaged"):
        read_imported(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"header": "{}"})
    with pytest.raises(CheckpointError, match=f"is a checkpoint of a run. Name the folder of the run: .*{tmp_path}"):
        read_imported(path)
    with pytest.raises(CheckpointError, match="there is no such file. `fszoo import-weights` makes one"):
        read_imported(tmp_path / "absent.safetensors")
