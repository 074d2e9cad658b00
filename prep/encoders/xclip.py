"""X-CLIP: CLIP whose blocks exchange a message between frames, and a transformer over the frames (Ni et al., 2022).

Vectors are as the model gives them: of a video after the transformer over frames, of a sentence after its projection,
without the prompt generator that mixes a video into a sentence, not normalised. Its positions along time are learnt, so
a checkpoint takes its own number of frames and no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prep.encoders._computing import computing, frozen
from prep.encoders._encoder import EncoderError, Precision, Request, weights_digest
from prep.encoders._hub import config_and_weights
from prep.encoders._normalise import checked, normalised
from prep.encoders._tokens import END, PLACES, tokens
from prep.encoders._torchvision import mend
from prep.encoders._weights import read_tensors

if TYPE_CHECKING:
    import torch

AT_ONCE = 256
"""Sentences of one pass."""
LONGEST_CONFIG = 1 << 20
# transformers' mark of a config from before it knew the end token; it then takes the highest id, which is the same.
_UNKNOWN_END = 2


@dataclass(frozen=True)
class XClip:
    """A loaded X-CLIP; see prep.encoders._encoder.Encoder."""

    model: Any
    frames: int
    size: int
    width: int
    weights: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    device: str
    precision: Precision

    def videos(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3) to vectors (B, D). Raises EncoderError for another T."""
        checked(pictures, self.frames, self.size, "xclip")
        there = normalised(pictures, self.mean, self.std, self.device)
        return self.of_pixels(there).float().cpu().numpy()

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D). Raises EncoderError for one that does not fit."""
        text = self.model.config.text_config
        if text.vocab_size != END + 1 or text.max_position_embeddings != PLACES:
            raise EncoderError(
                f"xclip: these weights know {text.vocab_size} words in {text.max_position_embeddings} places; "
                f"sentences are made of {END + 1} in {PLACES}. Take weights with CLIP's vocabulary."
            )
        vectors = np.zeros((len(sentences), self.width), np.float32)
        for start in range(0, len(sentences), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            vectors[part] = self.of_tokens(tokens(sentences[part])).float().cpu().numpy()
        return vectors

    def of_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pixels (B, T, 3, size, size) to vectors (B, D)."""
        with computing(self.device, self.precision):
            return _vector(self.model.get_video_features(pixels.to(self.device)))

    def of_tokens(self, ids: torch.Tensor) -> torch.Tensor:
        """Tokens (n, places) to vectors (n, D). The end token is the highest id."""
        with computing(self.device, self.precision):
            return _vector(self.model.get_text_features(ids.to(self.device)))


def load(request: Request) -> XClip:
    """X-CLIP with the weights of a folder (config.json and model.safetensors or pytorch_model.bin) or of the hub.

    Raises EncoderError where they are absent, damaged, anything but plain tensors, or of another architecture.
    """
    config, file = config_and_weights(request)
    held = read_tensors(file)
    model = _filled(_empty(_config(config), held, config), held, file)
    vision = model.config.vision_config
    return XClip(
        model=frozen(model, request.device),
        frames=vision.num_frames,
        size=vision.image_size,
        width=model.config.projection_dim,
        weights=_digest(model, request),
        mean=request.facts.mean,
        std=request.facts.std,
        device=request.device,
        precision=request.precision,
    )


def _digest(model: Any, request: Request) -> str:
    """sha256 of the tensors, of the colours, and of those settings that change vectors and no tensor's shape."""
    import torch

    parts = (model.config.text_config, model.config.vision_config)
    names = ("num_attention_heads", "mit_num_attention_heads", "hidden_act", "layer_norm_eps")
    shown = [[getattr(part, name, None) for name in names] for part in parts]
    text = json.dumps([*shown, request.facts.mean, request.facts.std])
    settings = torch.tensor(list(text.encode()), dtype=torch.uint8)
    return weights_digest((model.state_dict() | {"(settings)": settings}).items())


def _vector(out: Any) -> torch.Tensor:
    """transformers 4 gave the vector itself, transformers 5 gives an object that holds it."""
    import torch

    vector: torch.Tensor = out if torch.is_tensor(out) else out.pooler_output
    return vector


def _config(path: Path) -> Mapping[str, Any]:
    """A config.json of X-CLIP. Raises EncoderError."""
    if path.stat().st_size > LONGEST_CONFIG:
        raise EncoderError(f"{path}: is {path.stat().st_size} bytes; a config has a few thousand. Get it again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise EncoderError(f"{path}: is no JSON ({error}). Get it again.") from error
    kind = value.get("model_type") if isinstance(value, dict) else None
    if kind != "xclip":
        raise EncoderError(f"{path}: is the config of `{kind}`, not of `xclip`. Name weights of X-CLIP.")
    return {str(key): each for key, each in value.items()}


def _empty(config: Mapping[str, Any], held: Mapping[str, object], path: Path) -> Any:
    """The model that a config describes, without numbers. Raises EncoderError for a config that describes none."""
    import torch

    mend()
    from transformers import XCLIPConfig, XCLIPModel, XCLIPTextConfig, XCLIPVisionConfig

    try:
        parts = {
            "text_config": _known(XCLIPTextConfig, config.get("text_config_dict") or config.get("text_config") or {}),
            "vision_config": _known(
                XCLIPVisionConfig, config.get("vision_config_dict") or config.get("vision_config") or {}
            ),
        }
        shape = XCLIPConfig(**(_known(XCLIPConfig, config) | parts | {"attn_implementation": "sdpa"}))
        _check_counts(shape, len(held), path)
        with torch.device("meta"):
            return XCLIPModel(shape)
    except EncoderError:
        raise
    # Sizes that do not divide, activations that do not exist, numbers that are words: each has an error of its own.
    except Exception as error:
        raise EncoderError(f"{path}: describes no X-CLIP ({type(error).__name__}: {error}). Get it again.") from error


def _known(kind: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that describe this network. transformers would obey others too: code to fetch, quantisation."""
    return {key: each for key, each in value.items() if key in kind.__annotations__}


def _check_counts(config: Any, tensors: int, path: Path) -> None:
    """Hold the numbers that no tensor's shape proves against reason. Raises EncoderError."""
    vision, text = config.vision_config, config.text_config
    layers = (text.num_hidden_layers, vision.num_hidden_layers, vision.mit_num_hidden_layers, config.prompt_layers)
    if max(layers) > tensors:
        raise EncoderError(f"{path}: has {max(layers)} layers, and its weights are {tensors} tensors. Get both again.")
    if not isinstance(vision.image_size, int) or vision.num_channels != 3:
        raise EncoderError(
            f"{path}: pictures are {vision.image_size} with {vision.num_channels} colours; only square RGB fits."
        )
    if not isinstance(vision.patch_size, int) or not 1 <= vision.patch_size <= vision.image_size:
        raise EncoderError(f"{path}: patches are {vision.patch_size} in pictures of {vision.image_size}. Get it again.")
    for width, heads in (
        (text.hidden_size, text.num_attention_heads),
        (vision.hidden_size, vision.num_attention_heads),
        (vision.mit_hidden_size, vision.mit_num_attention_heads),
    ):
        if heads < 1 or width < 1 or width % heads:
            raise EncoderError(f"{path}: a width of {width} cannot be shared by {heads} heads. Get it again.")
    if text.eos_token_id not in (_UNKNOWN_END, text.vocab_size - 1):
        raise EncoderError(
            f"{path}: sentences end by token {text.eos_token_id}; CLIP's end by the highest, {text.vocab_size - 1}."
        )


def _filled(model: Any, held: Mapping[str, torch.Tensor], file: Path) -> Any:
    """The model with the numbers of a file, float32. Raises EncoderError unless they fit it one to one."""
    import torch

    wanted = model.state_dict()
    # Old files hold these, which count from 0 and are not learnt.
    given = {name: each for name, each in held.items() if name in wanted or not name.endswith(".position_ids")}
    wrong = [
        *(f"`{name}` is absent" for name in wanted if name not in given),
        *(f"`{name}` is unknown" for name in given if name not in wanted),
        *(
            f"`{name}` is {given[name].dtype} {tuple(given[name].shape)} instead of {tuple(each.shape)}"
            for name, each in wanted.items()
            if name in given and (given[name].shape != each.shape or not given[name].is_floating_point())
        ),
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise EncoderError(f"{file}: does not fit its config: {', '.join(wrong[:3])}{more}. Get both from one place.")
    model.load_state_dict({name: each.float().contiguous() for name, each in given.items()}, strict=True, assign=True)
    for part in model.modules():
        for name, each in part.named_buffers(recurse=False):
            if each.is_meta and name == "position_ids":
                part.register_buffer(name, torch.arange(each.shape[-1])[None], persistent=False)
    return model
