import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.synthetic_weights import checkpoint_actionclip, open_clip_here, synthetic_head

from manifests.facts import encoder as facts_of
from prep.encoders._encoder import Request, encoder
from prep.encoders.actionclip import POSITIONS, ActionClip, transf
from prep.errors import PrepError

SENTENCES = ["drink water", "The man is drink water"]
MODEL, FUSION = "model_state_dict", "fusion_model_state_dict"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint_actionclip(tmp_path_factory.mktemp("actionclip"))


@pytest.fixture(scope="module")
def small(weights: str) -> ActionClip:
    return loaded(weights)


def loaded(weights: str | Path, precision: Any = "float32") -> ActionClip:
    kind = encoder("actionclip")
    return kind.module.load(Request(kind.facts, str(weights), precision=precision))  # type: ignore[no-any-return]


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


def content(weights: str) -> dict[str, Any]:
    return torch.load(weights, weights_only=True)  # type: ignore[no-any-return]


def bare_head(weights: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix("module."): value for name, value in content(weights)[FUSION].items()}


def noise(clips: int, frames: int = 8, size: int = 32) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (clips, frames, size, size, 3), dtype=np.uint8)


def head_by_hand(frames: torch.Tensor, head: dict[str, torch.Tensor], heads: int) -> torch.Tensor:
    """The head Transf in float64, one clip, one head of attention and one frame after the other."""
    head = {name: value.double() for name, value in head.items()}
    rows = []
    for clip in frames.double():
        hidden = torch.stack([vector + head[POSITIONS][number] for number, vector in enumerate(clip)])
        for layer in range(6):
            part = {name.partition(f"resblocks.{layer}.")[2]: value for name, value in head.items()}
            hidden = hidden + attention_by_hand(
                norm_by_hand(hidden, part["ln_1.weight"], part["ln_1.bias"]), part, heads
            )
            inner = norm_by_hand(hidden, part["ln_2.weight"], part["ln_2.bias"])
            inner = inner @ part["mlp.c_fc.weight"].T + part["mlp.c_fc.bias"]
            inner = inner / (1 + torch.exp(-1.702 * inner))
            hidden = hidden + inner @ part["mlp.c_proj.weight"].T + part["mlp.c_proj.bias"]
        rows.append(hidden + clip)
    return torch.stack(rows)


def norm_by_hand(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    gap = hidden - hidden.mean(-1, keepdim=True)
    return weight * gap / torch.sqrt((gap**2).mean(-1, keepdim=True) + 1e-12) + bias


def attention_by_hand(hidden: torch.Tensor, part: dict[str, torch.Tensor], heads: int) -> torch.Tensor:
    width = hidden.shape[1]
    query, key, value = (
        hidden @ part["attn.in_proj_weight"][n * width : (n + 1) * width].T
        + part["attn.in_proj_bias"][n * width : (n + 1) * width]
        for n in range(3)
    )
    wide = width // heads
    seen = []
    for number in range(heads):
        own = slice(number * wide, (number + 1) * wide)
        likeness = query[:, own] @ key[:, own].T / wide**0.5
        seen.append(likeness.softmax(dim=-1) @ value[:, own])
    return torch.cat(seen, dim=1) @ part["attn.out_proj.weight"].T + part["attn.out_proj.bias"]


def frames_by_hand(weights: str, shown: np.ndarray) -> tuple[Any, torch.Tensor]:
    """CLIP made by open_clip from OpenAI's names, and its vectors (B, T, D) of the frames."""
    facts = facts_of("actionclip")
    open_clip = open_clip_here()
    model = open_clip.model.build_model_from_openai_state_dict(content(weights)[MODEL], cast_dtype=None).float()
    colours = (shown / 255 - np.array(facts.mean)) / np.array(facts.std)
    tensor = torch.tensor(colours.transpose(0, 1, 4, 2, 3), dtype=torch.float32)
    with torch.no_grad():
        return model, torch.stack([model.encode_image(clip) for clip in tensor])


def test_what_it_says_of_itself(small: ActionClip) -> None:
    assert (small.frames, small.size, small.width, small.heads) == (0, 32, 64, 2)
    assert len(small.weights) == 64
    assert facts_of("actionclip").prompts == "actionclip"
    assert facts_of("actionclip").frames == 8


@pytest.mark.parametrize("scale", [1, 1e-3])
def test_the_head_is_the_plain_one(scale: float) -> None:
    """Small numbers show its LayerNorm's epsilon, 1e-12 where torch has 1e-5."""
    torch.manual_seed(0)
    head = {name: value.double() for name, value in synthetic_head(64).items()}
    head[POSITIONS] *= scale
    frames = torch.randn(3, 7, 64).double() * scale
    expected = head_by_hand(frames, head, 4)
    torch.testing.assert_close(transf(frames, head, 4), expected, rtol=0, atol=1e-9)
    assert (head_by_hand(frames, head, 2) - expected).abs().max() > 0.1


def test_videos(weights: str, small: ActionClip) -> None:
    shown = noise(3)
    _, frames = frames_by_hand(weights, shown)
    fused = head_by_hand(frames, bare_head(weights), 2).mean(dim=1)
    expected = fused / fused.norm(dim=-1, keepdim=True)
    given = small.videos(shown)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected.numpy(), atol=2e-5)


def test_texts(weights: str, small: ActionClip) -> None:
    model, _ = frames_by_hand(weights, noise(1))
    with torch.no_grad():
        raw = model.encode_text(open_clip_here().get_tokenizer("ViT-B-16")(SENTENCES))
    given = small.texts(SENTENCES)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, (raw / raw.norm(dim=-1, keepdim=True)).numpy(), atol=1e-5)


def test_half_precision_is_computed_in_float32(weights: str, small: ActionClip) -> None:
    assert torch.float16 in {value.dtype for value in content(weights)[MODEL].values()}
    assert {tensor.dtype for tensor in small.towers.model.parameters()} == {torch.float32}


def test_a_row_does_not_depend_on_its_neighbours(small: ActionClip) -> None:
    shown = noise(16, frames=4)
    alone = np.concatenate([small.videos(shown[row : row + 1]) for row in range(16)])
    np.testing.assert_allclose(small.videos(shown), alone, atol=1e-5)


def test_the_order_of_frames_matters(weights: str, small: ActionClip, tmp_path: Path) -> None:
    shown = noise(1)
    back = np.ascontiguousarray(shown[:, ::-1])
    assert np.abs(small.videos(shown) - small.videos(back)).max() > 1e-3
    parts = content(weights)
    parts[FUSION][f"module.{POSITIONS}"].zero_()
    unplaced = loaded(saved(tmp_path / "w.pt", parts))
    np.testing.assert_allclose(unplaced.videos(shown), unplaced.videos(back), atol=1e-5)


def test_bfloat16_stays_near(weights: str, small: ActionClip) -> None:
    low, shown = loaded(weights, "bfloat16"), noise(2)
    for one, two in ((small.videos(shown), low.videos(shown)), (small.texts(SENTENCES), low.texts(SENTENCES))):
        assert two.dtype == np.float32
        assert 0 < np.abs(one - two).max() < 0.03
    assert low.weights == small.weights


def test_frames_have_77_positions(small: ActionClip) -> None:
    assert small.videos(noise(1, frames=77)).shape == (1, 64)
    with pytest.raises(PrepError, match="clips of 78 frames; its temporal head has 77 positions. Use fewer"):
        small.videos(noise(1, frames=78))
    with pytest.raises(PrepError, match=r"actionclip: clips are \(1, 8, 16, 16, 3\)"):
        small.videos(noise(1, size=16))


# --- layouts ---


def test_with_and_without_the_prefix_of_several_devices(weights: str, small: ActionClip, tmp_path: Path) -> None:
    parts = content(weights)
    parts[FUSION] = bare_head(weights)
    parts[MODEL] = {f"module.{name}": value for name, value in parts[MODEL].items()}
    other = loaded(saved(tmp_path / "w.pt", parts))
    assert other.weights == small.weights
    parts[FUSION][POSITIONS][0, 0] += 1
    assert loaded(saved(tmp_path / "w.pt", parts)).weights != small.weights


def test_without_a_head_frames_are_averaged(weights: str, tmp_path: Path) -> None:
    mean = loaded(saved(tmp_path / "w.pt", content(weights) | {FUSION: {}}))
    shown = noise(2, frames=100)
    middle = frames_by_hand(weights, shown)[1].mean(dim=1)
    np.testing.assert_allclose(mean.videos(shown), (middle / middle.norm(dim=-1, keepdim=True)).numpy(), atol=1e-5)


def test_no_weights_by_default() -> None:
    with pytest.raises(PrepError, match=r"actionclip: its weights are not public by name. .*sallymmx/ActionCLIP"):
        encoder("actionclip").load("", "cpu", "float32")
    with pytest.raises(PrepError, match=r"gone.pt: there is no such file. .*sallymmx/ActionCLIP"):
        loaded("gone.pt")


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: parts[MODEL], f"a checkpoint of ActionCLIP has `{MODEL}` and `{FUSION}`"),
        (lambda parts: {MODEL: parts[MODEL]}, f"holds {MODEL}; a checkpoint of ActionCLIP has"),
        (lambda _: [1, 2], "is no dictionary; a checkpoint of ActionCLIP has"),
        (lambda parts: parts | {FUSION: [1]}, "is not a table of tensors by name"),
        (lambda parts: parts | {MODEL: {}}, "is not a table of tensors by name"),
    ],
)
def test_other_layouts(weights: str, tmp_path: Path, change: Change, words: str) -> None:
    with pytest.raises(PrepError) as raised:
        loaded(saved(tmp_path / "w.pt", change(content(weights))))
    assert str(tmp_path / "w.pt") in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("lstm_visual.weight_ih_l0", "LSTM"),
        ("shift.weight", "Conv_1D"),
        ("transformer.cls_token", "Transf_cls"),
    ],
)
def test_other_heads_are_refused_by_name(weights: str, tmp_path: Path, key: str, kind: str) -> None:
    head = {f"module.{POSITIONS}": torch.zeros(77, 64), f"module.{key}": torch.zeros(64, 64)}
    with pytest.raises(PrepError, match=f"its temporal head is {kind}; only Transf and meanP are supported"):
        loaded(saved(tmp_path / "w.pt", content(weights) | {FUSION: head}))


@pytest.mark.parametrize(
    ("key", "shape", "words"),
    [
        ("visual.transformer.resblocks.0.net.ln_1.weight", (64,), "temporal shift (tsm), which is not supported"),
        ("visual.time_embedding", (8, 64), "joint space-time attention (joint), which is not supported"),
        ("visual.proj", None, "is not CLIP with a vision transformer: `visual.proj` is absent"),
        ("visual.conv1.weight", None, "`visual.conv1.weight` is absent; CLIP with a vision transformer has 4 axes"),
        ("visual.conv1.weight", (64, 3), "`visual.conv1.weight` is (64, 3); CLIP with a vision transformer has 4 axes"),
        ("visual.conv1.weight", (64, 3, 0, 0), "`visual.conv1.weight` is (64, 3, 0, 0); CLIP"),
        ("visual.conv1.weight", (96, 3, 16, 16), "has widths 96 and 128; those of CLIP's encoders are multiples of 64"),
        ("visual.positional_embedding", (1, 64), "`visual.positional_embedding` is torch.float32 (1, 64) instead of"),
        ("visual.positional_embedding", (7, 64), "`visual.positional_embedding` is torch.float32 (7, 64) instead of"),
        ("token_embedding.weight", (1000, 128), "has 1000 tokens and context length 77"),
        (
            "text_projection",
            (128, 32),
            "is not CLIP with a vision transformer: `visual.proj` is torch.float16 (64, 64)",
        ),
    ],
)
def test_other_backbones(weights: str, tmp_path: Path, key: str, shape: tuple[int, ...] | None, words: str) -> None:
    parts = content(weights)
    if shape is None:
        del parts[MODEL][key]
    else:
        parts[MODEL][key] = torch.zeros(shape)
    with pytest.raises(PrepError) as raised:
        loaded(saved(tmp_path / "w.pt", parts))
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("key", "shape", "words"),
    [
        (POSITIONS, None, f"Transf of width 64: `{POSITIONS}` is absent"),
        (POSITIONS, (77, 32), f"`{POSITIONS}` is torch.float32 (77, 32) instead of (77, 64)"),
        ("transformer.resblocks.6.ln_1.weight", (64,), "`transformer.resblocks.6.ln_1.weight` is unknown"),
        ("transformer.resblocks.5.mlp.c_fc.bias", None, "`transformer.resblocks.5.mlp.c_fc.bias` is absent"),
    ],
)
def test_heads_that_do_not_fit(
    weights: str, tmp_path: Path, key: str, shape: tuple[int, ...] | None, words: str
) -> None:
    head = bare_head(weights)
    if shape is None:
        del head[key]
    else:
        head[key] = torch.zeros(shape)
    with pytest.raises(PrepError) as raised:
        loaded(saved(tmp_path / "w.pt", content(weights) | {FUSION: head}))
    assert words in str(raised.value)


def test_shapes_that_the_file_does_not_hold_take_no_memory(weights: str, tmp_path: Path) -> None:
    """A width of a million in a small file would be a model of terabytes."""
    parts = content(weights)
    parts[MODEL]["visual.conv1.weight"] = torch.zeros(64 * 20000, 3, 1, 1)
    with pytest.raises(PrepError, match="is not CLIP with a vision transformer"):
        loaded(saved(tmp_path / "w.pt", parts))
    parts[MODEL]["visual.conv1.weight"] = torch.zeros(1).expand(64 * 10**9, 3, 16, 16)
    with pytest.raises(PrepError, match=r"claims \d+ bytes of numbers, and the file has"):
        loaded(saved(tmp_path / "w.pt", parts))


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_pickle_is_refused_and_not_run(weights: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "evil.pt", content(weights) | {"optimizer_state_dict": Evil(tmp_path / "ran")})
    with pytest.raises(PrepError, match=r"evil.pt: .*other than plain tensors.*Nothing in it was run"):
        loaded(path)
    assert not (tmp_path / "ran").exists()


def test_loading_takes_no_numbers_from_the_global_generator(weights: str) -> None:
    state = torch.random.get_rng_state()
    loaded(weights)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_file_cut_off(weights: str, tmp_path: Path) -> None:
    (tmp_path / "cut.pt").write_bytes(Path(weights).read_bytes()[:-1000])
    with pytest.raises(PrepError, match="cut.pt: is damaged"):
        loaded(tmp_path / "cut.pt")
