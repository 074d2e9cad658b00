"""Captured units: on the CPU against the eager step with a stand-in for a graph; on a GPU with a real one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.graphs import Recorded
from helpers.learners import LinearBackbone, episode_of
from helpers.stores import make_store
from helpers.sweeps import SETTINGS
from helpers.tiny_backbone import Model as TinyBackbone
from helpers.tiny_backbone import Options as TinyOptions
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from episodes.episode import Batch, Episode
from manifests.facts import layout
from prep.store.read import open_store
from zoo import registry
from zoo.backbones import stgcn
from zoo.engine import capture
from zoo.engine.capture import CaptureError, Outputs, Work, captured_unit
from zoo.engine.laps import Laps
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.options import Optimiser
from zoo.engine.ranks import ALONE
from zoo.engine.step import Precision, Trainer, forward_backward, set_float32, take_step, unit_seed
from zoo.engine.train import Plan
from zoo.experiment.resolve import options, resolve
from zoo.learner import Known, Learner
from zoo.methods import dastm, dtw, protonet
from zoo.parts import rank
from zoo.pretrain import byol
from zoo.runs import log
from zoo.runs.chain import train_chain
from zoo.runs.execute import Runtime

METHODS = {"protonet": protonet, "dtw": dtw, "dastm": dastm}
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def plan_of(precision: Precision = "float32", units: int = 1) -> Plan:
    return Plan(3, units, 1, 100, 10, 10, 0, precision, 0.0)


def trainer_of(learner: Learner, device: torch.device = CPU) -> Trainer:
    learner.to(device).train()
    options = Optimiser(name="sgd", lr=0.05)
    optimiser = make_optimiser(options, learner)
    return Trainer(learner, optimiser, make_schedule(options, optimiser, 0.01))


def learner_of(name: str, backbone: nn.Module | None = None) -> Learner:
    torch.manual_seed(0)
    backbone = backbone or TinyBackbone(layout("ntu25"), 3, 1, TinyOptions())
    module = METHODS[name]
    return module.Model(backbone, module.Options())


def episode(seed: int, device: torch.device = CPU, queries: int = 4, frames: int = 8, channels: int = 3) -> Episode:
    generator = torch.Generator().manual_seed(seed)
    support = torch.randn(1, 2, 1, 1, frames, 25, channels, generator=generator)
    query = torch.randn(1, queries, 1, frames, 25, channels, generator=generator)
    made = episode_of(support, query, torch.arange(queries).remainder(2)[None])
    return replace(made, **{name: getattr(made, name).to(device) for name in made.__dataclass_fields__})


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.learner.state_dict().items()}


def eager(trainer: Trainer, plan: Plan) -> Callable[[Episode, int], object]:
    return lambda served, number: forward_backward(
        trainer.learner, served, unit_seed(plan.seed, number), plan.precision
    )


def test_a_replay_draws_other_bones_every_time() -> None:
    """DropEdge draws from the generator that dropout draws from: a replayed step drops what the eager step drops."""
    plan, results = plan_of(), []
    for captured in (False, True):
        backbone = stgcn.Model(layout("ntu25"), 3, 1, stgcn.Options(blocks=4, drop_edges=4))
        trainer = trainer_of(learner_of("protonet", reset(backbone)))
        unit = captured_unit(trainer, episode(0), plan, graphs=Recorded()) if captured else eager(trainer, plan)
        losses = [unit(episode(0), number).total.item() for number in range(3)]
        assert backbone.dropped_hops is None
        assert len(set(losses)) == 3
        results.append(losses)
    assert results[0] == results[1]


def reset(backbone: nn.Module) -> nn.Module:
    """The same weights every time, and no dropout."""
    generator = torch.Generator().manual_seed(0)
    for parameter in backbone.parameters():
        parameter.data.normal_(0.0, 0.1, generator=generator)
    for module in backbone.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return backbone


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("name", list(METHODS))
def test_steps_by_replays_are_eager_steps(name: str, units: int) -> None:
    plan, results = plan_of(units=units), []
    for captured in (False, True):
        trainer, losses, graphs = trainer_of(learner_of(name)), [], Recorded()
        unit = captured_unit(trainer, episode(99), plan, graphs=graphs) if captured else eager(trainer, plan)
        for first, last in pairwise(range(0, 4 * units + 1, units)):
            losses += take_step(trainer, range(first, last), episode, unit, ALONE)
        results.append((weights(trainer), [loss.total.item() for loss in losses]))
        assert graphs.replays == (4 * units if captured else 0)
    # The sums are those of autograd in another order of addition for several units only.
    torch.testing.assert_close(results[0], results[1], rtol=0 if units == 1 else 1e-5, atol=0 if units == 1 else 1e-7)


def test_a_batch_of_clips_is_captured_as_well() -> None:
    torch.manual_seed(0)
    results = []
    served = [Batch(part, torch.zeros(6, dtype=torch.int64)) for part in torch.randn(4, 6, 2, 1, 8, 25, 3)]
    for captured in (False, True):
        torch.manual_seed(1)
        backbone = TinyBackbone(layout("ntu25"), 3, 1, TinyOptions())
        trainer, plan = trainer_of(byol.Model(backbone, byol.Options(hidden=16), Known())), plan_of()
        unit = captured_unit(trainer, served[0], plan, graphs=Recorded()) if captured else eager(trainer, plan)
        for number in range(len(served)):
            take_step(trainer, range(number, number + 1), served.__getitem__, unit, ALONE)
            trainer.learner.after_step(0.1 * number)
        results.append(weights(trainer))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


def test_the_generator_is_seeded_around_every_replay_and_the_learner_is_left_as_it_was() -> None:
    trainer, plan, graphs = trainer_of(learner_of("protonet")), plan_of(), Recorded()
    trainer.learner.eval()
    before, state = weights(trainer), torch.get_rng_state()
    unit = captured_unit(trainer, episode(0), plan, graphs=graphs)
    torch.testing.assert_close(before, weights(trainer), rtol=0, atol=0)
    assert trainer.learner.training
    assert all(parameter.grad is None for parameter in trainer.parameters)
    laps = list[str]()
    unit = captured_unit(trainer, episode(0), plan, laps.append, graphs)
    graphs.events.clear()
    unit(episode(5), 7)
    assert graphs.events == [f"seed {unit_seed(3, 7)}", "replay", "generator put back"]
    assert laps == ["forward and backward"]
    assert torch.equal(state, torch.get_rng_state())


def test_losses_are_copies_and_gradients_belong_to_the_graph_until_a_second_unit() -> None:
    trainer, plan = trainer_of(learner_of("protonet")), plan_of()
    unit = captured_unit(trainer, episode(0), plan, graphs=Recorded())
    first = unit(episode(1), 1)
    kept, owned = first.total.item(), [parameter.grad for parameter in trainer.parameters]
    alone = [grad.clone() for grad in owned]
    second = unit(episode(2), 2)
    assert first.total.item() == kept != second.total.item()
    assert first.scores is not None
    for parameter, grad, before in zip(trainer.parameters, owned, alone, strict=True):
        assert parameter.grad is not grad
        # What the graph holds now is the second unit's.
        torch.testing.assert_close(parameter.grad, before + grad)
    trainer.optimiser.zero_grad(set_to_none=True)
    unit(episode(1), 1)
    for parameter, grad, before in zip(trainer.parameters, owned, alone, strict=True):
        assert parameter.grad is grad
        torch.testing.assert_close(grad, before, rtol=0, atol=0)


def test_a_unit_of_another_shape_is_computed_eagerly() -> None:
    plan, results = plan_of(units=3), []
    served = {0: episode(0), 1: episode(1, queries=6), 2: episode(2)}
    for captured in (False, True):
        trainer, graphs = trainer_of(learner_of("dtw")), Recorded()
        unit = captured_unit(trainer, episode(9), plan, graphs=graphs) if captured else eager(trainer, plan)
        take_step(trainer, range(3), served.__getitem__, unit, ALONE)
        results.append(weights(trainer))
        assert graphs.replays == (2 if captured else 0)
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-7)


def test_a_parameter_without_a_gradient_keeps_none() -> None:
    learner = learner_of("protonet")
    learner.unused = nn.Parameter(torch.ones(2))
    trainer = trainer_of(learner)
    captured_unit(trainer, episode(0), plan_of(), graphs=Recorded())(episode(1), 1)
    assert learner.unused.grad is None
    assert all(p.grad is not None for p in trainer.parameters if p is not learner.unused)


def test_bfloat16_runs_under_autocast() -> None:
    plan, results = plan_of("bfloat16"), []
    for captured in (False, True):
        trainer = trainer_of(learner_of("protonet"))
        unit = captured_unit(trainer, episode(0), plan, graphs=Recorded()) if captured else eager(trainer, plan)
        take_step(trainer, range(1), episode, unit, ALONE)
        results.append(weights(trainer))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


def test_what_cannot_be_captured_is_refused() -> None:
    trainer, plan = trainer_of(learner_of("protonet")), plan_of()
    with pytest.raises(CaptureError, match=r"captured on a CUDA device, not on cpu\. Leave --capture out"):
        captured_unit(trainer, episode(0), plan)
    scaled = replace(trainer, scaler=torch.amp.GradScaler("cpu"))
    with pytest.raises(CaptureError, match=r"precision is float16, .* Set precision=bfloat16"):
        captured_unit(scaled, episode(0), plan, graphs=Recorded())
    trainer.learner.backbone.skip_empty = True
    with pytest.raises(CaptureError, match=r"Set data\.skip_empty_bodies=false"):
        captured_unit(trainer, episode(0), plan, graphs=Recorded())


def test_an_error_in_a_capture_names_the_learner_and_the_reason() -> None:
    trainer = trainer_of(learner_of("protonet"))

    class Refusing(Recorded):
        def capture(self, work: Work) -> tuple[Callable[[], None], Outputs]:
            raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    text = r"a step of zoo\.methods\.protonet cannot be captured: operation not permitted when stream is capturing\. A "
    with pytest.raises(CaptureError, match=text):
        captured_unit(trainer, episode(0), plan_of(), graphs=Refusing())


def run(folder: Path, runtime: Runtime) -> tuple[list[float], str]:
    """The losses of a run, and the lines that it prints."""
    store = open_store(make_store(folder / "toy.zarr", clips_per_class=6, separable=0.2))
    recipe = resolve("dtw", "demo", [*SETTINGS, "budget.batch=2"])
    lines = [step.line for step in train_chain(recipe, store, CPU, folder, folder / "run", runtime)]
    return [float(row["loss"]) for row in log.read(folder / "run" / "log.csv")], "\n".join(lines)


def test_a_run_of_replays_is_the_run_without_and_its_time_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, graphs = count(), Recorded()
    losses, lines = run(tmp_path / "plain", Runtime())
    monkeypatch.setattr(capture, "CudaGraphs", lambda device: graphs)
    monkeypatch.setattr(capture, "_check", lambda *_: None)
    replayed, timed = run(tmp_path / "captured", Runtime(laps=Laps(lambda: float(next(seconds))), capture=True))
    assert len(losses) == 3
    assert replayed == pytest.approx(losses, rel=1e-5)
    assert graphs.replays == 6
    assert "forward and backward" in timed
    assert "forward and backward" not in lines


def test_a_run_on_a_cpu_refuses_to_capture(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="not on cpu"):
        run(tmp_path, Runtime(capture=True))


class NothingWaits(TorchDispatchMode):
    """Tensors on `meta` have no values, so that what reads one fails; tensors of the host must not be copied there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in pytree.arg_tree_leaves(*args, **(kwargs or {})):
            if isinstance(tensor, Tensor):
                assert tensor.device.type == "meta" or tensor.dim() == 0, f"{func} reads a tensor of the host"
        return func(*args, **(kwargs or {}))


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("the state of a generator is read, or eigenvalues are computed")


CAPTURED = {
    "protonet": (protonet, protonet.Options()),
    "dtw": (dtw, dtw.Options()),
    "dastm": (dastm, dastm.Options()),
    "dastm_official": (dastm, options(resolve("dastm_official").method, "methods")),
}


@pytest.mark.parametrize("backbone", ["agcn", "stgcn", "tcn"])
@pytest.mark.parametrize("name", list(CAPTURED))
def test_no_step_waits_for_the_device(name: str, backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank, "nuclear_norm", partial(rank.nuclear_norm, newton_schulz=True))
    monkeypatch.setattr(torch.linalg, "eigh", refuse)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "get_rng_state", refuse)
    entry, (method, chosen) = registry.backbone(backbone), CAPTURED[name]
    learner = method.Model(entry.model(layout("ntu25"), 3, 1, entry.options()), chosen).to("meta").train()
    served = episode(0, torch.device("meta"), queries=10, frames=16)
    with NothingWaits():
        learner.losses(served).total.backward()


# Pairs are mined on the host.
WAITING = ("metric_learning",)


@pytest.mark.parametrize("name", registry.names("pretrain"))
def test_no_stage_waits_for_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    entry, known = registry.learner(name), Known(layout("ntu25"), ("a", "b"), 6)
    backbone = TinyBackbone(layout("ntu25"), 3, 1, TinyOptions())
    learner = entry.model(backbone, entry.options(), known).to("meta").train()
    parts = torch.zeros(4, entry.model.views, 1, 8, 25, 3), torch.zeros(4, dtype=torch.int64), torch.zeros(4, 6)
    batch = Batch(*(part.to("meta") for part in parts))
    refused = pytest.raises(NotImplementedError) if name in WAITING else nullcontext()
    with NothingWaits(), refused:
        learner.losses(batch).total.backward()


def test_that_a_step_that_waits_is_noticed() -> None:
    served = torch.ones(3, device="meta")
    with pytest.raises(NotImplementedError):
        served[served > 0]
    with pytest.raises(RuntimeError, match="meta"):
        served.sum().item()
    with NothingWaits(), pytest.raises(AssertionError, match="reads a tensor of the host"):
        torch.ones(3).to("meta")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("backbone", ["stgcn", "agcn", "tcn"])
@pytest.mark.parametrize("name", list(CAPTURED))
def test_on_a_gpu_replays_are_eager_steps(name: str, backbone: str, precision: Precision) -> None:
    """Dropout included: its generator is seeded alike. Atomic additions leave rounding."""
    plan, results = plan_of(precision), []
    entry, (method, chosen) = registry.backbone(backbone), CAPTURED[name]
    for captured in (False, True):
        torch.manual_seed(0)
        trainer = trainer_of(method.Model(entry.model(layout("ntu25"), 3, 1, entry.options()), chosen), GPU)
        set_float32(precision)
        example = episode(99, GPU, queries=10, frames=16)
        unit = captured_unit(trainer, example, plan) if captured else eager(trainer, plan)
        losses = []
        for number in range(5):
            served = episode(number, GPU, queries=10, frames=16)
            losses += take_step(trainer, range(number, number + 1), lambda _, served=served: served, unit, ALONE)
        gradients = [parameter.grad.clone() for parameter in trainer.parameters if parameter.grad is not None]
        results.append((torch.stack([loss.total for loss in losses]), gradients))
    tolerance = 1e-4 if precision == "float32" else 2e-2
    torch.testing.assert_close(results[0][0], results[1][0], rtol=tolerance, atol=tolerance)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert (one - other).norm() <= 10 * tolerance * one.norm() + 1e-6


@pytest.mark.gpu
def test_on_a_gpu_dropout_is_that_of_the_eager_unit_and_the_generator_is_put_back() -> None:
    trainer, plan = trainer_of(learner_of("protonet"), GPU), plan_of()
    unit = captured_unit(trainer, episode(9, GPU), plan)
    state = torch.cuda.get_rng_state()
    for number in (1, 2, 1):
        expected = eager(trainer, plan)(episode(0, GPU), number)
        torch.testing.assert_close(unit(episode(0, GPU), number).total, expected.total)
    assert torch.equal(state, torch.cuda.get_rng_state())


@pytest.mark.gpu
def test_on_a_gpu_what_waits_is_refused() -> None:
    class Waiting(protonet.Model):
        def score(self, support: Tensor, query: Tensor) -> Tensor:
            return super().score(support, query) * float(support.abs().max().item() >= 0)

    trainer = trainer_of(Waiting(LinearBackbone(), protonet.Options()), GPU)
    with pytest.raises(CaptureError, match="cannot be captured"):
        captured_unit(trainer, episode(0, GPU), plan_of())
