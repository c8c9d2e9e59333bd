"""Texts to vectors: tokenized, sorted by length, and run in batches of one budget of tokens.

A batch is padded to its longest text: of texts in order of length little is padding, and of long ones fewer go at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from coterie.features.manifest import BadModel
from coterie.features.models import Model
from coterie.features.sessions import Matrix, Session, finish, pool

BATCH = 32
"""Texts that go at once, at most."""

TOKENS = 4_096
"""Tokens of a batch, at most: what a longer one would save in calls it loses in the processor's caches."""

TOKENIZED = 1_000_000
"""Characters of the texts that are cut into tokens at once: the tokenizer takes some 75 bytes for each."""

CHARACTERS = 64
"""Of a text, for each token that the model takes; what comes after is not looked at. Words have five or so: only a text
with long runs of blanks, or of what is no text, can lose tokens that the model would have seen."""

Report = Callable[[float], None]
Tokens = NDArray[np.int64]


class TextEncoder:
    """A model's text tower."""

    def __init__(self, model: Model) -> None:
        """Load it. Raises BadModel."""
        tower = model.manifest.text
        if tower is None:
            raise BadModel(f"model '{model.manifest.name}' takes no text")
        self._manifest, self._tower = model.manifest, tower
        self._session = Session(model.files[tower.model], tower.output)
        try:
            self._tokenizer = Tokenizer.from_file(str(model.files[tower.tokenizer]))
        except Exception as error:  # the library raises nothing narrower
            raise BadModel(f"{tower.tokenizer} cannot be loaded: {str(error)[:300]}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(tower.max_tokens)

    def encode(self, texts: Sequence[str], report: Report = lambda share: None) -> Matrix:
        """The vectors (n, d) of texts, whatever their order. Raises BadModel."""
        found = np.zeros((len(texts), self._manifest.dimensions), np.float32)
        tokens = [ids for part in _parts(self._cut(texts), TOKENIZED) for ids in self._tokenize(part)]
        done = 0
        for rows in batches([len(ids) for ids in tokens]):
            found[rows] = self._run([tokens[row] for row in rows])
            done += len(rows)
            report(done / len(texts))
        return found

    def _cut(self, texts: Iterable[str]) -> Iterator[str]:
        longest = CHARACTERS * self._tower.max_tokens
        return (self._tower.prefix + text[:longest] for text in texts)

    def _tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Of each text its tokens; an encoding would also hold those beyond the model's limit."""
        return [np.array(each.ids, np.int64) for each in self._tokenizer.encode_batch_fast(texts)]

    def _run(self, tokens: Sequence[Tokens]) -> Matrix:
        longest = max(len(ids) for ids in tokens)
        width = self._tower.max_tokens if self._tower.padding == "max" else max(longest, 1)
        ids = np.full((len(tokens), width), self._tower.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for row, own in enumerate(tokens):
            ids[row, : len(own)] = own
            mask[row, : len(own)] = 1
        given: dict[str, NDArray[Any]] = {"input_ids": ids, "attention_mask": mask}
        given["token_type_ids"], given["position_ids"] = np.zeros_like(ids), np.arange(width)[None].repeat(len(ids), 0)
        output = self._session.run(given)
        return finish(pool(output, self._tower.pooling, mask), self._manifest.dimensions, self._manifest.normalize)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The positions of texts of so many tokens, batch by batch, the longest first: what does not fit shows at once."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    start = 0
    while start < len(order):
        size = max(1, min(BATCH, TOKENS // max(lengths[order[start]], 1)))
        yield order[start : start + size]
        start += size


def _parts(texts: Iterable[str], characters: int) -> Iterator[list[str]]:
    """Texts in their order, in lists that end with the text that fills them."""
    part, size = list[str](), 0
    for text in texts:
        part.append(text)
        size += 1 + len(text)
        if size >= characters:
            yield part
            part, size = [], 0
    if part:
        yield part
