"""Questions about two things, and about what is not so, taken apart by rules, so that a search finds each side.

Which is older, Lima or Quito?                          ->  older Lima | older Quito
What is the difference between a lease and a licence?   ->  a lease | a licence
Which animals lay eggs, except birds?                   ->  Which animals lay eggs?
"""

import re

from ingest.analyse import words

# A run of words with capitals or digits: 'Arthur's Magazine', 'First for Women', 'Banco de España'.
_CAPITAL = r"[A-ZÁÉÍÓÚÑ0-9][\w.'’&-]*"
_NAME = rf"(?:[\"“«][^\"”»]+[\"”»]|{_CAPITAL}(?:\s+(?:(?:of|for|the|de|del|la|las|los|el)\s+)*{_CAPITAL})*)"
_SIDE = r"[^,;?]{1,80}?"
_END = r"\s*[?.]*\s*$"
_WH = r"(?i:which|who|whose|whom|what|where|when|how|cuál(?:es)?|cual(?:es)?|quién|quien|qué|que|dónde|cuándo|cómo)"
_PREPOSITIONS = "in on at of by from for to like as with the en de del por para con como a al"
_NO_PREPOSITION = "".join(rf"(?<!\s{word})" for word in _PREPOSITIONS.split())
_OR = r",?\s+(?i:or|o|u)\s+"

# Each names its sides a and b, and what is asked of both, where that says something, rest (before) or more (after).
_COMPARISONS = tuple(
    re.compile(pattern)
    for pattern in (
        # difference between A and B; diferencia entre A y B
        rf"(?i:\b(?:differences?|similarit(?:y|ies)|distinctions?|diferencias?|semejanzas?|parecidos?)\s+(?:between|entre))\s+"
        rf"(?P<a>{_SIDE})\s+(?i:and|y|e)\s+(?P<b>{_SIDE}){_END}",
        # compare A with B; compara A con B
        rf"(?i:\b(?:compare|comparing|compara(?:r|me)?))\s+(?P<a>{_SIDE})\s+"
        rf"(?i:and|with|to|against|y|e|con)\s+(?P<b>{_SIDE}){_END}",
        # A vs B; A frente a B
        rf"^[¿\s]*(?!{_WH}\b)(?P<a>{_SIDE})\s+(?i:vs\.?|versus|frente a)\s+(?P<b>{_SIDE}){_END}",
        # how does A differ from B; en qué se diferencia A de B
        rf"(?i:\bhow\s+(?:do|does|did|is|are))\s+(?P<a>{_SIDE})\s+(?i:differ|different)\s+(?i:from)\s+(?P<b>{_SIDE}){_END}",
        rf"(?i:\bse\s+diferencian?)\s+(?P<a>{_SIDE})\s+(?i:de|del)\s+(?P<b>{_SIDE}){_END}",
        # which is older, A or B; ¿cuál es mayor, A o B?
        rf"^[¿\s]*(?P<rest>{_WH}\b[^?,]*?)[,:]\s*(?i:the\s+)?(?P<a>{_SIDE}){_OR}(?P<b>{_SIDE}){_END}",
        rf"^[¿\s]*(?P<rest>{_WH}\b[^?,]*?){_NO_PREPOSITION}\s+(?P<a>{_NAME})\s+(?i:or|o|u)\s+(?P<b>{_NAME}){_END}",
        # which band, A or B, had more members
        rf"^[¿\s]*(?P<rest>{_WH}\b[^?,]*?),\s*(?P<a>{_SIDE}){_OR}(?P<b>{_SIDE}),\s*(?P<more>[^?,]+?){_END}",
        # were A and B ...; ¿son A y B ...?
        rf"^[¿\s]*(?i:are|were|is|was|do|does|did|have|has|can|son|eran|fueron|tienen|están)\s+(?i:both\s+|tanto\s+)?"
        rf"(?P<a>(?:the\s+)?{_NAME})\s+(?i:and|y|e|como)\s+(?P<b>(?:the\s+)?{_NAME})\s+(?P<more>[^?]+?){_END}",
        # what do A and B have in common
        rf"^[¿\s]*(?P<rest>{_WH}\b[^?]*?)\s+(?P<a>{_NAME})\s+(?i:and|y)\s+(?P<b>{_NAME})\s+"
        rf"(?P<more>(?i:both|have in common|share|tienen en común|comparten)\b[^?]*?){_END}",
    )
)

_EXCLUDED = re.compile(
    r"[,\s]+(?:except(?:ing)?(?:\s+for)?|other\s+than|apart\s+from|aside\s+from|not\s+including|excluding|but\s+not(?=\s+(?:in|on|at|of|for|with|the|those)\b)"
    r"|salvo|excepto|a\s+excepci[oó]n\s+de|aparte\s+de|sin\s+contar|pero\s+no(?=\s+(?:en|de|del|con|para|el|la|los|las)\b))\s+"
    r"(?!(?:for\s+)?(?:what|which|qué|que|cu[aá]l)\b)[^,;?]+?(?=,|\s+(?:is|are|was|were|do|does|did|has|have|can|es|son|era|fue|fueron|tienen?)\b|\s*[?.]*\s*$)",
    re.IGNORECASE,
)
_FEWEST_WORDS = 2  # that must be left of a question when what it excludes is taken out


def sides(question: str) -> tuple[str, ...]:
    """A query for each side of a question that compares two things; none for any other."""
    for comparison in _COMPARISONS:
        if found := comparison.search(question):
            said = found.groupdict(default="")
            around = (said.get("rest", ""), said.get("more", ""))
            return tuple(" ".join(filter(None, (around[0], said[side].strip(), around[1]))) for side in ("a", "b"))
    return ()


def without_excluded(question: str) -> str:
    """The question without what it excludes; '' if it excludes nothing, or nothing would be left."""
    positive = _EXCLUDED.sub("", question)
    return positive if positive != question and len(words(positive)) > _FEWEST_WORDS else ""
