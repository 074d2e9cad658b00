"""Tiny checkpoints with random numbers, saved as the real ones are, for encoders to load.

`checkpoint_<encoder>(folder)` writes one below `folder` and returns what `--weights` would say. `seed` draws another
of the same sizes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from prep.torchvision_import import ensure_importable

XCLIP_FRAMES, XCLIP_SIZE, XCLIP_WIDTH = 4, 32, 24
"""A width of its own for everything, so that a mix-up shows."""


def xclip_config(**changes: Any) -> dict[str, Any]:
    """A config.json of X-CLIP in small, with CLIP's vocabulary; `changes` by place, `text_config.hidden_size`."""
    config: dict[str, Any] = {
        "model_type": "xclip",
        "architectures": ["XCLIPModel"],
        "projection_dim": XCLIP_WIDTH,
        "prompt_num_attention_heads": 4,
        "prompt_layers": 1,
        # What the hub's own files say beside the sizes, and what was written before transformers knew the end token.
        "text_config_dict": None,
        "vision_config_dict": None,
        "transformers_version": None,
        "text_config": {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "top_k": 50,
        },
        "vision_config": {
            "hidden_size": 40,
            "intermediate_size": 56,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": XCLIP_SIZE,
            "patch_size": 8,
            "num_frames": XCLIP_FRAMES,
            "mit_hidden_size": XCLIP_WIDTH,
            "mit_intermediate_size": 64,
            "mit_num_attention_heads": 4,
            "drop_path_rate": 0.0,
        },
    }
    for place, value in changes.items():
        *rooms, name = place.split(".")
        room = config
        for each in rooms:
            room = room[each]
        room[name] = value
    return config


def xclip_model(config: dict[str, Any], seed: int = 0) -> Any:
    """transformers' XCLIPModel of that config, every number drawn anew so that none is 0 or 1 by default."""
    ensure_importable()
    from transformers import XCLIPConfig, XCLIPModel

    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        model = XCLIPModel(XCLIPConfig.from_dict(config)).eval()
    with torch.no_grad():
        for name, each in sorted(model.named_parameters()):
            spread = 0.2 * torch.randn(each.shape, generator=rng)
            each.copy_(spread + (1 if "norm" in name and name.endswith("weight") else 0))
    return model


def checkpoint_xclip(folder: Path, seed: int = 0) -> str:
    """A folder with config.json and model.safetensors."""
    config = xclip_config()
    return save_xclip(folder / f"xclip_{seed}", config, xclip_model(config, seed).state_dict())


def save_xclip(folder: Path, config: dict[str, Any], tensors: dict[str, torch.Tensor], pickled: bool = False) -> str:
    """The folder of a checkpoint: as .safetensors, or pickled as the hub's own from 2022, positions and all."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if pickled:
        old = {"text_model.embeddings.position_ids": torch.arange(77)[None]}
        torch.save(tensors | old, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors")
    return str(folder)


def checkpoint_tiny(folder: Path, seed: int = 0) -> str:
    """The tiny encoder has no file; its numbers are always the same."""
    return "random"


def checkpoint_demo_teacher(folder: Path, seed: int = 0) -> str:
    """A demo teacher that was not trained, with the provenance of one that was."""
    from prep.encoders._teacher_file import Provenance, write_teacher
    from prep.encoders._teacher_net import initial_net

    path = folder / f"demo_teacher_{seed}.safetensors"
    about = Provenance("0" * 64, "demo", ("wave right hand", "jump"), seed, 60, 8, 2, 0.5, "fewshot-skeleton 0")
    write_teacher(path, initial_net(seed).state_dict(), about)
    return str(path)


def checkpoint_clip(folder: Path, seed: int = 0) -> str:
    """A tiny CLIP with random weights in `folder`, as open_clip saves one; the model's name becomes known to it.

    Picture sides 32, vectors of 32 numbers.
    """
    from safetensors.torch import save_file

    open_clip = open_clip_here()
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    }
    file = folder / "synthetic-clip.json"
    file.write_text(json.dumps(settings))
    open_clip.add_model_config(file)
    path = folder / f"clip_{seed}.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_file(open_clip.CLIP(**settings).state_dict(), path)
    return f"synthetic-clip={path}"


def checkpoint_actionclip(folder: Path, seed: int = 0) -> str:
    """A tiny ActionCLIP with random weights in `folder`, in the authors' layout: half in float16, `module.` before the
    head's names. Picture sides 32, vectors of 64 numbers, two heads of attention.
    """
    open_clip = open_clip_here()
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = open_clip.CLIP(
            embed_dim=64,
            vision_cfg={"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
            text_cfg={"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 2},
            quick_gelu=True,
        )
        head = {f"module.{name}": value for name, value in synthetic_head(64).items()}
    open_clip.convert_weights_to_fp16(clip)
    path = folder / f"actionclip_{seed}.pt"
    parts = {"model_state_dict": clip.state_dict(), "fusion_model_state_dict": head}
    torch.save({"epoch": 3, "optimizer_state_dict": {}, **parts}, path)
    return str(path)


def synthetic_head(width: int) -> dict[str, torch.Tensor]:
    """Tensors of the temporal head Transf by the authors' names, large enough for each of them to matter."""
    shapes = {
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "ln_1.weight": (width,),
        "ln_1.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
        "ln_2.weight": (width,),
        "ln_2.bias": (width,),
    }
    head = {"frame_position_embeddings.weight": torch.randn(77, width)}
    for layer in range(6):
        for name, shape in shapes.items():
            middle = 1 if name.startswith("ln_") and name.endswith("weight") else 0
            head[f"transformer.resblocks.{layer}.{name}"] = middle + torch.randn(shape) / width**0.5
    return head


def open_clip_here() -> Any:
    """open_clip, imported."""
    ensure_importable()
    import open_clip

    return open_clip
