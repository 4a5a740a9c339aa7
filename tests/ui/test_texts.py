import dataclasses
import inspect
import re
import string
from typing import get_args, get_type_hints

import pytest

from ingest.types import SOURCE_STATUSES, TYPE_FAMILIES
from rag import retrieve
from rag.cross_encoder import NAME
from rag.fusion import read_weights
from rag.types import Dropped, RerankerReason
from ui.texts import ENGLISH, SPANISH, TEXTS, Texts, choose_language

FIELDS = [field.name for field in dataclasses.fields(Texts)]


def holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", FIELDS)
def test_a_text_has_the_same_holes_in_both_languages(name: str) -> None:
    assert holes(getattr(ENGLISH, name)) == holes(getattr(SPANISH, name))


def test_every_status_has_a_name_in_both_languages() -> None:
    for texts in TEXTS.values():
        names = [texts.status(status) for status in SOURCE_STATUSES]
        assert len(set(names)) == len(SOURCE_STATUSES)


def test_every_type_and_reason_has_a_name_in_both_languages() -> None:
    reasons = get_args(get_type_hints(Dropped)["reason"])
    for texts in TEXTS.values():
        assert len({texts.type(family) for family in TYPE_FAMILIES}) == len(TYPE_FAMILIES)
        assert len({texts.reason(reason) for reason in reasons}) == len(reasons)
        assert texts.language("es") != "es"
        assert texts.language("fr") == "fr"


def test_every_feature_step_and_reason_of_a_search_has_a_name_in_both_languages() -> None:
    features = {name for weights in read_weights().features.values() for name in weights} | {"mentioned", NAME}
    steps = re.findall(r'clock\.step\("(\w+)"\)', inspect.getsource(retrieve))
    assert "rerank" in steps
    for texts in TEXTS.values():
        assert {name for name in features if texts.feature(name) == name} <= {
            "words side by side",
            "words near each other",
        }
        assert {name for name in steps if texts.step(name) == name} <= {"rerank"}
        assert len({texts.reranker(reason) for reason in get_args(RerankerReason)}) == len(get_args(RerankerReason))
    assert all(SPANISH.feature(name) != name for name in features)
    assert all(SPANISH.step(name) != name for name in steps)
    assert ENGLISH.feature("a new one") == "a new one"


@pytest.mark.parametrize(
    ("setting", "locale", "language"),
    [("auto", "es-MX", "es"), ("auto", "es", "es"), ("auto", "en-GB", "en"), ("auto", "de-DE", "en"),
     ("auto", None, "en"), ("en", "es-ES", "en"), ("es", "en-US", "es"), ("auto", "est", "en")],
)  # fmt: skip
def test_the_setting_goes_before_the_browsers_language(setting: str, locale: str | None, language: str) -> None:
    assert choose_language(setting, locale) == language
