"""Text to the terms that full-text search matches: lower case, accents folded, stop words out, stems in.

Used on passages when they are stored and on questions when they are asked, so that both sides always agree.
"""

import re
import unicodedata
from functools import lru_cache

from ingest.stopwords import STOPWORDS

LANGUAGES = ("en", "es")
_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch",
    "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_SURE = 0.95
_ENOUGH_LETTERS = 20

# A number with its separators (1,200.50 or 3.14), or a run of letters and digits.
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_MEASURE = re.compile(r"\bhow (?:much|many|long|often|far|old|big|tall|large|high|deep|soon)\b")
_THOUSANDS = re.compile(r"[.,](?=\d{3}(?:\D|$))")


def fold(text: str) -> str:
    """Lower case without accents or compatibility forms: 'Póliza' -> 'poliza'. Length may change."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """The folded words of a text in order. Numbers lose their thousands separators: '1,200' -> '1200'."""
    folded = _POSSESSIVE.sub("", fold(text))
    return [_number(word) if word[0].isdigit() else word for word in _WORD.findall(folded)]


def terms(text: str, language: str) -> list[str]:
    """What a text is indexed under, in order and with repeats. A language without a stemmer is stemmed as English.

    A text of nothing but stop words keeps them, so that it can still be found.
    """
    found = words(text)
    stop = STOPWORDS.get(language, frozenset())
    kept = [word for word in found if word not in stop] or found
    return [stem(word, language) for word in kept]


def content_words(question: str) -> list[str]:
    """The words of a question that its answer may have, in order and without repeats: no stop words, nor the measure
    of 'how long' and its like. A question of nothing else keeps all its words."""
    language = detect_language(question)
    found = words(_MEASURE.sub(" ", fold(question)) if language == "en" else question)
    return list(dict.fromkeys(word for word in found if word not in STOPWORDS[language])) or words(question)


@lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """The Snowball stem (Porter 2001) of one folded word. Words with digits are left alone."""
    if any(c.isdigit() for c in word):
        return word
    stemmed: str = _stemmer(_SNOWBALL.get(language, "english")).stemWord(word)
    return stemmed


@lru_cache(maxsize=4)
def _stemmer(algorithm: str):  # type: ignore[no-untyped-def]  # PyStemmer has no types
    import Stemmer

    return Stemmer.Stemmer(algorithm)


def _number(word: str) -> str:
    # FTS5 would split a decimal point; '_' is a token character there.
    return re.sub(r"[.,]", "_", _THOUSANDS.sub("", word))


def detect_language(text: str, default: str = "en") -> str:
    """'en' or 'es', or the default where that is another language and nothing decides. Stop words decide where there
    are any; otherwise the language identifier of py3langid (Lui and Baldwin 2012), which is not asked about fewer than
    four words."""
    found = words(text[:4000])
    votes = {language: sum(word in STOPWORDS[language] for word in found) for language in LANGUAGES}
    if votes["en"] != votes["es"]:
        return max(votes, key=lambda language: votes[language])
    if len(found) < 4 or default not in LANGUAGES:
        return default
    return next(str(language) for language, _ in _identifier().rank(text[:4000]) if language in LANGUAGES)


def identify_language(text: str, default: str = "en") -> str:
    """The ISO 639-1 code of a passage's language: detect_language(), but for a text of which the identifier is sure
    that it is in another. (Of 23,825 English and Spanish paragraphs and sentences it took 2 for another language.)"""
    if sum(map(str.isalpha, text)) >= _ENOUGH_LETTERS:
        language, probability = _identifier().classify(text[:4000])
        if probability >= _SURE and language not in LANGUAGES:
            return str(language)
    return detect_language(text, default)


@lru_cache(maxsize=1)
def _identifier():  # type: ignore[no-untyped-def]  # py3langid has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
