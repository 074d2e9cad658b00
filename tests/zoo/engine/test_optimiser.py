"""RMSprop's update written out; what the other optimisers do is torch's."""

from __future__ import annotations

import torch
from helpers.learners import LinearBackbone

from zoo.engine.optimiser import make_optimiser
from zoo.engine.options import Optimiser
from zoo.learner import Learner


def test_rmsprop_divides_by_the_root_of_the_mean_square_gradient() -> None:
    """torch's documentation: v = 0.99 v + 0.01 g^2, b = momentum b + g / (sqrt(v) + 1e-8), w = w - lr b."""
    learner = Learner(LinearBackbone(), None)
    weight = learner.backbone.map.weight
    options = Optimiser(name="rmsprop", lr=0.1, momentum=0.5, weight_decay=0.01)
    optimiser = make_optimiser(options, learner)
    expected, square, step = weight.detach().clone(), torch.zeros_like(weight), torch.zeros_like(weight)
    for seed in range(3):
        gradient = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        weight.grad = gradient.clone()
        optimiser.step()
        gradient = gradient + options.weight_decay * expected
        square = 0.99 * square + 0.01 * gradient**2
        step = options.momentum * step + gradient / (square.sqrt() + 1e-8)
        expected = expected - options.lr * step
    torch.testing.assert_close(weight.detach(), expected)
