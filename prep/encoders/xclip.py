"""X-CLIP: CLIP whose blocks exchange messages between frames, and a transformer over the frames (Ni et al., 2022).

Vectors are the model's output and not normalised: for a video after the transformer over frames, for a sentence after
its projection, without the prompt generator that mixes a video into a sentence. Positions in time are learnt, so a
checkpoint takes its own number of frames only.

`XCLIPModel.from_pretrained` allocates whatever config.json claims before it reports tensors that do not fit (10 GB for
a config of 3 kB), and follows its other settings. So the model is first built without memory, compared with the tensors
of the file, and then filled with them.
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
from prep.encoders._encoder import EncoderError, Precision, Request
from prep.encoders._hub import config_and_weights
from prep.encoders._normalise import check_clips, normalise
from prep.encoders._tokens import CONTEXT, END, tokens
from prep.tensors import check_fit, read_tensors, weights_digest
from prep.torchvision_import import ensure_importable

if TYPE_CHECKING:
    import torch

BATCH = 256
"""Sentences per batch."""
LARGEST_CONFIG = 1 << 20
# The end token in configs older than transformers' knowledge of it; the highest id is then used, which is the same.
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

    def videos(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3) to vectors (B, D). Raises EncoderError for another T."""
        check_clips(clips, self.frames, self.size, "xclip")
        return self.of_pixels(normalise(clips, self.mean, self.std, self.device)).float().cpu().numpy()

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D). Raises EncoderError for one that is too long or has no words."""
        text = self.model.config.text_config
        if text.vocab_size != END + 1 or text.max_position_embeddings != CONTEXT:
            raise EncoderError(
                f"xclip: these weights have {text.vocab_size} tokens and context length "
                f"{text.max_position_embeddings}; the tokenizer has {END + 1} and {CONTEXT}. "
                "Take weights with CLIP's vocabulary."
            )
        vectors = np.zeros((len(sentences), self.width), np.float32)
        for start in range(0, len(sentences), BATCH):
            batch = slice(start, start + BATCH)
            vectors[batch] = self.of_tokens(tokens(sentences[batch])).float().cpu().numpy()
        return vectors

    def of_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pixels (B, T, 3, size, size) to vectors (B, D)."""
        with computing(self.device, self.precision):
            return _vector(self.model.get_video_features(pixels.to(self.device)))

    def of_tokens(self, ids: torch.Tensor) -> torch.Tensor:
        """Tokens (n, context length) to vectors (n, D). The end token is the highest id."""
        with computing(self.device, self.precision):
            return _vector(self.model.get_text_features(ids.to(self.device)))


def load(request: Request) -> XClip:
    """X-CLIP with weights from a folder (config.json and model.safetensors or pytorch_model.bin) or from the hub.

    Raises EncoderError where they are absent, damaged, anything but plain tensors, or of another architecture.
    """
    config, file = config_and_weights(request)
    tensors = read_tensors(file)
    model = _empty(_read_config(config), len(tensors), config)
    _fill(model, tensors, file)
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
    """sha256 of the tensors, of mean and std, and of settings that change vectors but no tensor's shape."""
    import torch

    parts = (model.config.text_config, model.config.vision_config)
    names = ("num_attention_heads", "mit_num_attention_heads", "hidden_act", "layer_norm_eps")
    values = [[getattr(part, name, None) for name in names] for part in parts]
    text = json.dumps([*values, request.facts.mean, request.facts.std])
    settings = torch.tensor(list(text.encode()), dtype=torch.uint8)
    return weights_digest((model.state_dict() | {"(settings)": settings}).items())


def _vector(output: Any) -> torch.Tensor:
    """transformers 4 returns the vector itself, transformers 5 an object that holds it."""
    import torch

    vector: torch.Tensor = output if torch.is_tensor(output) else output.pooler_output
    return vector


def _read_config(path: Path) -> Mapping[str, Any]:
    """A config.json of X-CLIP. Raises EncoderError."""
    if path.stat().st_size > LARGEST_CONFIG:
        raise EncoderError(f"{path}: is {path.stat().st_size} bytes; a config has a few thousand. Get it again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise EncoderError(f"{path}: is no JSON ({error}). Get it again.") from error
    kind = value.get("model_type") if isinstance(value, dict) else None
    if kind != "xclip":
        raise EncoderError(f"{path}: is the config of `{kind}`, not of `xclip`. Name weights of X-CLIP.")
    return {str(key): entry for key, entry in value.items()}


def _empty(value: Mapping[str, Any], tensors: int, path: Path) -> Any:
    """The model that a config describes, on the meta device. Raises EncoderError for a config that describes none."""
    import torch

    ensure_importable()
    from transformers import XCLIPConfig, XCLIPModel, XCLIPTextConfig, XCLIPVisionConfig

    text, vision = (
        value.get(f"{part}_config_dict") or value.get(f"{part}_config") or {} for part in ("text", "vision")
    )
    try:
        parts = {"text_config": _only(XCLIPTextConfig, text), "vision_config": _only(XCLIPVisionConfig, vision)}
        config = XCLIPConfig(**(_only(XCLIPConfig, value) | parts | {"attn_implementation": "sdpa"}))
        _check_config(config, tensors, path)
        with torch.device("meta"):
            return XCLIPModel(config)
    except EncoderError:
        raise
    # Sizes that do not divide, unknown activations, text for numbers: each raises another error.
    except Exception as error:
        raise EncoderError(f"{path}: describes no X-CLIP ({type(error).__name__}: {error}). Get it again.") from error


def _only(cls: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that describe the network. transformers would also follow others: code to fetch, quantisation."""
    return {key: entry for key, entry in value.items() if key in cls.__annotations__}


def _check_config(config: Any, tensors: int, path: Path) -> None:
    """Check the numbers that no tensor's shape proves. Raises EncoderError."""
    vision, text = config.vision_config, config.text_config
    layers = max(text.num_hidden_layers, vision.num_hidden_layers, vision.mit_num_hidden_layers, config.prompt_layers)
    if layers > tensors:
        raise EncoderError(f"{path}: has {layers} layers, and its weights are {tensors} tensors. Get both again.")
    if not isinstance(vision.image_size, int) or vision.num_channels != 3:
        raise EncoderError(
            f"{path}: frames are {vision.image_size} with {vision.num_channels} channels; only square RGB fits."
        )
    for width, heads in (
        (text.hidden_size, text.num_attention_heads),
        (vision.hidden_size, vision.num_attention_heads),
        (vision.mit_hidden_size, vision.mit_num_attention_heads),
    ):
        if heads < 1 or width % heads:
            raise EncoderError(f"{path}: a width of {width} cannot be divided among {heads} heads. Get it again.")
    if text.eos_token_id not in (_UNKNOWN_END, text.vocab_size - 1):
        raise EncoderError(
            f"{path}: its end token is {text.eos_token_id}; CLIP's is the highest id, {text.vocab_size - 1}."
        )


def _fill(model: Any, tensors: Mapping[str, torch.Tensor], file: Path) -> None:
    """Put the tensors of a file into the empty model, in float32. Raises EncoderError unless they fit one to one."""
    import torch

    # Old files hold positions, which count from 0 and are not learnt.
    learnt = {name: tensor for name, tensor in tensors.items() if not name.endswith(".position_ids")}
    check_fit(model, learnt, f"{file}: does not fit its config", "Get both from one source.")
    model.load_state_dict({name: tensor.float().contiguous() for name, tensor in learnt.items()}, assign=True)
    for embeddings in (model.text_model.embeddings, model.vision_model.embeddings):
        positions = torch.arange(embeddings.position_ids.shape[-1])[None]
        embeddings.register_buffer("position_ids", positions, persistent=False)
