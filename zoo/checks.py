"""Checks that the Options of methods and backbones share. Each raises ValueError, naming the field and the rule."""

from __future__ import annotations


def positive(options: object, *names: str) -> None:
    """Require that the fields `names` are above 0.

    >>> from types import SimpleNamespace
    >>> positive(SimpleNamespace(temperature=0.0), "temperature")
    Traceback (most recent call last):
    ValueError: temperature is 0.0; it must be positive
    """
    for name in names:
        if not getattr(options, name) > 0:
            raise ValueError(f"{name} is {getattr(options, name)}; it must be positive")


def not_negative(options: object, *names: str) -> None:
    """Require that the fields `names` are at least 0, where 0 switches something off."""
    for name in names:
        if not getattr(options, name) >= 0:
            raise ValueError(f"{name} is {getattr(options, name)}; it must be 0 (none) or positive")


def at_least_one(options: object, *names: str) -> None:
    """Require that the fields `names` are 1 or more."""
    for name in names:
        if not getattr(options, name) >= 1:
            raise ValueError(f"{name} is {getattr(options, name)}; it must be at least 1")


def share(options: object, *names: str) -> None:
    """Require that the fields `names` are at least 0 and below 1."""
    for name in names:
        if not 0 <= getattr(options, name) < 1:
            raise ValueError(f"{name} is {getattr(options, name)}; it must be at least 0 and below 1")


def softness(options: object, name: str = "gamma") -> None:
    """Require that the softness of a dynamic time warping is at least 0.

    >>> from types import SimpleNamespace
    >>> softness(SimpleNamespace(gamma=-1.0))
    Traceback (most recent call last):
    ValueError: gamma is -1.0; it must be 0 (hard DTW) or positive (soft)
    """
    if not getattr(options, name) >= 0:
        raise ValueError(f"{name} is {getattr(options, name)}; it must be 0 (hard DTW) or positive (soft)")
