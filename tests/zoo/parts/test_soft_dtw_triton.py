"""The Triton kernels against the sweep in float64: interpreted on a CPU, compiled on a GPU, skipped without Triton."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.parts import soft_dtw_triton
from zoo.parts.soft_dtw import soft_dtw

pytest.importorskip("triton", reason="Triton is not installed: it comes with a GPU build of torch")
from zoo.parts.soft_dtw_triton import soft_dtw_by_kernel

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPES = [(2, 1, 1), (2, 1, 4), (2, 5, 1), (3, 3, 5), (2, 6, 4), (2, 8, 8), (1, 17, 9)]


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU the kernels run in Triton's interpreter."""
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")
        soft_dtw_triton._kernels.cache_clear()


def costs(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def value_and_gradient(aligned, cost: Tensor, gamma: float, *band: int) -> tuple[Tensor, Tensor]:
    own = cost.clone().requires_grad_()
    value = aligned(own, gamma, *band)
    weight = torch.linspace(-1, 2, len(cost), dtype=cost.dtype, device=cost.device)
    return value.detach().double().cpu(), torch.autograd.grad((value * weight).sum(), own)[0].double().cpu()


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")
@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_the_sweep_in_float64(shape: tuple[int, int, int], gamma: float) -> None:
    for scale in (1.0, 1e4, -100.0):
        cost = costs(*shape, scale=scale)
        fast = value_and_gradient(soft_dtw_by_kernel, cost.to(DEVICE), gamma)
        slow = value_and_gradient(soft_dtw, cost.double(), gamma)
        torch.testing.assert_close(fast[0], slow[0], rtol=5e-6, atol=1e-6)
        # -R / gamma is rounded where it is large: 1e4 / 0.01 is known to 0.1, and a close race between two paths shows.
        torch.testing.assert_close(fast[1], slow[1], rtol=1e-4, atol=1e-5 if scale == 1 or gamma == 0 else 1e-2)


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")
@pytest.mark.parametrize("gamma", [0.0, 0.1])
@pytest.mark.parametrize(("shape", "band"), [((2, 1, 1), 1), ((2, 3, 5), 2), ((2, 6, 6), 1), ((2, 8, 7), 3)])
def test_a_band_against_the_sweep_in_float64(shape: tuple[int, int, int], band: int, gamma: float) -> None:
    fast = value_and_gradient(soft_dtw_by_kernel, costs(*shape).to(DEVICE), gamma, band)
    slow = value_and_gradient(soft_dtw, costs(*shape).double(), gamma, band)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)


def test_ties_take_the_diagonal_as_the_sweep_does() -> None:
    cost = torch.zeros(1, 4, 4)
    assert value_and_gradient(soft_dtw_by_kernel, cost.to(DEVICE), 0.0)[1][0].tolist() == (-torch.eye(4)).tolist()


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")
@pytest.mark.parametrize("gamma", [0.0, 0.1])
def test_a_cost_that_is_not_a_number_makes_the_result_one(gamma: float) -> None:
    cost = costs(2, 3, 3)
    cost[1, 0, 0] = torch.nan
    assert soft_dtw_by_kernel(cost.to(DEVICE), gamma).isnan().tolist() == [False, True]


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")
def test_strided_costs_and_none() -> None:
    cost = costs(2, 5, 3).mT
    value = soft_dtw_by_kernel(cost.to(DEVICE), 0.1).cpu()
    torch.testing.assert_close(value, soft_dtw(cost.contiguous(), 0.1))
    assert soft_dtw_by_kernel(costs(0, 3, 3).to(DEVICE), 0.1).shape == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("hard", [True, False])
def test_the_kernels_compile_for_a_gpu(hard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    soft_dtw_triton._kernels.cache_clear()
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernels = soft_dtw_triton._kernels()
    soft_dtw_triton._kernels.cache_clear()
    sizes = {"frames": "i32", "others": "i32", "band": "i32", "HARD": "constexpr", "BLOCK": "constexpr"}
    tensors = ("cost", "table", "result"), ("table", "grad", "shifted", "to_cost")
    scale = {"scale": "fp32"}, {}
    for kernel, names, further in zip(kernels, tensors, scale, strict=True):
        signature = dict.fromkeys(names, "*fp32") | further | sizes
        source = ASTSource(kernel, signature, constexprs={"HARD": hard, "BLOCK": 16})
        assert "cubin" in triton.compile(source, GPUTarget("cuda", 80, 32), soft_dtw_triton.COMPILED).asm


@pytest.mark.gpu
@pytest.mark.parametrize("gamma", [0.0, 0.01, 1.0])
def test_a_gpu_takes_the_kernel_and_agrees_with_the_cpu(gamma: float) -> None:
    cost = costs(250, 15, 15)
    before = torch.cuda.memory_allocated()
    value = soft_dtw(cost.cuda().requires_grad_(), gamma)
    assert torch.cuda.memory_allocated() - before < 3 * 250 * 31 * 16 * 4
    assert type(value.grad_fn.next_functions[0][0])._forward_cls is soft_dtw_triton._SoftDTW
    fast = value_and_gradient(soft_dtw, cost.cuda(), gamma)
    slow = value_and_gradient(soft_dtw, cost.double(), gamma)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-3)
