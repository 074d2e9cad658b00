"""Pre-training stages, one per file; `Stage` is the contract. Your own file needs one class, `Model(Stage)`."""

from zoo.pretrain._stage import Stage

__all__ = ["Stage"]
