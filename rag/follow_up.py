"""Questions that lean on the conversation, made to stand alone by rules. English and Spanish.

    and in 2022?            after  What was the revenue in 2021?       ->  What was the revenue in 2022?
    what about Lima?        after  Who is the mayor of Madrid?         ->  Who is the mayor of Lima?
    When was it signed?     after  What does the Acme lease cover?     ->  When was it signed (Acme lease cover)?

A question that can be read by itself is never touched: a needless change costs a right answer, while a missed one
leaves the question as it was asked. What is not sure goes behind in brackets, so that no wrong word gets in between.
Pronouns: within one clause "it" never means the clause's own subject (Chomsky's principle B); after a clause boundary
it may well mean what stands before, and is left alone.
"""

import re
from collections.abc import Iterable, Sequence

from ingest.analyse import detect_language, fold, words
from ingest.sentences import sentences
from ingest.stopwords import STOPWORDS
from rag.types import Turn

MOST_WORDS = 12  # that are carried over
ENOUGH_WORDS = 6  # a question with more than so many content words says itself what it is about
ENOUGH_BESIDE_THEY = 3  # "How do they make wine in France?" means anybody


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TOKEN = re.compile(r"\w+(?:[.'’/&-]\w+)*")
_CITATION = re.compile(r"\s*\[\d[\d\s,;–-]*\]")

# What may come before the question proper, and what asks for the same of something else.
_OPENER = re.compile(
    r"^[¿¡\s]*(?:(?:and|but|so|also|or|then|ok|okay|y|e|o|pero|entonces)(?=[\s,])[\s,]*)?"
    r"(?:(?:what|how) about\b|(?:y\s+)?(?:que\s+(?:hay|pasa|tal)(?:\s+(?:de|con|sobre))?)(?=\s+\S)\b)?\s*"
)
_WH = _listed(
    "who whom whose what which when where why how quien quienes que cual cuales cuando donde adonde como cuanto cuanta"
    " cuantos cuantas por para con de en a desde hasta"
)
_ASKS = {
    "en": re.compile(
        r"^(?:(?:in|on|of|at|for|to|by|from|with|under|until|since|about)\s+)?"
        r"(?:who|whom|whose|what|which|when|where|why|how)\b"
        r"|^(?:is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|should|shall|may|might|must)\b"
        r"|^(?:list|show|tell|give|name|explain|find|compare|describe|summari[sz]e|define|write|translate)\b"
    ),
    "es": re.compile(
        r"^(?:(?:a|de|en|con|para|por|desde|hasta|sobre|segun)\s+)?"
        r"(?:quien|quienes|que|cual|cuales|cuando|donde|adonde|como|cuant[oa]s?)\b"
        r"|^(?:es|son|era|eran|fue|fueron|esta|estan|hay|ha|han|tiene|tienen|puede|pueden|debe|deben|existe|existen)\b"
        r"|^(?:lista|muestra|dime|da|nombra|explica|busca|compara|describe|resume|define|escribe|traduce)\b"
    ),
}
_PREPOSITIONS = _listed(
    "in on at of for to by from with under until since during about before after between over en de del a al para por"
    " con desde hasta durante sobre ante entre segun bajo"
)
_ARTICLES = _listed("the a an el la los las un una unos unas lo my our your mi mis nuestro nuestra su tu")
_FIRST_PERSON = _listed("i me my we us our yo me mi nos")
_CLITICS = _listed("lo la los las le les")
_COPULAS = _listed("is are was were be es son era eran fue fueron sea")
_AUXILIARIES = _COPULAS | _listed(
    "do does did has have had can could will would should shall may might must ha han habia puede pueden"
)
_BOUNDARY = re.compile(
    r"[,;:]|\b(?:and|or|but|if|because|while|when|before|after|although|unless|than|who|which|that|to|as|y|o|e|pero|si"
    r"|porque|mientras|cuando|antes|despues|aunque|que|al|para)\b"
)

_FIRST = re.compile(rf"^(?:(?:{'|'.join(sorted(_PREPOSITIONS))})\s+)?\w+")

_ADVERB = re.compile(r"(?:(?:a|de|desde|hasta|por) )?(?:cuando|donde|adonde|como|por que|cuanto)\b")
_SUBJECTS = _listed("it they he she")
_OBJECTS = _listed("it them him her el ella ellos ellas")
_POSSESSIVES = _listed("its their his her theirs hers su sus suyo suya suyos suyas")
_PERSONAL = re.compile(r"\b(?:he|him|his|she|her|hers|they|them|their)\b|\b(?:él|ella|ellos|ellas|su|sus)\b", re.I)
_DEMONSTRATIVES = {
    "en": _listed("this that these those"),
    "es": _listed("este esta estos estas ese esa esos esas aquel aquella aquellos aquellas esto eso aquello"),
}
_BEFORE_DEMONSTRATIVE = (
    (_AUXILIARIES - {"have", "has", "had"}) | _PREPOSITIONS | _listed("why how when what than like y and but cuesta")
)
# "this year" and "this file" point at the world, not back; "those who" and "that of" explain themselves.
_POINTS_ELSEWHERE = _listed(
    "year month week day morning afternoon evening night time century document documents file files folder page app"
    " question ano mes semana dia manana tarde noche vez siglo documento documentos archivo archivos carpeta pagina"
    " aplicacion pregunta who whom which that of with in from living having de que quienes cuyo en con"
)
_OTHER_ONE = re.compile(
    r"\b(?:the (?:first|second|third|last|other|latter|former|same)(?: ones?)?|another one|which ones?)$"
    r"|\b(?:el|la|los|las) (?:otr[oa]s?|primer[oa]s?|segund[oa]s?|ultim[oa]s?|mism[oa]s?|anterior(?:es)?)$"
)
_THERE = re.compile(r"(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )\b(?:there|alli|ahi)$")
# "How long does it take to ...", "is it possible ...", "was it decided that ...": it means nothing that was said.
_EXPLETIVE = re.compile(
    r"\bit (?:\w+ ){0,2}(?:possible|true|necessary|legal|illegal|allowed|mandatory|compulsory|safe|better|best"
    r"|important|common|easy|easier|hard|harder|difficult|required|worth|known|said|believed|thought|rain|rains|snow)\b"
    r"|\bit (?:take|takes|took|taken|cost|costs|mean|means|meant|help|helps|matter|matters|make sense)\b.*\b(?:to|if"
    r"|that|when)\b|\bit (?:when|who|where)\b|\b(?:make|makes|made) it\b|\bit gets? (?:dark|light|cold|hot|warm|late)\b"
    r"|\bit (?!say|says|said|state|states|mention|mentions)(?:\w+ ){0,3}that\b"
)
_LEADING = _listed(
    "tell me show give list name explain find describe summarize define please many much long old far often big tall"
    " large high dime muestra lista explica busca describe define mucho muchos tan there exactly"
)
# "What is [the notice period] of the lease?": what stands before 'of the', so that 'plazo de preaviso' is one thing.
_ASKED_THING = re.compile(
    r"([¿\s]*(?i:what|which|cuál|cual|qué|que)\s+(?i:is|are|was|were|es|son|era|eran|fue|fueron)\s+)"
    r"(?i:the|el|la|los|las)\s+[\w\s-]+?(\s+(?:(?:of|in|for|on|at)\s+(?:the\b|an?\b|[A-Z])|del\b|al\b"
    r"|(?:de|en|para)\s+(?:(?:la|el|los|las|una?)\b|[A-ZÁÉÍÓÚÑ])).*)"
)
_ASKS_WHO = re.compile(r"\W*(?:who|whom|whose|qui[eé]n(?:es)?)\b", re.IGNORECASE)
_ASKS_NAME = re.compile(r"\W*(?:who|whom|whose|which|qui[eé]n(?:es)?|cu[aá]l(?:es)?|qu[eé])\b", re.IGNORECASE)
_MONTHS = (
    "january february march april may june july august september october november december enero febrero marzo abril"
    " mayo junio julio agosto septiembre octubre noviembre diciembre"
).replace(" ", "|")
_TIME = re.compile(
    rf"\b(?:(?:\d{{1,2}}\s+(?:de\s+)?)?(?:{_MONTHS})\s+(?:de\s+|of\s+)?)?(?:FY\s?)?(?:1[0-9]|20)\d{{2}}\b"
    rf"|\b(?:Q[1-4]|H[12])(?:\s+(?:of\s+|de\s+)?(?:FY\s?)?(?:20)?\d{{2}})?\b|\b(?:{_MONTHS})\b(?!\s+\w+\s+(?:i|we)\b)",
    re.IGNORECASE,
)


def stand_alone(question: str, history: Sequence[Turn]) -> str:
    """The question as it would be asked without the conversation: itself, unless it leans on the earlier turns."""
    topic, last = "", ""
    for turn in history:
        alone = _resolved(turn.question, topic)
        # "When was it signed?" goes on about the same; "and in 2022?" and a new question are what "it" is about next.
        if alone == turn.question or not _has_pronoun(turn.question):
            topic = alone
        last = turn.answer
    return _resolved(question, topic, last)


def leans(question: str) -> bool:
    """Whether a question can be understood in its conversation only."""
    rest = _opened(question)[1]
    return _is_fragment(question) or _is_short(rest) or _has_pronoun(question)


def _resolved(question: str, topic: str, answer: str = "") -> str:
    if not topic or not leans(question):
        return question
    if _is_fragment(question) and (replaced := _replaced(_opened(question)[1], topic)):
        return replaced
    return _noted(question, _carried(question, topic, answer))


# ------------------------------------------------------------------------------------------- what leans


def _opened(question: str) -> tuple[str, str]:
    """What opens a question ('and', 'what about'), and the rest of it."""
    opener = _OPENER.match(_lower(question))
    cut = opener.end() if opener else 0
    if not re.search(r"\w", question[:cut]):
        cut = 0
    return question[:cut], question[cut:].strip(" ¿?¡!.,")


def _lower(text: str) -> str:
    """Folded where that keeps the length, so that places are the same in both."""
    return "".join(folded if len(folded := fold(char)) == 1 else char for char in text)


def _language(question: str) -> str:
    return "es" if "¿" in question or detect_language(question) == "es" else "en"


def _is_fragment(question: str) -> bool:
    """'And in 2022?', 'what about the deposit?': an opener, and no question of its own after it."""
    opener, rest = _opened(question)
    if not opener or not rest:
        return False
    complete = any(asks.match(_lower(rest)) for asks in _ASKS.values()) or _BOUNDARY.search(_lower(rest))
    return not complete and len(_content(rest)) <= 5


def _is_short(rest: str) -> bool:
    """'Why?', 'How many employees?', '¿Cuándo murió?': a question word and at most one other word, no name."""
    tokens = _TOKEN.findall(rest)
    if not tokens or fold(tokens[0]) not in _WH or _names(rest) or re.search(r"[\d\"“«]", rest):
        return False
    content = _content(rest)
    if len(tokens) == 3 and tokens[1] in _CLITICS:  # '¿Quién lo firmó?'
        return True
    if len(content) > 1 or any(fold(token) in _ARTICLES | _FIRST_PERSON for token in tokens):
        return False
    return not (content and any(fold(token) in _COPULAS for token in tokens))


def _has_pronoun(question: str) -> bool:
    """Whether a pronoun in it means something that is not in it."""
    question = _opened(question)[1]
    text = _lower(question)
    if _OTHER_ONE.search(text) or (_THERE.search(text) and not _BOUNDARY.search(text)):
        return True
    if _EXPLETIVE.search(text) or len(_content(question)) > ENOUGH_WORDS:
        return False
    tokens = list(_TOKEN.finditer(question))
    folded = [fold(token.group()) for token in tokens]
    language = _language(question)
    return any(
        _points_back(question, tokens, folded, n, language)
        for n, token in enumerate(tokens)
        if not (folded[n] == "el" and token.group().lower() != "él")
    )


def _points_back(question: str, tokens: Sequence[re.Match[str]], folded: Sequence[str], n: int, language: str) -> bool:
    word = folded[n]
    if n and tokens[n].group()[0].isupper():  # of a name: 'Europa del Este'
        return False
    before = _lower(question[: tokens[n].start()])
    previous = folded[n - 1] if n else ""
    following = folded[n + 1] if n + 1 < len(folded) else ""
    one_clause = not _BOUNDARY.search(_FIRST.sub("", before))
    if word in _DEMONSTRATIVES[language]:
        if tokens[n].group().lower() in ("está", "están") or following in _POINTS_ELSEWHERE:
            return False
        if language == "es" and (following in _ARTICLES | _PREPOSITIONS or (word == "esta" and not following)):
            return False
        return one_clause and (n == 0 or previous in _BEFORE_DEMONSTRATIVE)
    if language == "en" and word in _SUBJECTS and (previous in _AUXILIARIES or n == 0):
        return one_clause and not (word == "they" and len(_content(question)) > ENOUGH_BESIDE_THEY)
    if word in _POSSESSIVES and following and following not in _PREPOSITIONS:
        named_after = _names(question) or (language == "es" and _ARTICLES & set(folded[n + 2 : n + 4]))
        return one_clause and not named_after and not _nouns(tokens[:n], folded[:n])
    if word in _OBJECTS and following not in _AUXILIARIES and (language == "es" or word not in ("el", "ella")):
        owned = "'s " in before or "’s " in before  # 'What did Luther's tutors advise him?'
        one_clause = one_clause and not owned and not re.search(r"\w\s+\w+ing\b", before)  # '... granting them'
        return one_clause and (language == "en" or not _nouns(tokens[:n], folded[:n]))
    return False


def _nouns(tokens: Sequence[re.Match[str]], folded: Sequence[str]) -> bool:
    """Whether something stands there that a pronoun after it could mean. The word after the question word is a verb
    ('Who wrote their ...') or what is asked for."""
    stop = STOPWORDS["en"] | STOPWORDS["es"]
    if _ADVERB.match(" ".join(folded)):  # the verb comes before its subject: 'Cómo se llamaba su ...'
        return bool(_ARTICLES & set(folded)) or any(token.group()[0].isupper() for token in tokens[1:])
    return any(
        word not in stop and not (n == 1 and folded[0] in _WH and token.group().islower())
        for n, (word, token) in enumerate(zip(folded, tokens, strict=True))
    )


def _content(text: str) -> list[str]:
    stop = STOPWORDS["en"] | STOPWORDS["es"] | _AUXILIARIES
    return [word for word in words(text) if word not in stop and not (len(word) == 1 and word.isalpha())]


def _names(text: str) -> list[str]:
    """Runs of words with a capital or a digit; a first word counts only where another follows it in its run."""
    runs: list[list[re.Match[str]]] = []
    for token in _TOKEN.finditer(text):
        if not any(char.isupper() or char.isdigit() for char in token.group()):
            continue
        if runs and re.fullmatch(r"\s+(?:(?:of|de|del|la|las|los|the)\s+)*", text[runs[-1][-1].end() : token.start()]):
            runs[-1].append(token)
        else:
            runs.append([token])
    start = next((token.start() for token in _TOKEN.finditer(text)), 0)
    names = []
    for run in runs:
        if run[0].start() == start and (fold(run[0].group()) in _WH | _AUXILIARIES or len(run) == 1):
            run = run[1:]
        if run:
            names.append(text[run[0].start() : run[-1].end()])
    return names


# --------------------------------------------------------------------------------- what is put in, and where


def _replaced(fragment: str, topic: str) -> str:
    """The topic with the fragment in the place of what it asks about instead; '' where that place is not sure."""
    preposition, article, rest = _split(fragment)
    if _TIME.fullmatch(rest):
        times = list(_TIME.finditer(topic))
        if len(times) == 1:
            return topic[: times[0].start()] + rest + topic[times[0].end() :]
        return "" if times or not preposition else _appended(topic, fragment)
    if [rest] == _names(f"x {rest}"):
        names = _names(topic)
        if len(names) == 1 and not _TIME.search(names[0]):
            return topic.replace(names[0], rest)
        return ""
    if preposition:
        places = list(re.finditer(rf"\b{preposition}\s+(?:\w+\s*){{1,3}}$", topic.rstrip(" ?")))
        only = len(re.findall(rf"\b{preposition}\b", _lower(topic))) == 1
        return topic[: places[0].start()] + fragment + _end(topic) if places and only else ""
    asked = _ASKED_THING.match(topic)
    return f"{asked[1]}{article}{rest}{asked[2]}" if asked and article else ""


def _split(fragment: str) -> tuple[str, str, str]:
    """(preposition, article with its space, rest)."""
    tokens = fragment.split()
    preposition = tokens.pop(0) if len(tokens) > 1 and fold(tokens[0]) in _PREPOSITIONS else ""
    article = tokens.pop(0) + " " if len(tokens) > 1 and fold(tokens[0]) in _ARTICLES else ""
    return preposition, article, " ".join(tokens)


def _end(topic: str) -> str:
    return "?" if topic.rstrip().endswith("?") else ""


def _appended(topic: str, more: str) -> str:
    return f"{topic.rstrip(' ?.')} {more}{_end(topic)}"


def _carried(question: str, topic: str, answer: str) -> str:
    """What the conversation is about, in few words: names that the last answer brought, then the topic without what
    makes it a question."""
    own = set(words(question))
    parts = []
    if _PERSONAL.search(question) or _ASKS_NAME.match(topic):
        brought = _brought(answer, first_word_too=_ASKS_WHO.match(topic) is not None)
        parts += [name for name in brought if not set(words(name)) & (own | set(words(topic)))][:1]
    tokens = [token.group() for token in _TOKEN.finditer(topic)]
    stop = STOPWORDS["en"] | STOPWORDS["es"] | _LEADING | _AUXILIARIES
    while tokens and fold(tokens[0]) in stop:
        tokens.pop(0)
    if _TIME.search(question):
        tokens = [token for token in tokens if not _TIME.fullmatch(token)]
    while tokens and fold(tokens[-1]) in stop:
        tokens.pop()
    if any(fold(token) not in own for token in tokens):
        parts.append(" ".join(tokens[:MOST_WORDS]))
    return ", ".join(parts)


def _brought(answer: str, first_word_too: bool) -> list[str]:
    """Names in an answer; a sentence's first word is one only where a name was asked for."""
    plain = _CITATION.sub("", answer)
    stop = STOPWORDS["en"] | STOPWORDS["es"]
    said = [plain[start:end] for start, end in sentences(plain)]
    names = [name for sentence in said for name in _names(f"x {sentence}" if first_word_too else sentence)]
    return [name for name in names if name[0].isupper() and not set(words(name)) <= stop]


def _noted(question: str, note: str) -> str:
    body = question.rstrip(" ?")
    return f"{body} ({note}){'?' if question.rstrip().endswith('?') else ''}" if note else question


def conversation(history: Iterable[Turn], most: int = 3, characters: int = 400) -> list[tuple[str, str]]:
    """The last `most` questions with their answers, without citation marks and cut to so many characters."""
    turns = list(history)[-most:]
    return [(turn.question[:characters], _CITATION.sub("", turn.answer)[:characters]) for turn in turns]
