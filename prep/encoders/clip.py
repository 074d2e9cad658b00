"""CLIP on single frames, pooled over time: any model of open_clip, any number of frames (METHODS D4).

f_v: each frame's vector at length 1, their mean, again at length 1. f_t: the sentence's vector at length 1. Frames do
not see one another, so the order of frames does not matter.
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
from prep.encoders._clip_towers import Colours, Towers, built, library, plain, unit
from prep.encoders._clip_weights import check, content, shapes, state
from prep.encoders._computing import frozen
from prep.encoders._encoder import EncoderError, Request, weights_digest
from prep.encoders._tokens import PLACES, tokens

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pooled:
    """A loaded model, see `prep.encoders._encoder.Encoder`."""

    towers: Towers
    size: int
    width: int
    weights: str
    frames: int = 0

    def videos(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3), red first, to vectors (B, D) of length 1, for any T. Raises EncoderError."""
        return plain(unit(unit(self.towers.pictures(pictures)).mean(dim=1)))

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D) of length 1. Raises EncoderError for one that does not fit."""
        return self.towers.sentences(sentences)


@dataclass(frozen=True)
class _Named:
    """Weights as the user names them: a model of open_clip, and what open_clip publishes under a tag, or a file."""

    model: str
    tag: dict[str, Any] | None = None
    path: Path | None = None


def load(request: Request) -> Pooled:
    """The model and weights `MODEL/TAG` (fetched on first use) or `MODEL=PATH` (a file of plain tensors).

    Whether it computes QuickGELU is the model's own setting, or the tag's: OpenAI's weights need it, and open_clip only
    warns where a tag wants it and the model of that name has none. Colours are normalised as the tag says; for a file,
    by the facts' mean and std if they are among those of the model's tags, otherwise (SigLIP) by the tags' own.
    Both belong to the digest of the weights, since vectors depend on them. Raises EncoderError.
    """
    named = _named(request)
    config = library().get_model_config(named.model)
    quick = bool(config.get("quick_gelu")) or bool((named.tag or {}).get("quick_gelu"))
    model = _model(named, config, quick, request)
    if named.path is None:
        _fill_from_tag(model, named, request)
    else:
        _fill_from_file(model, named.model, named.path)
    mean, std = _colours(named, request.facts)
    towers = Towers(
        name=request.facts.name,
        model=frozen(model, request.device),
        size=_side(model.visual.image_size, named.model),
        width=config["embed_dim"],
        mean=mean,
        std=std,
        device=request.device,
        precision=request.precision,
        tokenise=_tokeniser(named.model, config, request.facts),
    )
    return Pooled(towers, towers.size, towers.width, _digest(model, quick, mean, std))


def _named(request: Request) -> _Named:
    open_clip = library()
    model, equals, path = request.weights.partition("=")
    if not equals:
        model, slash, tag = request.weights.partition("/")
        if not slash:
            raise _error(request.facts, f"`{request.weights}` is neither MODEL/TAG nor MODEL=PATH.")
    if model not in open_clip.list_models():
        raise _error(request.facts, f"open_clip has no model `{model}`. {hint(model, open_clip.list_models())}")
    if equals:
        return _Named(model, path=Path(path))
    published = open_clip.get_pretrained_cfg(model, tag)
    if not published:
        known = open_clip.list_pretrained_tags_by_model(model)
        remedy = hint(tag, known) if known else "It has none at all."
        raise _error(request.facts, f"open_clip's model {model} has no weights `{tag}`. {remedy}")
    return _Named(model, tag=published)


def _model(named: _Named, config: dict[str, Any], quick: bool, request: Request) -> Any:
    """The model with random weights. `create_model` would make it too, but without the tag's QuickGELU."""
    open_clip = library()
    settings = {**config, "quick_gelu": quick}
    custom = settings.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    settings["text_cfg"] = {**config["text_cfg"], "hf_model_pretrained": False}
    kind = open_clip.CLIP
    if custom:
        kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP
    try:
        return built(kind, settings)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise _error(request.facts, f"the model {named.model} cannot be made: {error}") from error


def _fill_from_tag(model: Any, named: _Named, request: Request) -> None:
    open_clip = library()
    try:
        path = open_clip.download_pretrained(named.tag)
    except (OSError, RuntimeError) as error:
        raise _error(request.facts, f"{request.weights}: cannot be fetched: {error}") from error
    try:
        open_clip.load_checkpoint(model, path, weights_only=True)
    except Exception as error:  # A damaged file raises anything.
        raise _error(request.facts, f"{request.weights}: {path}: cannot be read: {error}") from error


def _fill_from_file(model: Any, name: str, path: Path) -> None:
    found = content(path)
    held = state(found["state_dict"] if isinstance(found, dict) and "state_dict" in found else found, path)
    # Not open_clip's own loader: it stretches position embeddings of another size in silence.
    check(shapes(model.state_dict()), held, path, name)
    model.load_state_dict(held)


def _colours(named: _Named, facts: Facts) -> tuple[Colours, Colours]:
    open_clip = library()
    if named.tag is not None:
        return tuple(named.tag["mean"]), tuple(named.tag["std"])
    own = (facts.mean, facts.std)
    tags = [
        open_clip.get_pretrained_cfg(named.model, tag) for tag in open_clip.list_pretrained_tags_by_model(named.model)
    ]
    known = list(dict.fromkeys((tuple(tag["mean"]), tuple(tag["std"])) for tag in tags))
    return own if not known or own in known else known[0]


def _side(size: int | tuple[int, int], model: str) -> int:
    high, wide = (size, size) if isinstance(size, int) else size
    if high != wide:
        raise EncoderError(f"{model}: takes pictures of {wide} x {high}; only square ones are cut here.")
    return high


def _tokeniser(model: str, config: dict[str, Any], facts: Facts) -> Callable[[Sequence[str]], torch.Tensor]:
    """CLIP's own tokens where the model takes them, or else what open_clip names for it."""
    text = config["text_cfg"]
    if text.get("context_length", PLACES) == PLACES and not {"hf_tokenizer_name", "tokenizer_kwargs"} & set(text):
        return tokens
    try:
        own = library().get_tokenizer(model)
    except (OSError, ValueError, ImportError) as error:
        raise _error(facts, f"{model}: its tokenizer cannot be fetched: {error}") from error

    def tokenise(sentences: Sequence[str]) -> torch.Tensor:
        ids: torch.Tensor = own(list(sentences))
        # These tokenizers cut in silence. With one place more, what fits leaves it empty, as the empty sentence does.
        last = own([*sentences, ""], context_length=ids.shape[1] + 1)[:, -1]
        for sentence, token in zip(sentences, last, strict=False):
            if token != last[-1]:
                raise EncoderError(f"`{sentence}` does not fit into the {ids.shape[1]} tokens of {model}. Shorten it.")
        return ids

    return tokenise


def _digest(model: Any, quick: bool, mean: Colours, std: Colours) -> str:
    import torch

    settings = {"(quick_gelu)": torch.tensor(quick), "(colours)": torch.tensor([mean, std])}
    return weights_digest((model.state_dict() | settings).items())


def _error(facts: Facts, text: str) -> EncoderError:
    return EncoderError(f"{facts.name}: {text} {facts.obtain.strip()}")
