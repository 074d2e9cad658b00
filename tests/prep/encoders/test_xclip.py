"""X-CLIP: the same vectors as transformers, and weights that are absent, wrong or hostile."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.synthetic_weights import XCLIP_FRAMES, XCLIP_SIZE, XCLIP_WIDTH, save_xclip, xclip_config, xclip_model

from manifests.facts import encoder as facts_of
from prep.encoders._computing import computing
from prep.encoders._encoder import Precision, Request
from prep.encoders._tokens import END, tokens
from prep.encoders.xclip import BATCH, XClip, load
from prep.errors import PrepError

FACTS = facts_of("xclip")
SENTENCES = ["drink water", "eat meal/snack", "put on a hat/cap"]


def request(weights: str | Path, precision: Precision = "float32") -> Request:
    return Request(FACTS, str(weights), precision=precision)


def saved(folder: Path, pickled: bool = False, dtype: torch.dtype = torch.float32, **changes: Any) -> str:
    config = xclip_config(**changes)
    tensors = {name: tensor.to(dtype) for name, tensor in xclip_model(config).state_dict().items()}
    return save_xclip(folder, config, tensors, pickled)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp("xclip"))


@pytest.fixture(scope="module")
def ours(folder: str) -> XClip:
    return load(request(folder))


def noise(count: int, frames: int = XCLIP_FRAMES) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, frames, XCLIP_SIZE, XCLIP_SIZE, 3), dtype=np.uint8)


def refused(weights: str | Path) -> str:
    with pytest.raises(PrepError) as caught:
        load(request(weights))
    return str(caught.value)


def test_it_is_what_the_config_says(ours: XClip) -> None:
    assert (ours.frames, ours.size, ours.width) == (XCLIP_FRAMES, XCLIP_SIZE, XCLIP_WIDTH)
    assert not ours.model.training


def test_vectors_are_those_of_transformers_called_directly(folder: str, ours: XClip) -> None:
    from transformers import XCLIPModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = XCLIPModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    logging.enable_progress_bar()
    clips = noise(3)
    colours = (clips / 255 - np.array(FACTS.mean)) / np.array(FACTS.std)
    pixels = torch.from_numpy(colours.transpose(0, 1, 4, 2, 3).astype(np.float32))
    with torch.inference_mode():
        videos = model.get_video_features(pixels).pooler_output.numpy()
        texts = model.get_text_features(tokens(SENTENCES)).pooler_output.numpy()
    np.testing.assert_allclose(ours.videos(clips), videos, rtol=0, atol=2e-6 * np.abs(videos).max())
    np.testing.assert_array_equal(ours.texts(SENTENCES), texts)


def test_vectors_are_not_normalised_and_the_order_of_frames_matters(ours: XClip) -> None:
    clips = noise(2)
    assert np.abs(np.linalg.norm(ours.videos(clips), axis=1) - 1).min() > 0.1
    assert np.abs(ours.videos(clips) - ours.videos(clips[:, ::-1])).max() > 0.01


def test_many_sentences_go_through_in_pieces(ours: XClip, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"class {n}" for n in range(BATCH + 3)]
    sizes: list[int] = []
    whole = XClip.of_tokens
    monkeypatch.setattr(XClip, "of_tokens", lambda self, ids: (sizes.append(len(ids)), whole(self, ids))[1])
    vectors = ours.texts(many)
    assert sizes == [BATCH, 3]
    np.testing.assert_allclose(vectors[-1], ours.texts(many[-1:])[0], rtol=1e-4, atol=1e-5)


def test_a_pickle_of_plain_tensors_is_the_same_model(folder: str, ours: XClip, tmp_path: Path) -> None:
    pickled = load(request(saved(tmp_path / "bin", pickled=True)))
    assert pickled.weights == ours.weights
    assert pickled.videos(noise(1)).tobytes() == ours.videos(noise(1)).tobytes()


def test_half_precision_files_are_computed_in_float32(tmp_path: Path) -> None:
    half = load(request(saved(tmp_path / "half", dtype=torch.float16)))
    assert {tensor.dtype for tensor in half.model.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize("change", ["text_config.num_attention_heads", "vision_config.mit_num_attention_heads"])
def test_settings_that_no_tensor_shows_belong_to_the_digest(ours: XClip, tmp_path: Path, change: str) -> None:
    other = load(request(saved(tmp_path / "other", **{change: 2})))
    assert all(torch.equal(tensor, ours.model.state_dict()[name]) for name, tensor in other.model.state_dict().items())
    assert other.weights != ours.weights


def test_bfloat16_keeps_the_sums_in_float32(folder: str, ours: XClip) -> None:
    quick = load(request(folder, "bfloat16"))
    exact, clips = ours.videos(noise(8)), torch.from_numpy(noise(8))
    assert {tensor.dtype for tensor in quick.model.parameters()} == {torch.float32}
    pixels = (clips / 255 - torch.tensor(FACTS.mean)) / torch.tensor(FACTS.std)
    cast = load(request(folder)).model.bfloat16()
    with computing("cpu", "float32"):
        rounded = cast.get_video_features(pixels.permute(0, 1, 4, 2, 3).bfloat16()).pooler_output.float().numpy()
    near = np.linalg.norm(quick.videos(noise(8)) - exact) / np.linalg.norm(exact)
    assert near < 0.01
    assert near < np.linalg.norm(rounded - exact) / np.linalg.norm(exact)


def test_another_number_of_frames_is_refused(ours: XClip) -> None:
    with pytest.raises(PrepError, match=r"xclip: clips of 8 frames; these weights take exactly 4\..*--frames 4"):
        ours.videos(noise(1, frames=8))


def test_sentences_need_clips_vocabulary(tmp_path: Path) -> None:
    small = load(request(saved(tmp_path / "small", **{"text_config.vocab_size": 64})))
    with pytest.raises(PrepError, match="have 64 tokens and context length 77; the tokenizer has 49408 and 77"):
        small.texts(["drink"])


def test_nothing_is_printed(folder: str, capfd: pytest.CaptureFixture[str]) -> None:
    load(request(folder)).texts(["drink water"])
    assert capfd.readouterr() == ("", "")


def test_the_end_token_is_where_a_sentence_is_pooled(ours: XClip) -> None:
    ids = tokens(["drink water"])
    end = int((ids[0] == END).nonzero()[0, 0])
    longer = ids.clone()
    longer[0, end + 1 :] = 5
    assert torch.equal(ours.of_tokens(ids), ours.of_tokens(longer))


@pytest.mark.parametrize("name", ["./xclip", "/nowhere/xclip", "a/b/c", "xclip", "owner/model.bin", "..\\x", "~/xclip"])
def test_a_path_that_is_not_there_is_not_looked_for_elsewhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("tried a connection"))
    text = refused(name)
    assert "there is no such folder" in text
    assert "hf download microsoft/xclip-base-patch16 --local-dir FOLDER" in text


def test_a_mistyped_folder_below_one_that_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("tried a connection"))
    assert "there is no such folder" in refused("weights/xclp")


def test_without_a_connection_it_says_how_to_get_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    text = refused("microsoft/xclip-base-patch16")
    assert text.startswith(
        "microsoft/xclip-base-patch16: config.json is not on this machine and could not be downloaded ("
    )
    assert "--weights FOLDER" in text
    assert "microsoft/xclip-large-patch14" in text


@pytest.mark.parametrize("pickled", [False, True])
def test_a_model_of_the_hub_is_fetched_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickled: bool
) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    source, requests = Path(saved(tmp_path / "hub", pickled)), []

    def fetch(repository: str, name: str, **_: object) -> str:
        requests.append((repository, name))
        if not (source / name).exists():
            raise LocalEntryNotFoundError(name)
        return str(source / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    assert load(request("owner/model")).frames == XCLIP_FRAMES
    names = ["config.json", "model.safetensors", *(["pytorch_model.bin"] if pickled else [])]
    assert requests == [("owner/model", name) for name in names]
    (source / names[-1]).unlink()
    assert "owner/model: has none of model.safetensors, pytorch_model.bin" in refused("owner/model")


class Code:
    """Pickled, it asks for a file to be made."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, (str(self.target), "w")


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    where = Path(saved(tmp_path / "evil", pickled=True))
    target = tmp_path / "was_run"
    torch.save({"weight": Code(target)}, where / "pytorch_model.bin")
    text = refused(where)
    assert not target.exists()
    assert text.startswith(f"{where}/pytorch_model.bin: is damaged, or holds something other than plain tensors")
    assert "Nothing in it was run" in text
    torch.load(where / "pytorch_model.bin", weights_only=False)["weight"].close()
    assert target.exists(), "the pickle above is harmless, so the test shows nothing"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lie(path: Path) -> None:
    """A header that claims another shape than its bytes hold."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["logit_scale"]["shape"] = [1 << 40]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def long_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 62) + path.read_bytes()[8:])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("break_it", [cut, lie, long_header, empty])
def test_a_damaged_safetensors_is_named(tmp_path: Path, break_it: Callable[[Path], None]) -> None:
    where = Path(saved(tmp_path / "broken"))
    break_it(where / "model.safetensors")
    assert refused(where).startswith(f"{where}/model.safetensors: is damaged or no .safetensors file (")


@pytest.mark.parametrize("break_it", [cut, empty])
def test_a_damaged_pickle_is_named(tmp_path: Path, break_it: Callable[[Path], None]) -> None:
    where = Path(saved(tmp_path / "broken", pickled=True))
    break_it(where / "pytorch_model.bin")
    assert refused(where).startswith(f"{where}/pytorch_model.bin: is damaged")


def altered(where: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> str:
    """The error for a checkpoint after a change of its tensors."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(where / "model.safetensors")
    change(tensors)
    save_file(tensors, where / "model.safetensors")
    return refused(where)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda tensors: tensors.pop("mit.position_embedding"),
            "does not fit its config: `mit.position_embedding` is absent",
        ),
        (lambda tensors: tensors.update(more=torch.ones(2)), "`more` is unknown"),
        (
            lambda tensors: tensors.update({"text_projection.weight": torch.ones(3, 32)}),
            "`text_projection.weight` is torch.float32 (3, 32) instead of (24, 32)",
        ),
        (
            lambda tensors: tensors.update({"logit_scale": torch.tensor(1)}),
            "`logit_scale` is torch.int64 () instead of ()",
        ),
        (
            lambda tensors: tensors.update({"logit_scale": torch.tensor(float("nan"))}),
            "`logit_scale` holds numbers that are not finite",
        ),
    ],
)
def test_tensors_must_fit_one_to_one(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object], words: str
) -> None:
    where = Path(saved(tmp_path / "other"))
    text = altered(where, change)
    assert text.startswith(f"{where}/model.safetensors: ")
    assert words in text


def test_many_misfits_are_counted(tmp_path: Path) -> None:
    where = Path(saved(tmp_path / "other"))
    text = altered(where, lambda tensors: [tensors.pop(name) for name in sorted(tensors)[:10]])
    assert "is absent and 7 more. Get both from one source." in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "clip"}, "is the config of `clip`, not of `xclip`"),
        ({"vision_config.num_hidden_layers": 10**9}, "has 1000000000 layers, and its weights are"),
        ({"vision_config.num_frames": 10**12}, "instead of (1, 1000000000000, 24)"),
        ({"vision_config.hidden_size": 10**9}, "does not fit its config"),
        ({"vision_config.hidden_size": "wide"}, "describes no X-CLIP ("),
        ({"vision_config.patch_size": 0}, "describes no X-CLIP ("),
        ({"text_config.num_attention_heads": 3}, "a width of 32 cannot be divided among 3 heads"),
        ({"vision_config.num_frames": 10**8}, "does not fit its config"),
        ({"text_config.hidden_act": "wave"}, "describes no X-CLIP ("),
        ({"vision_config.image_size": [32, 16]}, "only square RGB fits"),
        ({"text_config.eos_token_id": 7}, "its end token is 7; CLIP's is the highest id, 49407"),
        ({"text_config": 5}, "describes no X-CLIP ("),
    ],
)
def test_a_config_of_something_else_is_refused(
    folder: str, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    (tmp_path / "model.safetensors").symlink_to(Path(folder) / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(xclip_config(**changes)))
    text = refused(tmp_path)
    assert text.startswith(str(tmp_path))
    assert words in text


def test_a_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    where = Path(saved(tmp_path / "broken"))
    for text, words in (("{", "is no JSON"), ("[" * 9000, "is no JSON"), (" " * (2 << 20), "is 2097152 bytes")):
        (where / "config.json").write_text(text)
        assert f"{where}/config.json: {words}" in refused(where)


def test_a_config_cannot_bring_code_or_another_arithmetic(folder: str, tmp_path: Path, ours: XClip) -> None:
    (tmp_path / "model.safetensors").symlink_to(Path(folder) / "model.safetensors")
    changes = {
        "auto_map": {"AutoModel": "evil.Model"},
        "quantization_config": {"quant_method": "evil"},
        "attn_implementation": "evil/kernels",
        "_attn_implementation": "evil/kernels",
        "dtype": "float16",
    }
    (tmp_path / "config.json").write_text(json.dumps(xclip_config(**changes)))
    assert load(request(tmp_path)).weights == ours.weights


def test_a_folder_without_its_files_or_a_file_is_named(folder: str, tmp_path: Path) -> None:
    assert f"{tmp_path}: lacks config.json or model.safetensors or pytorch_model.bin" in refused(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert f"{tmp_path}: is split over several files" in refused(tmp_path)
    assert "is a file. Name the folder that holds it" in refused(Path(folder) / "model.safetensors")
