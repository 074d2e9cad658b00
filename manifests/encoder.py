"""A video and text encoder: its weights, the frames and colours that it expects, its licence; and prompts."""

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
    """One encoder.

    obtain: how to get its weights.
    mean, std: normalisation of red, green and blue between 0 and 1.
    weights: the default weights ("" if none can be downloaded by name); `checkpoints` lists all published weights.
    frames: the default number of frames.
    prompts: the name of the default prompts.
    random: True if the weights are drawn at random, not learnt.
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
        unique("checkpoints", [checkpoint.weights for checkpoint in self.checkpoints])
        frames = {checkpoint.weights: checkpoint.frames for checkpoint in self.checkpoints}
        require(not self.weights or self.weights in frames, f"weights `{self.weights}` are not among the checkpoints")
        needed = frames.get(self.weights, 0)
        rule = f"frames is {self.frames}, and the checkpoint `{self.weights}` takes {needed}"
        require(needed in (0, self.frames), rule)


@dataclass(frozen=True)
class Prompts:
    """Sentences about a class, `{}` standing for its name; the text vectors of several are averaged."""

    name: str
    templates: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        require(len(self.templates) > 0, "templates is empty; the bare name is `{}`")
        unique("templates", self.templates)
        for template in self.templates:
            valid = template.count("{}") == template.count("{") == template.count("}") == 1
            require(valid, f"template `{template}` must hold `{{}}` once, for the class name, and no other brace")
