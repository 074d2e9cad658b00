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

    def __post_init__(self) -> None:
        require(self.frames >= 0, f"frames is {self.frames}; it must be 0, for any number, or above")


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
        require(0 <= min(self.mean) <= max(self.mean) <= 1, f"mean is {self.mean}; colours are between 0 and 1")
        require(min(self.std) > 0, f"std is {self.std}; each must be above 0")
        unique("checkpoints", [each.weights for each in self.checkpoints])
        taken = {each.weights: each.frames for each in self.checkpoints}
        require(not self.weights or self.weights in taken, f"weights `{self.weights}` are not among the checkpoints")
        fixed = taken.get(self.weights, 0)
        require(
            fixed in (0, self.frames), f"frames is {self.frames}, and the checkpoint `{self.weights}` takes {fixed}"
        )


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
            plain = template.count("{}") == template.count("{") == template.count("}") == 1
            require(plain, f"template `{template}` must hold `{{}}` once, for the class name, and no other brace")
