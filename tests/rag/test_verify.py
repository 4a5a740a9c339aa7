"""Verification: a changed number, name or negation is not carried; what the passage says is."""

from dataclasses import replace

import pytest

from rag.verify import supports
from tests.fakes import LEASE

PASSAGE = replace(LEASE, text="The tenant may not keep dogs. The fee is 45 euros, due on 3 March 2026.")


@pytest.mark.parametrize(
    ("claim", "quote", "carried"),
    [
        ("The tenant may not keep dogs.", "The tenant may not keep dogs.", True),
        ("Tenants cannot keep a dog.", "The tenant may not keep dogs.", True),
        ("The tenant may keep dogs.", "The tenant may not keep dogs.", False),
        ("The fee is forty-five euros.", "The fee is 45 euros, due on 3 March 2026.", True),
        ("The fee is 54 euros.", "The fee is 45 euros, due on 3 March 2026.", False),
        ("The fee is due on 4 March 2026.", "The fee is 45 euros, due on 3 March 2026.", False),
        ("The landlord lives in Lisbon with two cats.", "The tenant may not keep dogs.", False),
    ],
)
def test_a_claim_is_carried_by_its_quote_or_not(claim: str, quote: str, carried: bool) -> None:
    assert supports(quote, claim, PASSAGE) is carried


def test_white_space_and_ligatures_do_not_make_a_quote_another() -> None:
    assert supports("The ﬁne  is\nhigh.", "The fine is high", PASSAGE)
