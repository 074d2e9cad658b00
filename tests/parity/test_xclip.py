"""X-CLIP against numbers that the authors' code and transformers computed (golden/INDEX.md, section 5)."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from helpers.fill import authors, error, golden
from helpers.synthetic_weights import save_xclip
from torch import Tensor

from manifests.facts import encoder as facts_of
from prep.encoders._encoder import Request
from prep.encoders.xclip import XClip, load

BLOCK = {
    r"\battn\.": "self_attn.",
    r"\bln_1\.": "layer_norm1.",
    r"\bln_2\.": "layer_norm2.",
    r"\bc_fc\.": "fc1.",
    r"\bc_proj\.": "fc2.",
}
PARTS = {
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "mit.resblocks.": "mit.encoder.layers.",
    "transformer.resblocks.": "text_model.encoder.layers.",
    "ln_final.": "text_model.final_layer_norm.",
    "visual.ln_pre.": "vision_model.pre_layernorm.",
    "visual.ln_post.": "vision_model.post_layernorm.",
    "prompts_visual_ln.": "prompts_visual_layernorm.",
    "prompts_generator.norm.": "prompts_generator.layernorm.",
}
SINGLE = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "text_projection": "text_projection.weight",
    "prompts_visual_proj": "prompts_visual_projection",
    "mit.positional_embedding": "mit.position_embedding",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.proj": "visual_projection.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
}
TRANSPOSED = ("text_projection", "visual.proj")


def renamed(key: str) -> str:
    """transformers' name of the authors' key.

    >>> renamed("mit.resblocks.0.ln_1.weight")
    'mit.encoder.layers.0.layer_norm1.weight'
    """
    if key in SINGLE:
        return SINGLE[key]
    for theirs, ours in PARTS.items():
        if key.startswith(theirs):
            key = ours + key.removeprefix(theirs)
    for theirs, ours in BLOCK.items():
        key = re.sub(theirs, ours, key)
    return key


def moved(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights under transformers' names: three projections that were one matrix, two transposed."""
    out: dict[str, Tensor] = {}
    for key, value in weights.items():
        stem, joined, kind = key.partition("in_proj_")
        if joined:
            for part, name in zip(value.chunk(3), "qkv", strict=True):
                out[renamed(f"{stem}{name}_proj.{kind}")] = part.contiguous()
        else:
            out[renamed(key)] = value.T.contiguous() if key in TRANSPOSED else value
    return out


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> tuple[XClip, dict[str, np.ndarray]]:
    """Our encoder from a folder that holds the golden's weights, and the golden's arrays."""
    arrays, about = golden("xclip_tiny")
    there = about["config"]
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 128, "intermediate_size": 512}
    config = {
        "model_type": "xclip",
        "projection_dim": there["embed_dim"],
        "prompt_layers": there["prompts_layers"],
        "text_config": sizes | {"vocab_size": there["vocab_size"], "max_position_embeddings": there["context_length"]},
        "vision_config": sizes
        | {
            "image_size": there["image_resolution"],
            "patch_size": there["vision_patch_size"],
            "num_frames": there["T"],
            "mit_hidden_size": there["embed_dim"],
            "mit_intermediate_size": 4 * there["embed_dim"],
            "mit_num_attention_heads": there["embed_dim"] // 64,
            "mit_num_hidden_layers": there["mit_layers"],
        },
    }
    folder = save_xclip(tmp_path_factory.mktemp("golden"), config, moved(authors(about["keys"])))
    return load(Request(facts_of("xclip"), folder)), arrays


def pixels() -> Tensor:
    return torch.from_numpy(np.random.default_rng(5001).standard_normal((2, 4, 3, 32, 32)).astype(np.float32))


@pytest.mark.parametrize(("kind", "dtype", "limit"), [("f64", torch.float64, 1e-9), ("f32", torch.float32, 1e-5)])
@pytest.mark.parametrize("source", ["orig", "hf"])
def test_videos_and_texts_are_the_authors(
    theirs: tuple[XClip, dict[str, np.ndarray]], source: str, kind: str, dtype: torch.dtype, limit: float
) -> None:
    ours, arrays = theirs
    ours.model.to(dtype)
    videos, texts = ours.of_pixels(pixels().to(dtype)), ours.of_tokens(torch.from_numpy(arrays["input_ids"]))
    assert videos.dtype == texts.dtype == dtype
    assert error(videos, arrays[f"{source}_video_{kind}"]) < limit
    assert error(texts, arrays[f"{source}_text_{kind}"]) < limit
