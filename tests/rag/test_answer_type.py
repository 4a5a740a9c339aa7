"""The kind of thing that a question asks for, and the values of that kind in a text."""

import pytest

from rag.answer_type import Kind, asks_yes_or_no, kind_asked, values


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many days?", "number"),
        ("¿Cuántos días?", "number"),
        ("How much does the red room cost?", "money"),
        ("¿Cuánto cuesta la habitación?", "money"),
        ("When does it end?", "time"),
        ("In which year was it built?", "time"),
        ("¿Qué día termina?", "time"),
        ("Who signs?", "person"),
        ("¿Quién firma?", "person"),
        ("¿Dónde está?", "place"),
        ("What city is it in?", "place"),
        ("Which team won?", "name"),
        ("Why?", "reason"),
        ("¿Por qué?", "reason"),
        ("Describe the garden.", ""),
    ],
)
def test_the_kind_asked_for_is_read_from_the_question(question: str, kind: Kind) -> None:
    assert kind_asked(question) == kind


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("time", "In 1890, on June 3, 2021, el 4 de mayo de 1999.", ["1890", "June 3, 2021", "4 de mayo de 1999"]),
        ("time", "It may be that we march on Thursdays at 4 am.", ["Thursdays", "4 am"]),
        ("number", "Forty-five days, 1,200 men and $3.5 million.", ["Forty-five days", "1,200 men", "$3.5 million"]),
        ("money", "In 30 days you pay 1.200 euros.", ["1.200 euros"]),
        ("person", "In July Ana Ruiz and Dr. No met J. R. R. Tolkien.", ["Ana Ruiz", "Dr. No", "J. R. R. Tolkien"]),
        ("place", "Vive en San Sebastián de los Reyes.", ["San Sebastián de los Reyes"]),
        ("reason", "Because of 3 men.", []),
    ],
)  # fmt: skip
def test_values_of_a_kind_are_found_whole(kind: Kind, text: str, found: list[str]) -> None:
    given = [value.text for value in values(kind, text, "")]
    assert [one for one in given if one not in ("Vive",)] == found


def test_what_the_question_names_itself_is_no_answer_to_it() -> None:
    assert values("number", "In 1890 it burned.", "How many mills burned in 1890?") == []
    assert [one.text for one in values("person", "Ana Ruiz and Bob Lee met.", "Whom did Ana Ruiz meet?")] == ["Bob Lee"]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [("number", "thirty days", "30 days"), ("money", "1,200 euros", "1.200 euros"), ("person", "RUIZ", "Ruiz")],
)
def test_the_same_value_written_otherwise_has_the_same_key(kind: Kind, one: str, other: str) -> None:
    (first,), (second,) = (values(kind, f"it is {text}", "") for text in (one, other))
    assert first.key == second.key


def test_neither_a_year_nor_a_number_in_a_name_is_a_figure() -> None:
    text = "In 1466 the Seven Years' War cost 40 000 men and 1500 horses."
    assert [one.text for one in values("number", text, "")] == ["40 000 men", "1500 horses"]


@pytest.mark.parametrize(
    ("question", "language", "is_so"),
    [
        ("Are dogs allowed in the flat?", "en", True),
        ("Doesn't the policy cover theft?", "en", True),
        ("May I hang shelves", "en", True),
        ("Is the deposit one month or two?", "en", False),
        ("Who is the landlord?", "en", False),
        ("In which year was the mill built?", "en", False),
        ("Mayor of Seville", "en", False),
        ("notice period", "en", False),
        ("¿Se admiten perros en el piso?", "es", True),
        ("Se admiten perros en el piso?", "es", True),
        ("¿Hay que avisar antes?", "es", True),
        ("¿Cuánto es la fianza?", "es", False),
        ("cuanto es la fianza?", "es", False),
        ("¿En qué año se construyó el molino?", "es", False),
        ("de quien es el piso?", "es", False),
        ("¿El molino, cuándo se construyó?", "es", False),
        ("plazo de preaviso", "es", False),
    ],
)
def test_a_question_of_yes_or_no_is_told_from_others(question: str, language: str, is_so: bool) -> None:
    assert asks_yes_or_no(question, language) == is_so
