"""Sentences as CLIP's tokens: lower case, CLIP's byte pair encoding, 49408 tokens, context length 77.

X-CLIP and ActionCLIP use CLIP's text encoder with the same tokens. open_clip ships the vocabulary, so nothing is
downloaded. Positions after the end token hold 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prep.encoders._encoder import EncoderError
from prep.torchvision_import import ensure_importable

if TYPE_CHECKING:
    import torch

CONTEXT = 77
START, END = 49406, 49407


def tokens(sentences: Sequence[str]) -> torch.Tensor:
    """Sentences to (n, 77) int64. The end token has the highest id, so the largest entry of a row is its end.

    Raises EncoderError for a sentence without words, or one that is too long: truncated, it would mean something else.
    """
    import torch

    ensure_importable()
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    if (tokenizer.sot_token_id, tokenizer.eot_token_id) != (START, END):
        raise EncoderError(f"open_clip's tokenizer has the end token {tokenizer.eot_token_id}; CLIP's is {END}.")
    rows = torch.zeros(len(sentences), CONTEXT, dtype=torch.int64)
    for row, sentence in zip(rows, sentences, strict=True):
        ids = [START, *tokenizer.encode(sentence), END]
        _check(ids, sentence)
        row[: len(ids)] = torch.tensor(ids)
    return rows


def _check(ids: list[int], sentence: str) -> None:
    if len(ids) > CONTEXT:
        raise EncoderError(
            f"`{sentence}` is {len(ids) - 2} tokens; CLIP's text encoder takes at most {CONTEXT - 2}. Use a shorter "
            "name or prompt."
        )
    if len(ids) == 2:
        raise EncoderError(f"`{sentence}` holds no words; there is nothing to embed.")
    if any(token >= START for token in ids[1:-1]):
        raise EncoderError(f"`{sentence}` contains a control token of the tokenizer, which would end it. Rephrase it.")
