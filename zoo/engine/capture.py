"""Forward and backward of one unit as a CUDA graph: the host launches one graph where it launched a thousand kernels.

See "CUDA Graphs" in torch's documentation. The step of the optimiser stays outside: its learning rate changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from zoo.engine.step import HALF, Lap, Precision, Trainer, Unit, forward_backward, no_lap, set_float32, unit_seed
from zoo.engine.train import Plan
from zoo.learner import Learner, Losses

WARM_UP = 3
"""Runs before a capture, in which libraries allocate their workspaces and choose their algorithms."""


class CaptureError(RuntimeError):
    """A training step that cannot be captured in a CUDA graph; the text says why."""


@dataclass(frozen=True)
class Outputs:
    """What one unit computes: its losses, and a gradient for every parameter (None where none arrives)."""

    losses: Losses
    gradients: list[Tensor | None]


Work = Callable[[], Outputs]


@runtime_checkable
class Graphs(Protocol):
    """How work is warmed up, captured and seeded on a device."""

    def warm_up(self, work: Work) -> None:
        """Run the work WARM_UP times."""

    def capture(self, work: Work) -> tuple[Callable[[], None], Outputs]:
        """(replay, outputs): `replay` computes the work again, into the same tensors."""

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Within, random numbers on the device are those of `seed`; its generator is then put back."""


def captured_unit(trainer: Trainer, example: Any, plan: Plan, lap: Lap = no_lap, graphs: Graphs | None = None) -> Unit:
    """A function (served, number) that does what `forward_backward` does, by replaying a graph of one unit.

    `example` is an Episode or a Batch; a unit whose tensors have other shapes or number formats (the last, smaller
    batch) is computed by `forward_backward` instead. After a replay the gradients of the parameters are tensors of the
    graph, which the next replay overwrites; where a step has several units, their sum is kept in tensors of its own.
    The learner is left in training mode and otherwise as it was. `graphs` are CUDA's unless given.
    Raises CaptureError for a device other than CUDA, for float16, and where a step does what a graph cannot hold: wait
    for the device (`.item()`, indexing by a mask), or save the random state (dropout under gradient checkpointing).
    """
    _check(trainer, graphs is not None)
    learner, parameters = trainer.learner, trainer.parameters
    graphs = graphs or CudaGraphs(parameters[0].device)
    inputs = replace(example, **{name: tensor.clone() for name, tensor in _tensors(example).items()})
    replay, outputs = _capture(learner, parameters, inputs, plan, graphs)
    shapes = _shapes(example)

    def unit(served: Any, number: int) -> Losses:
        seed = unit_seed(plan.seed, number)
        if _shapes(served) != shapes:
            return forward_backward(learner, served, seed, plan.precision, lap=lap)
        for name, tensor in _tensors(served).items():
            getattr(inputs, name).copy_(tensor)
        _keep_sums(parameters, outputs.gradients)
        with graphs.seeded(seed):
            replay()
        _add_gradients(parameters, outputs.gradients)
        lap("forward and backward")
        return _each(outputs.losses, torch.clone)

    return unit


class CudaGraphs:
    """Graphs of torch.cuda, on a stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)

    def warm_up(self, work: Work) -> None:
        """Run the work beside the current stream, which waits for it."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            for _ in range(WARM_UP):
                work()
        current.wait_stream(self.stream)

    def capture(self, work: Work) -> tuple[Callable[[], None], Outputs]:
        """Record the kernels that the work launches; none runs before the first replay."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device), torch.cuda.graph(graph, stream=self.stream):
            outputs = work()
        return graph.replay, outputs

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """The default generator of the device, which every graph reads at the start of a replay."""
        generator = torch.cuda.default_generators[self.device.index]
        state = generator.get_state()
        generator.manual_seed(seed)
        try:
            yield
        finally:
            generator.set_state(state)


def _check(trainer: Trainer, replaced: bool) -> None:
    """Raise CaptureError where no capture is possible, whatever the learner is."""
    device = trainer.parameters[0].device
    if device.type != "cuda" and not replaced:
        raise CaptureError(f"a training step is captured on a CUDA device, not on {device}. Leave --capture out.")
    if trainer.scaler is not None:
        raise CaptureError(
            "precision is float16, whose loss scaler decides on the host after every step. "
            "Set precision=bfloat16, or leave --capture out."
        )
    if trainer.learner.backbone.skip_empty:
        raise CaptureError(
            "data.skip_empty_bodies is on, so that the number of bodies differs from step to step. "
            "Set data.skip_empty_bodies=false, or leave --capture out."
        )


def _capture(
    learner: Learner, parameters: Sequence[Tensor], inputs: Any, plan: Plan, graphs: Graphs
) -> tuple[Callable[[], None], Outputs]:
    """Warm up and capture one unit, and leave the buffers of the learner as they were."""
    learner.train()
    set_float32(plan.precision)
    before = [buffer.clone() for buffer in learner.buffers()]

    def work() -> Outputs:
        return _outputs(learner, parameters, inputs, plan.precision)

    try:
        with graphs.seeded(unit_seed(plan.seed, 0)):
            graphs.warm_up(work)
            captured = graphs.capture(work)
    except RuntimeError as error:
        raise CaptureError(
            f"a step of {type(learner).__module__} cannot be captured: {str(error).splitlines()[0]}. A captured step "
            "must not wait for the device, nor draw dropout under gradient checkpointing. Leave --capture out."
        ) from error
    for buffer, value in zip(learner.buffers(), before, strict=True):
        buffer.copy_(value)
    return captured


def _outputs(learner: Learner, parameters: Sequence[Tensor], inputs: Any, precision: Precision) -> Outputs:
    """Losses and gradients of one unit; the gradients that the parameters have are put back.

    Unlike `forward_backward` it neither seeds nor saves a generator, which a capture does not allow.
    """
    before = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    device = parameters[0].device.type
    with torch.autocast(device, HALF.get(precision, torch.bfloat16), enabled=precision in HALF):
        losses = learner.losses(inputs)
    losses.total.backward()
    gradients = [parameter.grad for parameter in parameters]
    for parameter, grad in zip(parameters, before, strict=True):
        parameter.grad = grad
    return Outputs(_each(losses, Tensor.detach), gradients)


def _keep_sums(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Copy those gradients of this step that lie where the next replay writes."""
    for parameter, grad in zip(parameters, gradients, strict=True):
        if grad is not None and parameter.grad is grad:
            parameter.grad = grad.clone()


def _add_gradients(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    for parameter, grad in zip(parameters, gradients, strict=True):
        if grad is not None:
            parameter.grad = grad if parameter.grad is None else parameter.grad + grad


def _each(losses: Losses, change: Callable[[Tensor], Tensor]) -> Losses:
    """The losses with every tensor changed."""
    return Losses(
        change(losses.total),
        {name: change(part) for name, part in losses.parts.items()},
        None if losses.accuracy is None else change(losses.accuracy),
        None if losses.scores is None else change(losses.scores),
    )


def _tensors(served: Any) -> dict[str, Tensor]:
    """The tensors of an Episode or a Batch by field."""
    values = {entry.name: getattr(served, entry.name) for entry in fields(served)}
    return {name: value for name, value in values.items() if value is not None}


def _shapes(served: Any) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in _tensors(served).items()}
