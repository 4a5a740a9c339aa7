"""Changes what a question asks, so that a passage which answered it no longer does: another name, figure or month, an
antonym, a denial. And makes questions, by rule, that a sentence answers."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.stopwords import STOPWORDS
from training.reader.texts import Synonyms

_NAME = re.compile(
    r"(?<![.!?¿¡\"“] )(?<!^)\b[A-ZÁÉÍÓÚÑ][\w'’-]+(?:(?: (?:de|of|the|la|del|el|y|and|von|van))? [A-ZÁÉÍÓÚÑ][\w'’-]+)*"
)
_NUMBER = re.compile(r"\b\d[\d.,]*\b")
_YEAR = re.compile(r"\b1\d\d\d\b|\b20[0-2]\d\b")
_WORD = re.compile(r"[^\W_]+")
_LONG = re.compile(r"[^\W\d_]{5,}")
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_OPPOSITES = {
    "en": """more/less most/least first/last before/after early/late earlier/later largest/smallest large/small
        bigger/smaller big/small high/low higher/lower highest/lowest increase/decrease increased/decreased
        increasing/decreasing north/south northern/southern east/west eastern/western good/bad best/worst always/never
        allowed/forbidden allow/prevent begin/end began/ended start/stop started/stopped win/lose won/lost
        beginning/end rich/poor old/new older/younger oldest/newest long/short longest/shortest strong/weak many/few
        major/minor public/private inside/outside positive/negative possible/impossible similar/different
        same/different support/oppose supported/opposed accept/reject accepted/rejected agree/disagree
        agreed/disagreed friend/enemy male/female men/women man/woman native/foreign hot/cold common/rare
        internal/external true/false success/failure create/destroy created/destroyed built/destroyed buy/sell
        bought/sold gain/lose gained/lost above/below over/under left/right upper/lower minimum/maximum light/dark
        fast/slow complex/simple easy/difficult legal/illegal known/unknown popular/unpopular war/peace import/export
        join/leave joined/left rise/fall rose/fell open/closed""",
    "es": """más/menos primero/último primera/última primer/último antes/después temprano/tarde mayor/menor
        mayores/menores grande/pequeño grandes/pequeños alto/bajo alta/baja aumentar/disminuir aumento/descenso
        norte/sur este/oeste oriental/occidental bueno/malo mejor/peor siempre/nunca permitir/prohibir comenzó/terminó
        empezó/acabó inicio/fin principio/final ganó/perdió ganar/perder rico/pobre viejo/nuevo nueva/vieja
        antiguo/moderno largo/corto fuerte/débil muchos/pocos muchas/pocas público/privado pública/privada
        dentro/fuera positivo/negativo posible/imposible similar/diferente mismo/distinto apoyó/rechazó
        aceptó/rechazó amigo/enemigo hombres/mujeres hombre/mujer masculino/femenino caliente/frío común/raro
        interno/externo verdadero/falso crear/destruir creó/destruyó comprar/vender encima/debajo izquierda/derecha
        superior/inferior mínimo/máximo rápido/lento fácil/difícil legal/ilegal guerra/paz subió/bajó
        abrir/cerrar""",
}
_OPPOSITE = {
    language: {one: other for pair in pairs.split() for one, other in (pair.split("/"), pair.split("/")[::-1])}
    for language, pairs in _OPPOSITES.items()
}
_DENIABLE = {
    "en": re.compile(r"\b(?:is|was|were|are|has|have|can|could|would|will)\b|\b(?:did|does|do) (?:\w+ )?\w+"),
    "es": re.compile(r"\b(?=(?:es|fue|fueron|son|era|eran|ha|han|puede|se|tiene|hizo|había)\b)"),
}
_DENIAL = {"en": " not", "es": "no "}
_ASKING = {
    "en": {
        "year": ("what year", "when", "which year"),
        "number": ("how many", "what number", "how much"),
        "name": ("who", "what", "which", "where", "whom"),
    },
    "es": {
        "year": ("qué año", "cuándo", "en qué año"),
        "number": ("cuántos", "cuántas", "qué número", "cuánto"),
        "name": ("quién", "qué", "cuál", "dónde"),
    },
}
_CLAUSE = 3  # words after what is asked for, from where on a comma ends the question


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of a text that name something: 'year', 'number' or 'name'."""

    start: int
    end: int
    kind: str


def spans(text: str, language: str) -> list[Span]:
    """What a text names; words that only begin a sentence are no names."""
    years = [Span(*match.span(), "year") for match in _YEAR.finditer(text)]
    numbers = [Span(*match.span(), "number") for match in _NUMBER.finditer(text)]
    names = [match for match in _NAME.finditer(text) if match[0].lower() not in STOPWORDS[language]]
    return [
        *years,
        *(one for one in numbers if not any(year.start <= one.start < year.end for year in years)),
        *(Span(*match.span(), "name") for match in names),
    ]


def names(text: str, language: str) -> list[str]:
    return [text[span.start : span.end] for span in spans(text, language) if span.kind == "name"]


def changed(chance: random.Random, question: str, language: str, known: Sequence[str]) -> str | None:
    """The question with something exchanged; names for others of `known`. None where nothing can be."""
    opposite, months = _OPPOSITE[language], _MONTHS[language].split()
    words = [match for match in _WORD.finditer(question) if match[0].lower() in opposite]
    said = [match for match in _WORD.finditer(question) if match[0] in months]
    named = [span for span in spans(question, language) if span.start]
    if words and (not named or chance.random() < 0.6):
        match = chance.choice(words)
        return _put(question, *match.span(), opposite[match[0].lower()])
    if said and chance.random() < 0.5:
        match = chance.choice(said)
        return _put(question, *match.span(), chance.choice([month for month in months if month != match[0]]))
    if named and known and chance.random() < 0.85:
        span = chance.choice(named)
        value = _another(chance, span.kind, question[span.start : span.end], known)
        return value and _put(question, span.start, span.end, value)
    denied = _DENIABLE[language].search(question)
    return denied and _put(question, denied.end(), denied.end(), _DENIAL[language])


def _put(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _another(chance: random.Random, kind: str, value: str, known: Sequence[str]) -> str | None:
    if kind == "year":
        return str(int(value) + chance.choice((-1, 1)) * chance.choice((1, 2, 3, 5, 8, 10, 20, 40, 100)))
    for _ in range(8):
        other = re.sub(r"\d", lambda _: str(chance.randrange(10)), value) if kind == "number" else chance.choice(known)
        if other.lower() not in value.lower() and value.lower() not in other.lower():
            return other
    return None


def cloze(chance: random.Random, sentence: str, span: Span, language: str, alike: Synonyms) -> str | None:
    """A question that the sentence answers with its span: in its place a word that asks, of the words around it some,
    some of them by synonyms (after Lewis et al. 2019, arXiv 1906.04980). None of a sentence that is too short."""
    most = chance.choice((5, 7, 9, 12))
    before, after = sentence[: span.start].split()[-most:], sentence[span.end :].split()
    ends = [n for n, word in enumerate(after) if n >= most or (n >= _CLAUSE and word.endswith((",", ";", ":")))]
    after = after[: ends[0] + 1] if ends else after
    before, after = (_said_otherwise(chance, words, language, alike) for words in (before, after))
    asking = chance.choice(_ASKING[language][span.kind])
    words = [asking, *after, *before] if chance.random() < 0.6 else [*before, asking, *after]
    if len(words) < 4:
        return None
    question = " ".join(words).strip(' ,.;:()"“”') + ("?" if chance.random() < 0.8 else "")
    question = question.lower() if chance.random() < 0.3 else question
    return question[:1].upper() + question[1:] if chance.random() < 0.7 else question


def _said_otherwise(chance: random.Random, words: Sequence[str], language: str, alike: Synonyms) -> list[str]:
    stop = STOPWORDS[language]
    kept = [word for word in words if chance.random() > (0.31 if word.strip(",.;:()").lower() in stop else 0.08)]
    others = [alike.get(word.lower(), ()) for word in kept]
    return [
        chance.choice(new) if new and chance.random() < 0.3 else word for word, new in zip(kept, others, strict=True)
    ]


def a_span(chance: random.Random, sentence: str, language: str) -> Span | None:
    """Something that can be asked for: a name or figure, else a word."""
    found = spans(sentence, language)
    if not found:
        stop = STOPWORDS[language]
        found = [Span(*match.span(), "name") for match in _LONG.finditer(sentence) if match[0].lower() not in stop]
    return chance.choice(found) if found else None
