"""Sentences as CLIP's tokens: lower case, the byte pair encoding of CLIP, 49408 words, 77 places.

X-CLIP and ActionCLIP took CLIP's text tower over and its tokens with it. open_clip ships the vocabulary, so nothing is
fetched. Places after the end token hold 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prep.encoders._encoder import EncoderError
from prep.encoders._torchvision import mend

if TYPE_CHECKING:
    import torch

PLACES = 77
START, END = 49406, 49407


def tokens(sentences: Sequence[str]) -> torch.Tensor:
    """Sentences to (n, 77) int64. The end token is the highest id, so the largest entry of a row is its end.

    Raises EncoderError for a sentence that has no words or does not fit: cut, it would stand for another.
    """
    import torch

    mend()
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    if (tokenizer.sot_token_id, tokenizer.eot_token_id) != (START, END):
        raise EncoderError(f"open_clip's tokenizer ends sentences by {tokenizer.eot_token_id}; CLIP's does by {END}.")
    rows = torch.zeros(len(sentences), PLACES, dtype=torch.int64)
    for row, sentence in zip(rows, sentences, strict=True):
        ids = [START, *tokenizer.encode(sentence), END]
        _check(ids, sentence)
        row[: len(ids)] = torch.tensor(ids)
    return rows


def _check(ids: list[int], sentence: str) -> None:
    if len(ids) > PLACES:
        raise EncoderError(
            f"`{sentence}` is {len(ids) - 2} tokens; CLIP's text tower has room for {PLACES - 2}. Use a shorter name "
            "or prompt."
        )
    if len(ids) == 2:
        raise EncoderError(f"`{sentence}` holds no words; there is nothing to embed.")
    if any(each >= START for each in ids[1:-1]):
        raise EncoderError(f"`{sentence}` spells a mark of the tokenizer, which would end it. Write it otherwise.")
