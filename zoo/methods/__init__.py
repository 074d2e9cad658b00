"""Few-shot methods, one per file; `Method` is the contract. Your own file needs one class, `Model(Method)`."""

from zoo.methods._method import Method

__all__ = ["Method"]
