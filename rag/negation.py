"""Whether one text denies what another says."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from ingest.analyse import fold, stem, words
from ingest.stopwords import STOPWORDS

_NEGATING = """
    not no never none nor neither without cannot nobody nothing nowhere nt
    nunca jamas sin ningun ninguna ninguno nada nadie tampoco ni
"""
_CUES = frozenset(_NEGATING.split())
# Words that deny something, but not always the clause: with them it may be read either way.
_DENYING_SOMETHING = """
    unable fail fails failed failing failure refuse refuses refused deny denies denied forbid forbids forbidden
    prohibit prohibits prohibited ban bans banned lack lacks lacked hardly rarely seldom
    prohibe prohiben prohibida prohibido prohibidas prohibidos carece carecen apenas impide niega nego rechazo
"""
_DENYING = frozenset(_DENYING_SOMETHING.split())
# These negate nothing: 'not only ... but', 'No. 5', 'no less than', 'not without'.
_NO_NEGATION = re.compile(
    r"\b(?:not (?:only|just|merely|without)|no (?:solo|solamente|obstante|doubt|less|fewer|sooner)|no\.? (?=\d)"
    r"|sin (?:embargo|duda)|nothing but|whether or not)\b"
)
_CONTRACTED = re.compile(r"n ?['’]t\b")
_CLAUSE = re.compile(
    r"[,;:()\u2013\u2014]| -- |\b(?:but|however|although|though|while|whereas|because|unless|except|pero|aunque|"
    r"mientras|sino|porque|salvo|excepto|which|who)\b"
)

_OPPOSITES = """
increase decrease; rise fall; rose fell; grow shrink; grew shrank; higher lower; high low; more less; most least;
more fewer; before after; first last; north south; northern southern; east west; eastern western; win lose; won lost;
victory defeat; accept reject; accepted rejected; allow forbid; allowed forbidden; include exclude; included excluded;
minimum maximum; open closed; buy sell; bought sold; above below; male female; early late; earlier later; oldest newest;
older younger; largest smallest; larger smaller; bigger smaller; best worst; true false; always never; success failure;
succeeded failed; legal illegal; possible impossible; public private; import export; begin end; began ended;
started ended; arrive depart; strong weak; hot cold; rich poor; left right; inside outside; positive negative;
gain loss; join leave; support oppose; supported opposed; required optional; mandatory optional;
aumentar disminuir; aumento disminuyo; aumento descenso; subir bajar; subio bajo; mayor menor; mas menos; antes despues;
primero ultimo; primera ultima; norte sur; este oeste; ganar perder; gano perdio; victoria derrota; aceptar rechazar;
acepto rechazo; permitido prohibido; incluye excluye; minimo maximo; abierto cerrado; comprar vender; encima debajo;
mejor peor; verdadero falso; siempre nunca; legal ilegal; posible imposible; publico privado; fuerte debil;
caliente frio; rico pobre; izquierda derecha; dentro fuera; positivo negativo; obligatorio opcional; grande pequeno
"""


def _read_opposites() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pair in _OPPOSITES.split(";"):
        one, other = pair.split()
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


_OPPOSITE = _read_opposites()


@dataclass(frozen=True, slots=True)
class Clause:
    """`negated` None: it may be either."""

    stems: frozenset[str]
    negated: bool | None


def denies(claim: str, evidence: str, claim_language: str, language: str) -> float:
    """From 0 to 1: how much more of a clause of the claim stands in the evidence with the other sign (negated here,
    not negated there) than with the same."""
    said = clauses(evidence, language)
    found = 0.0
    for clause in clauses(claim, claim_language):
        shares: dict[bool, float] = {False: 0.0, True: 0.0}
        for other in said:
            share = len(clause.stems & other.stems) / len(clause.stems)
            agrees = None in (clause.negated, other.negated) or clause.negated == other.negated
            shares[agrees] = max(shares[agrees], share)
        found = max(found, shares[False] - shares[True])
    return found


@lru_cache(maxsize=1024)
def clauses(text: str, language: str) -> tuple[Clause, ...]:
    """The clauses of a text that have words of their own, each with its sign."""
    plain = _NO_NEGATION.sub(" ", _CONTRACTED.sub(" nt", fold(text)))
    stop = STOPWORDS.get(language, frozenset())
    found = []
    for piece in _CLAUSE.split(plain):
        inside = words(piece)
        kept = frozenset(stem(word, language) for word in inside if word not in stop and word not in _CUES)
        negated: bool | None = bool(_CUES.intersection(inside))
        if not negated and _DENYING.intersection(inside):
            negated = None
        if any(word not in _DENYING for word in inside if stem(word, language) in kept):
            found.append(Clause(kept, negated))
        elif negated is not False and found:  # 'it tried, but failed'
            found[-1] = replace(found[-1], negated=None)
    return tuple(found)


def reverses(claim: str, evidence: str) -> str:
    """A word of the claim that the evidence does not have, but its opposite, which the claim does not have; else ''.
    None in a claim that negates: 'not allowed' is 'forbidden'."""
    said, known = words(_CONTRACTED.sub(" nt", fold(claim))), set(words(evidence))
    if _CUES.intersection(said):
        return ""
    own = set(said)
    return next(
        (word for word in said if word not in known and any(other in known - own for other in _OPPOSITE.get(word, ()))),
        "",
    )
