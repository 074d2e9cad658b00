"""One loop: training, evaluation, optimiser, checkpoints."""
