"""ActionCLIP: CLIP on every frame, and a transformer over the vectors of the frames (Wang et al., 2021).

As in the authors' code (sallymmx/ActionCLIP: modules/Visual_Prompt.py, clip/model.py, test.py, utils/saving.py), the
vectors of frames enter the temporal head without normalisation; the head "Transf" adds an embedding of the frame index,
applies 6 attention blocks, adds its input again and takes the mean over time. Only then are the vectors of videos and
sentences scaled to length 1. Their evaluation averages the softmax over classes of 16 prompts; here the caller averages
the vectors of the prompts.

Their backbone computes in float16 on a GPU; here it computes in float32 or bfloat16. The head is always float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prep.encoders._clip_towers import Towers, build_model, library, to_numpy, unit_length
from prep.encoders._clip_weights import clip_tensors, read_content
from prep.encoders._computing import computing, frozen
from prep.encoders._encoder import EncoderError, Request
from prep.encoders._tokens import CONTEXT, END
from prep.tensors import check_fit, check_shapes, weights_digest

if TYPE_CHECKING:
    import torch

LAYERS = 6
HEAD_WIDTH = 64
# Of the head's LayerNorm; CLIP's has torch's default.
EPSILON = 1e-12
MODEL, FUSION = "model_state_dict", "fusion_model_state_dict"
POSITIONS = "frame_position_embeddings.weight"
_OTHER_HEADS = {"lstm_visual.": "LSTM", "shift.": "Conv_1D", "transformer.cls_token": "Transf_cls"}
_OTHER_BACKBONES = {".net.": "temporal shift (tsm)", "visual.time_embedding": "joint space-time attention (joint)"}


@dataclass(frozen=True)
class ActionClip:
    """A loaded model, see `prep.encoders._encoder.Encoder`. `head` is empty for "meanP", the plain mean over frames."""

    towers: Towers
    head: Mapping[str, torch.Tensor]
    heads: int
    size: int
    width: int
    weights: str
    frames: int = 0

    def videos(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3), RGB, to vectors (B, D) of length 1.

        The head takes up to 77 frames, its number of positions. Weights are trained on 8, 16 or 32 frames, and their
        file does not say on how many. Raises EncoderError for more frames than positions.
        """
        if self.head and clips.ndim == 5 and clips.shape[1] > len(self.head[POSITIONS]):
            raise EncoderError(
                f"actionclip: clips of {clips.shape[1]} frames; its temporal head has {len(self.head[POSITIONS])} "
                "positions. Use fewer (--frames)."
            )
        frames = self.towers.frames(clips)
        with computing(self.towers.device, "float32"):
            fused = transf(frames, self.head, self.heads) if self.head else frames
            return to_numpy(unit_length(fused.mean(dim=1)))

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D) of length 1. Raises EncoderError for one that is too long or has no words."""
        return self.towers.sentences(sentences)


def transf(frames: torch.Tensor, head: Mapping[str, torch.Tensor], heads: int) -> torch.Tensor:
    """The temporal head "Transf" before its mean: vectors (B, T, D) to (B, T, D), with `heads` heads of attention.

    T is at most the number of positions.
    """
    hidden = frames + head[POSITIONS][: frames.shape[1]]
    for layer in range(LAYERS):
        start = f"transformer.resblocks.{layer}."
        block = {name.removeprefix(start): value for name, value in head.items() if name.startswith(start)}
        hidden = hidden + _attention(_norm(hidden, block, "ln_1"), block, heads)
        hidden = hidden + _perceptron(_norm(hidden, block, "ln_2"), block)
    return hidden + frames


def load(request: Request) -> ActionClip:
    """A checkpoint in the authors' layout: a file of torch.save with `model_state_dict` (CLIP with OpenAI's names) and
    `fusion_model_state_dict` (the temporal head; empty for "meanP").

    The architecture follows from the shapes. Raises EncoderError where the file is absent, damaged, contains code, or
    has another layout, backbone or head.
    """
    path = Path(request.weights).expanduser()
    if not path.is_file():
        raise EncoderError(f"actionclip: {path}: there is no such file. {request.facts.obtain.strip()}")
    content = read_content(path)
    if not (isinstance(content, dict) and MODEL in content and FUSION in content):
        rule = f"holds {', '.join(sorted(map(str, content))[:4])}" if isinstance(content, dict) else "is no dictionary"
        raise EncoderError(f"{path}: {rule}; a checkpoint of ActionCLIP has `{MODEL}` and `{FUSION}`.")
    tensors = clip_tensors(content[MODEL], path)
    model = _clip(tensors, path)
    width, heads = tensors["text_projection"].shape[1], tensors["ln_final.weight"].shape[0] // HEAD_WIDTH
    head = _head(content[FUSION], width, heads, path)
    towers = Towers(
        name=request.facts.name,
        model=frozen(model, request.device),
        size=model.visual.image_size[0],
        width=width,
        mean=request.facts.mean,
        std=request.facts.std,
        device=request.device,
        precision=request.precision,
    )
    parts = model.state_dict() | {f"fusion.{name}": tensor for name, tensor in head.items()}
    on_device = {name: tensor.to(request.device) for name, tensor in head.items()}
    return ActionClip(towers, on_device, heads, towers.size, width, weights_digest(parts.items()))


def _norm(hidden: torch.Tensor, block: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    import torch

    weight, bias = block[f"{name}.weight"], block[f"{name}.bias"]
    return torch.nn.functional.layer_norm(hidden, weight.shape, weight, bias, EPSILON)


def _attention(hidden: torch.Tensor, block: Mapping[str, torch.Tensor], heads: int) -> torch.Tensor:
    from torch.nn.functional import linear, scaled_dot_product_attention

    projected = linear(hidden, block["attn.in_proj_weight"], block["attn.in_proj_bias"])
    # (B, T, 3 D) to query, key and value of (B, heads, T, D / heads).
    query, key, value = projected.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    attended = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    return linear(attended, block["attn.out_proj.weight"], block["attn.out_proj.bias"])


def _perceptron(hidden: torch.Tensor, block: Mapping[str, torch.Tensor]) -> torch.Tensor:
    from torch.nn.functional import linear

    inner = linear(hidden, block["mlp.c_fc.weight"], block["mlp.c_fc.bias"])
    return linear(inner * (1.702 * inner).sigmoid(), block["mlp.c_proj.weight"], block["mlp.c_proj.bias"])


def _clip(tensors: Mapping[str, torch.Tensor], path: Path) -> Any:
    """CLIP with QuickGELU in the architecture that follows from the shapes, filled with the tensors in float32."""
    import torch

    for part, kind in _OTHER_BACKBONES.items():
        if any(part in name for name in tensors):
            raise EncoderError(f"{path}: its backbone has {kind}, which is not supported. Take weights without it.")
    settings = _settings(tensors, path)
    cls = library().CLIP
    # On the meta device first: no memory is allocated for shapes that the file does not have.
    with torch.device("meta"):
        empty = build_model(cls, settings)
    check_fit(empty, tensors, f"{path}: is not CLIP with a vision transformer", "Take the authors' file as it is.")
    model = build_model(cls, settings)
    model.load_state_dict(tensors)
    return model


def _settings(tensors: Mapping[str, torch.Tensor], path: Path) -> dict[str, Any]:
    """The arguments of open_clip.CLIP. Raises EncoderError if the shapes are not those of a vision transformer."""
    width, _, patch, _ = _shape(tensors, "visual.conv1.weight", 4, path)
    # One position belongs to the class token.
    patches = max(1, _shape(tensors, "visual.positional_embedding", 2, path)[0] - 1)
    context, text_width = _shape(tensors, "positional_embedding", 2, path)
    vocabulary = _shape(tensors, "token_embedding.weight", 2, path)[0]
    if (vocabulary, context) != (END + 1, CONTEXT):
        raise EncoderError(
            f"{path}: has {vocabulary} tokens and context length {context}; the tokenizer has {END + 1} and {CONTEXT}. "
            "Take weights with CLIP's vocabulary."
        )
    if width % HEAD_WIDTH or text_width % HEAD_WIDTH:
        raise EncoderError(
            f"{path}: has widths {width} and {text_width}; those of CLIP's encoders are multiples of {HEAD_WIDTH}."
        )
    prefixes = ("visual.transformer.resblocks.", "transformer.resblocks.")
    layers, text_layers = (
        sum(name.startswith(prefix) and name.endswith(".attn.in_proj_weight") for name in tensors)
        for prefix in prefixes
    )
    vision = {"layers": layers, "width": width, "patch_size": patch, "image_size": patch * round(patches**0.5)}
    return {
        "embed_dim": _shape(tensors, "text_projection", 2, path)[1],
        "vision_cfg": vision | {"head_width": HEAD_WIDTH},
        "text_cfg": {
            "context_length": context,
            "vocab_size": vocabulary,
            "width": text_width,
            "heads": text_width // HEAD_WIDTH,
            "layers": text_layers,
        },
        "quick_gelu": True,
    }


def _shape(tensors: Mapping[str, torch.Tensor], name: str, axes: int, path: Path) -> tuple[int, ...]:
    shape = tuple(tensors[name].shape) if name in tensors else ()
    if len(shape) != axes or 0 in shape:
        raise EncoderError(
            f"{path}: `{name}` is {shape or 'absent'}; CLIP with a vision transformer has {axes} axes there. "
            "Take the authors' file as it is."
        )
    return shape


def _head(content: object, width: int, heads: int, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of the head "Transf" in float32, or none for "meanP". Raises EncoderError for every other head."""
    if isinstance(content, Mapping) and not content:
        return {}
    tensors = clip_tensors(content, path)
    for prefix, kind in _OTHER_HEADS.items():
        if any(name.startswith(prefix) for name in tensors):
            raise EncoderError(f"{path}: its temporal head is {kind}; only Transf and meanP are supported.")
    if width % heads:
        raise EncoderError(f"{path}: its vectors of {width} numbers cannot be divided among {heads} heads.")
    rule = f"{path}: is not the temporal head Transf of width {width}"
    check_shapes(_head_shapes(width), tensors, rule, "Take the authors' file as it is.")
    return {name: tensor.float() for name, tensor in tensors.items()}


def _head_shapes(width: int) -> dict[str, tuple[int, ...]]:
    block = {
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
        "ln_1.weight": (width,),
        "ln_1.bias": (width,),
        "ln_2.weight": (width,),
        "ln_2.bias": (width,),
    }
    blocks = {f"transformer.resblocks.{n}.{name}": shape for n in range(LAYERS) for name, shape in block.items()}
    return {POSITIONS: (CONTEXT, width), **blocks}
