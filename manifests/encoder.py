"""A video and text encoder: where its weights come from, what it wants to be shown, under which terms."""

from __future__ import annotations

from dataclasses import dataclass

from manifests.rules import require, unique


@dataclass(frozen=True)
class Checkpoint:
    """Published weights: the name under which they are loaded, and how many frames they take (0: any number)."""

    weights: str
    frames: int
    remark: str = ""


@dataclass(frozen=True)
class Encoder:
    """One encoder. `weights` are taken by default ("" where there are none to be had), `checkpoints` are all known.

    `mean` and `std` normalise colours between 0 and 1; `frames` is how many frames are shown by default; `prompts`
    names the set of prompts taken by default; `random` says that the weights are drawn, not learnt; `obtain` says how
    to get weights.
    """

    name: str
    title: str
    source: str
    licence: str
    obtain: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    frames: int = 8
    prompts: str = "bare"
    random: bool = False

    def __post_init__(self) -> None:
        require(self.frames >= 1, f"frames is {self.frames}; it must be at least 1")
        require(min(self.std) > 0, f"std is {self.std}; each must be above 0")
        unique("checkpoints", [each.weights for each in self.checkpoints])
        known = [each.weights for each in self.checkpoints]
        require(not self.weights or self.weights in known, f"weights `{self.weights}` are not among the checkpoints")


@dataclass(frozen=True)
class Prompts:
    """Sentences about a class, `{}` standing for its name; several are averaged."""

    name: str
    templates: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        require(len(self.templates) > 0, "templates is empty; the bare name is `{}`")
        unique("templates", self.templates)
        for template in self.templates:
            require(template.count("{}") == 1, f"template `{template}` must hold `{{}}` once, for the class name")
