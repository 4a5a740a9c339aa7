"""The grammar of an answer (GBNF, llama.cpp's): every sentence ends in a citation of a passage that exists, or the
whole is the one sentence of an abstention (of any language: the answer then says it in the question's).

Where a sentence ends is what ingest.sentences says: at a stop after which something new begins, unless an abbreviation
or an initial comes before it. A stop that ends no sentence because a small letter follows it is not allowed: a model
that is not let stop would only go on talking there.
"""

import json

from ingest.sentences import ABBREVIATIONS
from rag.types import ABSTENTION

_RULES = r"""
root ::= [ \n]? ( abstention | item? claim ( gap claim )* ) [ \n]{{0,2}}
abstention ::= {abstention}
claim ::= ( word " " )* last cited [.!?…,;:]* closing*
gap ::= " " | "\n" "\n"? item?
item ::= [-*•] " " | [0-9] [0-9]? [.)] " "
word ::= ( letter | closing | [.!?…] )* letter closing* | closing+ | opening* short
last ::= ( letter | closing | [.!?…] )+
letter ::= [^ \t\n\r.!?…"'”’»)*_\[\]] | "[" [^ \t\n\r0-9.!?…\[\]] [^\n\r.!?…\[\]]* "]"
closing ::= ["'”’»)*_]
opening ::= ["'“‘«(¿¡]
short ::= ( {abbreviations} ) "." | [A-ZÁÉÍÓÚÑ] "."
cited ::= ( " "? "[" number ( "," " "? number )* "]" )+
number ::= {numbers}
"""


def answer_grammar(passages: int) -> str:
    """The grammar of an answer from `passages` (at least 1) numbered passages. Its first rule is `root`."""
    short = sorted({form for word in ABBREVIATIONS for form in (word, word.capitalize(), word.upper())})
    return _RULES.format(
        abstention=" | ".join(map(_quoted, ABSTENTION.values())),
        abbreviations=" | ".join(map(_quoted, short)),
        numbers=" | ".join(_quoted(str(number)) for number in range(1, passages + 1)),
    ).strip()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
