"""The teacher's vocabulary with pieces for Spanish, and their first embeddings.

No English piece is given up: the new ones take the places that BERT left unused and follow the last. A piece begins
where the English says the same: as the mean of the embeddings of the English pieces that it is translated by, in the
shares of IBM's model 1 (Brown et al. 1993). So a Spanish text is at first read as its glosses, word by word.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.trainers import WordPieceTrainer

ADDED = 3_800  # pieces after the last
CANDIDATES = 24_000
SCALE = 200  # times that a word of weight 1 is counted
LEAST = 20  # times that a piece is counted, to be one
LEAST_ENGLISH = 0.1  # of its weight in Spanish that a piece may have in English
ALIGNED_TOKENS = 40  # of a text that is aligned, at most
ROUNDS = 6
LEAST_SHARE = 0.02  # of a translation that counts

Floats = NDArray[np.float32]


def with_spanish(tokenizer: Tokenizer, english: Mapping[str, float], spanish: Mapping[str, float]) -> Tokenizer:
    """The teacher's tokenizer with the pieces that are used most in Spanish and seldom in English, which they would
    divide anew. English and Spanish are word_weights()."""
    known = tokenizer.get_vocab()
    free = sorted(place for piece, place in known.items() if piece.startswith("[unused"))
    wanted = len(free) + ADDED
    pieces = [piece for piece in _trained(spanish) if piece not in known]
    for room in (2.0, 1.5, 1.25, 1.0):  # those that nothing uses once all are there make room for others
        used, in_english = _uses(tokenizer, spanish, pieces), _uses(tokenizer, english, pieces)
        pieces = [piece for piece in pieces if in_english[piece] <= LEAST_ENGLISH * used[piece] > 0]
        pieces = sorted(pieces, key=lambda piece: (-used[piece], piece))[: round(room * wanted)]
    places = [*free, *range(len(known), len(known) + ADDED)]
    kept = {piece: place for piece, place in known.items() if not piece.startswith("[unused")}
    return _with_vocabulary(tokenizer, kept | dict(zip(pieces, places, strict=True)))


def word_weights(tokenizer: Tokenizer, texts: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The words of texts by source, as the tokenizer sees them, and how often they are there: of a source with n words
    each counts by n ** -.5, so that no one kind of text says which words there are."""
    weights: dict[str, float] = defaultdict(float)
    normalise, divide = tokenizer.normalizer.normalize_str, tokenizer.pre_tokenizer.pre_tokenize_str
    for lines in texts.values():
        words: Counter[str] = Counter()
        for line in lines:
            words.update(word for word, _ in divide(normalise(line)))
        for word, count in words.items():
            weights[word] += count / words.total() ** 0.5
    return weights


def _trained(words: Mapping[str, float]) -> list[str]:
    """The pieces of a WordPiece vocabulary of these words alone. What is as frequent is taken in the order of the
    pieces, and that of letters within words is by chance unless they are given."""
    trained = Tokenizer(WordPiece(unk_token="[UNK]"))
    letters = sorted({f"##{letter}" for word in words if word.isalpha() for letter in word})
    trainer = WordPieceTrainer(vocab_size=CANDIDATES, min_frequency=LEAST, show_progress=False, special_tokens=letters)
    often = (word for word, weight in sorted(words.items()) if word.isalpha() for _ in range(round(weight * SCALE)))
    trained.train_from_iterator(often, trainer)
    return sorted(trained.get_vocab())


def _uses(tokenizer: Tokenizer, words: Mapping[str, float], pieces: Sequence[str]) -> dict[str, float]:
    """The weight of the words in which each piece is used where the vocabulary has these pieces."""
    known = tokenizer.get_vocab()
    whole = _with_vocabulary(tokenizer, known | {piece: len(known) + i for i, piece in enumerate(pieces)})
    names = list(words)
    used: dict[str, float] = defaultdict(float)
    for name, encoding in zip(names, whole.encode_batch(names, add_special_tokens=False), strict=True):
        for piece in encoding.tokens:
            used[piece] += words[name]
    return used


def _with_vocabulary(tokenizer: Tokenizer, vocabulary: Mapping[str, int]) -> Tokenizer:
    """Neither cut nor padded."""
    described: dict[str, Any] = json.loads(tokenizer.to_str())
    described["truncation"] = described["padding"] = None
    described["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    return Tokenizer.from_str(json.dumps(described))


def first_embeddings(
    known: Floats, tokenizer: Tokenizer, english: Sequence[str], spanish: Sequence[str], *, teacher: Tokenizer
) -> Floats:
    """The embeddings of all pieces, shape (pieces, dimensions), from the teacher's: (its pieces, dimensions).

    A piece that only English uses keeps its own; one that both use ("la", "son") comes to lie between its own and its
    translation, by how often each language uses it.
    """
    size = tokenizer.get_vocab_size()
    english_ids, spanish_ids = _ids(tokenizer, english), _ids(tokenizer, spanish)
    in_spanish = _shares(english_ids, spanish_ids, size)
    old = teacher.get_vocab()
    embeddings = np.zeros((size, known.shape[1]), np.float32)
    new: set[int] = set()
    for piece, place in tokenizer.get_vocab().items():
        if piece in old:
            embeddings[place] = known[old[piece]]
        else:  # until it has a translation: what it was divided into
            new.add(place)
            parts = teacher.encode(piece.removeprefix("##"), add_special_tokens=False).ids
            embeddings[place] = known[parts].mean(0)
    before = embeddings.copy()
    norms = np.linalg.norm(before, axis=1)
    for place, translations in _translations(spanish_ids, english_ids, size).items():
        if not in_spanish[place]:
            continue
        pieces, shares = translations
        share = 1.0 if place in new else in_spanish[place]
        if shares.sum() < 0.1:
            continue
        shares = shares / shares.sum()
        mean = shares @ before[pieces]
        mean *= (shares @ norms[pieces]) / max(float(np.linalg.norm(mean)), 1e-6)
        embeddings[place] = share * mean + (1 - share) * before[place]
    return embeddings


def _ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [np.array(encoding.ids, np.int64) for encoding in encoded]


def spanish_shares(tokenizer: Tokenizer, english: Sequence[str], spanish: Sequence[str]) -> Floats:
    """Of each piece, how much of its use is in Spanish: 0 to 1, by its frequency in the texts of either language; shape
    (pieces,)."""
    shares = _shares(_ids(tokenizer, english), _ids(tokenizer, spanish), tokenizer.get_vocab_size())
    return shares.astype(np.float32)


def _shares(
    english: Sequence[NDArray[np.int64]], spanish: Sequence[NDArray[np.int64]], size: int
) -> NDArray[np.float64]:
    in_english, in_spanish = _frequencies(english, size), _frequencies(spanish, size)
    shares: NDArray[np.float64] = in_spanish / np.maximum(in_english + in_spanish, 1e-12)
    return shares


def _frequencies(texts: Sequence[NDArray[np.int64]], size: int) -> NDArray[np.float64]:
    counts = np.bincount(np.concatenate(texts), minlength=size)
    shares: NDArray[np.float64] = counts / max(counts.sum(), 1)
    return shares


def _translations(
    spanish: Sequence[NDArray[np.int64]], english: Sequence[NDArray[np.int64]], size: int
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """By Spanish piece, the English pieces it is translated by and their shares, from IBM's model 1: each English piece
    of a text is the translation of one Spanish piece of it, or of none."""
    keys, slots = _together(spanish, english, size)
    unique, where = np.unique(keys, return_inverse=True)
    source = unique // size
    chance = np.full(len(unique), 1.0)
    for _ in range(ROUNDS):
        weights = chance[where]
        weights /= np.bincount(slots, weights)[slots]  # over the Spanish pieces that an English one may come from
        counts = np.bincount(where, weights, len(unique))
        chance = counts / np.bincount(source, counts)[source]
    strong = (chance >= LEAST_SHARE) & (source < size)
    source, target, chance = source[strong], unique[strong] % size, chance[strong]
    starts = np.flatnonzero(np.diff(source, prepend=-1))
    groups = zip(np.split(target, starts[1:]), np.split(chance, starts[1:]), strict=True)
    return {int(place): group for place, group in zip(source[starts], groups, strict=True)}


def _together(
    spanish: Sequence[NDArray[np.int64]], english: Sequence[NDArray[np.int64]], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of a Spanish and an English piece of one text, as source * size + target, and for each the number of
    the English piece among all. The Spanish piece `size` is none."""
    keys: list[NDArray[np.int64]] = []
    slots: list[NDArray[np.int64]] = []
    nothing = np.array([size], np.int64)
    number = 0
    for sources, targets in zip(spanish, english, strict=True):
        if not (0 < len(sources) <= ALIGNED_TOKENS and 0 < len(targets) <= ALIGNED_TOKENS):
            continue
        all_sources = np.concatenate([sources, nothing])
        keys.append((all_sources[:, None] * size + targets[None, :]).ravel())
        slots.append(np.tile(np.arange(number, number + len(targets)), len(all_sources)))
        number += len(targets)
    return np.concatenate(keys), np.concatenate(slots)
