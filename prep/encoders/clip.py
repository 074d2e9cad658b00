"""CLIP on single frames, pooled over time: any model of open_clip, any number of frames (Radford et al., 2021).

f_v: each frame's vector scaled to length 1, their mean, again scaled to length 1. f_t: the sentence's vector scaled to
length 1. Frames are encoded independently, so the order of frames does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from manifests.encoder import Encoder as Facts
from manifests.strict import hint
from prep.encoders._clip_towers import RGB, Towers, build_model, library, to_numpy, unit_length
from prep.encoders._clip_weights import clip_tensors, read_content
from prep.encoders._computing import frozen
from prep.encoders._encoder import EncoderError, Request
from prep.encoders._tokens import CONTEXT, tokens
from prep.tensors import check_fit, weights_digest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PooledClip:
    """A loaded model, see `prep.encoders._encoder.Encoder`."""

    towers: Towers
    size: int
    width: int
    weights: str
    frames: int = 0

    def videos(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3), RGB, to vectors (B, D) of length 1, for any T. Raises EncoderError."""
        return to_numpy(unit_length(unit_length(self.towers.frames(clips)).mean(dim=1)))

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D) of length 1. Raises EncoderError for one that is too long or has no words."""
        return self.towers.sentences(sentences)


@dataclass(frozen=True)
class _Weights:
    """The user's choice of weights: a model of open_clip, and the entry of a published tag or a file."""

    model: str
    tag: dict[str, Any] | None = None
    path: Path | None = None


def load(request: Request) -> PooledClip:
    """The model and weights `MODEL/TAG` (downloaded on first use) or `MODEL=PATH` (a file of plain tensors).

    QuickGELU is used if the model or the tag has it: OpenAI's weights need it, and open_clip only warns where a tag has
    it and the model of that name has not. Mean and std are those of the tag; for a file they are those of the facts if
    a tag of the model uses them, otherwise (SigLIP) those of its tags. Vectors depend on both, so both are part of the
    digest. Raises EncoderError.
    """
    weights = _parse(request)
    config = library().get_model_config(weights.model)
    quick = bool(config.get("quick_gelu")) or bool((weights.tag or {}).get("quick_gelu"))
    model = _model(weights, config, quick, request)
    if weights.path is None:
        _fill_from_tag(model, weights, request)
    else:
        _fill_from_file(model, weights.model, weights.path)
    mean, std = _mean_and_std(weights, request.facts)
    towers = Towers(
        name=request.facts.name,
        model=frozen(model, request.device),
        size=_side(model.visual.image_size, weights.model),
        width=config["embed_dim"],
        mean=mean,
        std=std,
        device=request.device,
        precision=request.precision,
        tokenise=_tokeniser(weights.model, config, request.facts),
    )
    return PooledClip(towers, towers.size, towers.width, _digest(model, quick, mean, std))


def _parse(request: Request) -> _Weights:
    open_clip = library()
    model, equals, path = request.weights.partition("=")
    if not equals:
        model, slash, tag = request.weights.partition("/")
        if not slash:
            raise _error(request.facts, f"`{request.weights}` is neither MODEL/TAG nor MODEL=PATH.")
    if model not in open_clip.list_models():
        raise _error(request.facts, f"open_clip has no model `{model}`. {hint(model, open_clip.list_models())}")
    if equals:
        return _Weights(model, path=Path(path))
    published = open_clip.get_pretrained_cfg(model, tag)
    if not published:
        tags = open_clip.list_pretrained_tags_by_model(model)
        remedy = hint(tag, tags) if tags else "It has none at all."
        raise _error(request.facts, f"open_clip's model {model} has no weights `{tag}`. {remedy}")
    return _Weights(model, tag=published)


def _model(weights: _Weights, config: dict[str, Any], quick: bool, request: Request) -> Any:
    """The model with random weights. open_clip's `create_model` would ignore the tag's QuickGELU."""
    open_clip = library()
    settings = {**config, "quick_gelu": quick}
    custom = settings.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    settings["text_cfg"] = {**config["text_cfg"], "hf_model_pretrained": False}
    cls = open_clip.CLIP
    if custom:
        cls = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP
    try:
        return build_model(cls, settings)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise _error(request.facts, f"the model {weights.model} cannot be built: {error}") from error


def _fill_from_tag(model: Any, weights: _Weights, request: Request) -> None:
    open_clip = library()
    try:
        path = open_clip.download_pretrained(weights.tag)
    except (OSError, RuntimeError) as error:
        raise _error(request.facts, f"{request.weights}: cannot be downloaded: {error}") from error
    try:
        open_clip.load_checkpoint(model, path, weights_only=True)
    except Exception as error:  # A damaged file raises anything.
        raise _error(request.facts, f"{request.weights}: {path}: cannot be read: {error}") from error


def _fill_from_file(model: Any, name: str, path: Path) -> None:
    content = read_content(path)
    if isinstance(content, dict) and "state_dict" in content:
        content = content["state_dict"]
    tensors = clip_tensors(content, path)
    # Not open_clip's own loader: it silently resizes position embeddings.
    check_fit(model, tensors, f"{path}: is not {name}", "Name the model that these weights belong to.")
    model.load_state_dict(tensors)


def _mean_and_std(weights: _Weights, facts: Facts) -> tuple[RGB, RGB]:
    open_clip = library()
    if weights.tag is not None:
        return tuple(weights.tag["mean"]), tuple(weights.tag["std"])
    tags = [
        open_clip.get_pretrained_cfg(weights.model, tag)
        for tag in open_clip.list_pretrained_tags_by_model(weights.model)
    ]
    published = list(dict.fromkeys((tuple(tag["mean"]), tuple(tag["std"])) for tag in tags))
    default = (facts.mean, facts.std)
    return default if not published or default in published else published[0]


def _side(size: int | tuple[int, int], model: str) -> int:
    high, wide = (size, size) if isinstance(size, int) else size
    if high != wide:
        raise EncoderError(f"{model}: takes frames of {wide} x {high}; only square ones are supported.")
    return high


def _tokeniser(model: str, config: dict[str, Any], facts: Facts) -> Callable[[Sequence[str]], torch.Tensor]:
    """CLIP's tokens if the model takes them, otherwise the tokenizer that open_clip names for it."""
    text = config["text_cfg"]
    if text.get("context_length", CONTEXT) == CONTEXT and not {"hf_tokenizer_name", "tokenizer_kwargs"} & set(text):
        return tokens
    try:
        tokenizer = library().get_tokenizer(model)
    except (OSError, ValueError, ImportError) as error:
        raise _error(facts, f"{model}: its tokenizer cannot be downloaded: {error}") from error

    def tokenise(sentences: Sequence[str]) -> torch.Tensor:
        ids: torch.Tensor = tokenizer(list(sentences))
        # These tokenizers truncate silently. A sentence that fits leaves one more position empty, like the empty one.
        last = tokenizer([*sentences, ""], context_length=ids.shape[1] + 1)[:, -1]
        for sentence, token in zip(sentences, last, strict=False):
            if token != last[-1]:
                raise EncoderError(f"`{sentence}` does not fit into the {ids.shape[1]} tokens of {model}. Shorten it.")
        return ids

    return tokenise


def _digest(model: Any, quick: bool, mean: RGB, std: RGB) -> str:
    import torch

    settings = {"(quick_gelu)": torch.tensor(quick), "(colours)": torch.tensor([mean, std])}
    return weights_digest((model.state_dict() | settings).items())


def _error(facts: Facts, text: str) -> EncoderError:
    return EncoderError(f"{facts.name}: {text} {facts.obtain.strip()}")
