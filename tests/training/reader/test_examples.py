"""Examples for the reader."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.reader.examples import Texts, by_rule, of_people
from training.reader.texts import Asked, Lines

PARAGRAPH = (
    "Ortega Foods was founded in Madrid in 1987 by Elena Ortega and two of her brothers, who sold olives at first. "
    + "In 2019 its office was moved to Seville, where rents were lower than they had been in the capital. " * 2
    + "Today it has 240 people in Spain and Portugal, of whom nearly half work in the factory at Huelva. " * 2
)
OTHER = "Olives are grown around Jaén. The harvest of 2020 was the largest of Andalusia in twenty years, it is said."
FOUNDED = Asked("When was Ortega Foods founded?", "en", PARAGRAPH, ((PARAGRAPH.index("1987"), "1987"),), "Ortega")
NOT_SAID = Asked("When was Ortega Foods sold?", "en", PARAGRAPH, (), "Ortega")
ELSEWHERE = Asked("Where are olives grown?", "en", OTHER, ((OTHER.index("Jaén"), "Jaén"),), "Ortega")
PROSE = Lines(
    ("The heat was measured by James Joule in 1843.", "He found 4.2 joules for a calorie in Manchester."),
    ("El calor fue medido por James Joule en 1843.", "Encontró 4,2 julios por caloría en Manchester."),
)
TEXTS = Texts([FOUNDED, NOT_SAID, ELSEWHERE], [PROSE], {"en": {}, "es": {}})


@given(st.integers(0, 100_000))
def test_what_answers_stands_where_it_is_said_to_stand(seed: int) -> None:
    example = of_people(TEXTS, random.Random(seed))
    if example and example.answer:
        assert example.window[slice(*example.answer)] in ("1987", "Jaén")
        assert example.question.lower() in (FOUNDED.question.lower(), ELSEWHERE.question.lower())
    made = by_rule(TEXTS, random.Random(seed))
    if made and made.answer:
        assert made.window[slice(*made.answer)].strip()
        assert made.window[slice(*made.answer)] not in made.question.split()


@given(st.integers(0, 100_000))
def test_a_question_of_people_that_is_not_answered_has_another_window_or_asks_something_else(seed: int) -> None:
    example = of_people(TEXTS, random.Random(seed))
    if example and not example.answer:
        asked = example.question.lower()
        assert asked not in (FOUNDED.question.lower(), ELSEWHERE.question.lower()) or (
            "1987" not in example.window if asked == FOUNDED.question.lower() else "Jaén" not in example.window
        )


@pytest.mark.parametrize("make", [of_people, by_rule])
def test_both_kinds_are_made_in_good_number(make: object) -> None:
    chance = random.Random(0)
    found = [example for _ in range(400) if (example := make(TEXTS, chance))]  # type: ignore[operator]
    answered = sum(bool(example.answer) for example in found)
    assert len(found) > 200
    assert 0.25 < answered / len(found) < 0.75


def test_a_seed_makes_the_same_examples() -> None:
    first, second = (
        [make(TEXTS, random.Random(seed)) for seed in range(50) for make in (of_people, by_rule)] for _ in "12"
    )
    assert first == second
