"""A claim that denies what the evidence says, or says what it denies, is told; agreement in negation is not."""

import pytest

from rag.negation import denies, reverses


def denied(claim: str, evidence: str, language: str = "en") -> bool:
    return denies(claim, evidence, language, language) > 0.5


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The tenant may keep dogs.", "The tenant may not keep dogs."),
        ("The tenant may not keep dogs.", "The tenant may keep dogs."),
        ("The fee wasn't paid.", "The fee was paid in March."),
        ("He never signed the lease.", "He signed the lease."),
    ],
)
def test_a_denial_is_told(claim: str, evidence: str) -> None:
    assert denied(claim, evidence)


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("Tenants cannot keep a dog.", "The tenant may not keep dogs."),
        ("The tenant may keep cats.", "The tenant may keep cats, but may not keep dogs."),
        ("It was not only sold.", "It was sold."),
        ("Annex no. 5 was sold.", "Annex 5 was sold."),
        ("Dogs are not allowed.", "Dogs are forbidden."),
        ("He tried to pay the fee.", "He tried to pay the fee, but failed."),
    ],
)
def test_agreement_is_no_denial(claim: str, evidence: str) -> None:
    assert not denied(claim, evidence)


def test_spanish_denials_too() -> None:
    assert denied("El inquilino puede tener perros.", "El inquilino no puede tener perros.", "es")
    assert not denied("El inquilino nunca puede tener perros.", "El inquilino no puede tener perros.", "es")


def test_an_opposite_word_is_told() -> None:
    assert reverses("Sales increase in May.", "Sales decrease in May.") == "increase"
    assert reverses("Las ventas suben: lo mejor.", "Las ventas suben: lo peor.") == "mejor"
    assert reverses("Sales increase in May.", "Sales increase and then decrease in May.") == ""
    assert reverses("Dogs are not allowed.", "Dogs are forbidden.") == ""
