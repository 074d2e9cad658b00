"""ActionCLIP: CLIP on every frame, and a transformer over the frames' vectors (Wang et al., 2021; METHODS D2).

Read in sallymmx/ActionCLIP (modules/Visual_Prompt.py, clip/model.py, test.py, utils/saving.py): the frames' vectors go
into the temporal head as CLIP gives them, not normalised; the head "Transf" adds an embedding of the frame's number,
runs 6 blocks of attention, adds its input again and takes the mean over time. Only then are the video's and the
sentence's vectors brought to length 1, as here. Their evaluation takes the softmax over classes for each of 16 prompts
and averages those; a vector of a class is instead the mean of its prompts' vectors, which the caller takes.

Their backbone computes in float16 on a GPU; here it is float32, or bfloat16 if asked for. The head is always float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prep.encoders._clip_towers import Towers, built, library, plain, unit
from prep.encoders._clip_weights import Shapes, check, content, shapes, state
from prep.encoders._computing import computing, frozen
from prep.encoders._encoder import EncoderError, Request, weights_digest
from prep.encoders._tokens import END, PLACES

if TYPE_CHECKING:
    import torch

LAYERS = 6
HEAD_WIDTH = 64
# The head's own LayerNorm; CLIP's has torch's default.
EPSILON = 1e-12
MODEL, FUSION = "model_state_dict", "fusion_model_state_dict"
POSITIONS = "frame_position_embeddings.weight"
_OTHER_HEADS = {"lstm_visual.": "LSTM", "shift.": "Conv_1D", "transformer.cls_token": "Transf_cls"}
_OTHER_BACKBONES = {".net.": "temporal shift (tsm)", "visual.time_embedding": "joint space-time attention (joint)"}


@dataclass(frozen=True)
class ActionClip:
    """A loaded model, an `Encoder`. `head` is empty where frames are only averaged ("meanP")."""

    towers: Towers
    head: Mapping[str, torch.Tensor]
    heads: int
    size: int
    width: int
    weights: str
    frames: int = 0

    def videos(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3), red first, to vectors (B, D) of length 1.

        The head knows as many frames as it has positions (77); weights are learnt on 8, 16 or 32 and their file does
        not say on how many. Raises EncoderError for more than it knows.
        """
        if self.head and pictures.ndim == 5 and pictures.shape[1] > len(self.head[POSITIONS]):
            raise EncoderError(
                f"actionclip: clips of {pictures.shape[1]} frames; its temporal head has {len(self.head[POSITIONS])} "
                "positions. Show fewer (--frames)."
            )
        frames = self.towers.pictures(pictures)
        with computing(self.towers.device, "float32"):
            fused = transf(frames, self.head, self.heads) if self.head else frames
            return plain(unit(fused.mean(dim=1)))

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D) of length 1. Raises EncoderError for one that does not fit."""
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
    """A checkpoint in the authors' layout: the path of a file of torch.save with `model_state_dict` (CLIP, by OpenAI's
    names) and `fusion_model_state_dict` (the temporal head; empty for "meanP").

    The architecture is read off the shapes. Raises EncoderError where the file is absent, damaged, holds code, or is
    of another layout, backbone or head.
    """
    path = Path(request.weights).expanduser()
    if not path.is_file():
        raise EncoderError(f"actionclip: {path}: there is no such file. {request.facts.obtain.strip()}")
    found = content(path)
    if not (isinstance(found, dict) and MODEL in found and FUSION in found):
        holds = f"holds {', '.join(sorted(map(str, found))[:4])}" if isinstance(found, dict) else "is no dictionary"
        raise EncoderError(f"{path}: {holds}; a checkpoint of ActionCLIP has `{MODEL}` and `{FUSION}`.")
    held = state(found[MODEL], path)
    model = _filled(held, path)
    width, heads = held["text_projection"].shape[1], held["ln_final.weight"].shape[0] // HEAD_WIDTH
    head = _head(found[FUSION], width, heads, path)
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
    parts = model.state_dict() | {f"fusion.{name}": each for name, each in head.items()}
    there = {name: each.to(request.device) for name, each in head.items()}
    return ActionClip(towers, there, heads, towers.size, width, weights_digest(parts.items()))


def _norm(hidden: torch.Tensor, block: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    import torch

    weight, bias = block[f"{name}.weight"], block[f"{name}.bias"]
    return torch.nn.functional.layer_norm(hidden, weight.shape, weight, bias, EPSILON)


def _attention(hidden: torch.Tensor, block: Mapping[str, torch.Tensor], heads: int) -> torch.Tensor:
    from torch.nn.functional import linear, scaled_dot_product_attention

    mixed = linear(hidden, block["attn.in_proj_weight"], block["attn.in_proj_bias"])
    # (B, T, 3 D) to query, key and value of (B, heads, T, D / heads).
    query, key, value = mixed.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    seen = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    return linear(seen, block["attn.out_proj.weight"], block["attn.out_proj.bias"])


def _perceptron(hidden: torch.Tensor, block: Mapping[str, torch.Tensor]) -> torch.Tensor:
    from torch.nn.functional import linear

    inner = linear(hidden, block["mlp.c_fc.weight"], block["mlp.c_fc.bias"])
    return linear(inner * (1.702 * inner).sigmoid(), block["mlp.c_proj.weight"], block["mlp.c_proj.bias"])


def _filled(held: Mapping[str, torch.Tensor], path: Path) -> Any:
    """CLIP with QuickGELU, of the architecture that its tensors' shapes tell, with their numbers in float32."""
    import torch

    for part, kind in _OTHER_BACKBONES.items():
        if any(part in name for name in held):
            raise EncoderError(f"{path}: its backbone has {kind}, which is not built here. Take weights without it.")
    settings = _settings(held, path)
    kind = library().CLIP
    # Without numbers first: no memory is taken for shapes that the file does not hold.
    with torch.device("meta"):
        sketch = built(kind, settings)
    check(shapes(sketch.state_dict()), held, path, "CLIP of a vision transformer")
    model = built(kind, settings)
    model.load_state_dict(held)
    return model


def _settings(held: Mapping[str, torch.Tensor], path: Path) -> dict[str, Any]:
    """What open_clip.CLIP wants to know. Raises EncoderError for shapes of no vision transformer."""
    wide, _, patch, _ = _shape(held, "visual.conv1.weight", 4, path)
    # One position is the class token's.
    cells = max(1, _shape(held, "visual.positional_embedding", 2, path)[0] - 1)
    places, text = _shape(held, "positional_embedding", 2, path)
    words = _shape(held, "token_embedding.weight", 2, path)[0]
    if (words, places) != (END + 1, PLACES):
        raise EncoderError(
            f"{path}: knows {words} words in {places} places; sentences are made of {END + 1} in {PLACES}. Take "
            "weights with CLIP's vocabulary."
        )
    if wide % HEAD_WIDTH or text % HEAD_WIDTH:
        raise EncoderError(f"{path}: is {wide} and {text} wide; CLIP's towers are multiples of {HEAD_WIDTH} wide.")
    starts = ("visual.transformer.resblocks.", "transformer.resblocks.")
    depth, text_depth = (sum(n.startswith(s) and n.endswith(".attn.in_proj_weight") for n in held) for s in starts)
    vision = {"layers": depth, "width": wide, "patch_size": patch, "image_size": patch * round(cells**0.5)}
    return {
        "embed_dim": _shape(held, "text_projection", 2, path)[1],
        "vision_cfg": vision | {"head_width": HEAD_WIDTH},
        "text_cfg": {
            "context_length": places,
            "vocab_size": words,
            "width": text,
            "heads": text // HEAD_WIDTH,
            "layers": text_depth,
        },
        "quick_gelu": True,
    }


def _shape(held: Mapping[str, torch.Tensor], name: str, axes: int, path: Path) -> tuple[int, ...]:
    shape = tuple(held[name].shape) if name in held else ()
    if len(shape) != axes or 0 in shape:
        raise EncoderError(
            f"{path}: `{name}` is {shape or 'absent'}; CLIP of a vision transformer has {axes} axes there. "
            "Take the authors' file as it is."
        )
    return shape


def _head(found: object, width: int, heads: int, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of the head "Transf" in float32, or none for "meanP". Raises EncoderError for every other head."""
    if isinstance(found, Mapping) and not found:
        return {}
    held = state(found, path)
    for start, kind in _OTHER_HEADS.items():
        if any(name.startswith(start) for name in held):
            raise EncoderError(f"{path}: its temporal head is {kind}; only Transf and meanP are built here.")
    if width % heads:
        raise EncoderError(f"{path}: its vectors of {width} numbers cannot be shared among {heads} heads.")
    check(_head_shapes(width), held, path, f"the temporal head Transf of width {width}")
    return {name: each.float() for name, each in held.items()}


def _head_shapes(width: int) -> Shapes:
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
    blocks = {f"transformer.resblocks.{n}.{name}": each for n in range(LAYERS) for name, each in block.items()}
    return {POSITIONS: (PLACES, width), **blocks}
