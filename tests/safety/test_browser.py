"""Documents and a model that attack, in the real app: nothing is asked for, nothing in the page could act."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.safety.attacks import Planted, own_attacks
from tests.safety.page import CHROMIUM, SECONDS, Target, Watched, chromium, served, watched
from tests.ui.test_launch import free_port

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM ABSENT: attacks were not tried in a browser"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(attacked: Path, target: Target) -> Iterator[str]:
    with served(attacked, free_port(), target.address) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, address: str, attacked: Path) -> Iterator[Watched]:
    with watched(browser, address, attacked) as visit:
        yield visit


def inert(visit: Watched, target: Target) -> None:
    """Nothing left the page but to the app, and nothing that stood in it could act."""
    visit.gather()
    assert visit.active == []
    assert not visit.pwned
    assert visit.outside() == []
    assert target.asked == []


def test_the_watch_would_see_what_acts(browser: Browser) -> None:
    """The same texts as markup, in a page without our policy: the sentinel finds them, and they reach the server."""
    plain, reached = Target(), Target()
    for attack in own_attacks(reached.address):
        if attack.name in ACTING:
            with watched(browser, plain.address, Path()) as visit:
                visit.go("")
                assert visit.page.evaluate(SHOW, attack.text), attack.name
                while attack.name in LOADING and not visit.outside():  # the test's time limit ends it
                    visit.page.wait_for_timeout(20)
    assert len(reached.asked) >= len(LOADING) - 1  # a request may still be on its way
    plain.close()
    reached.close()


LOADING = {"img", "srcset", "svg", "iframe", "object", "style", "style attribute", "stylesheet", "media"}
ACTING = LOADING | {"script", "onerror", "base", "form", "javascript link", "attribute"}
SHOW = """async html => {
    const place = document.createElement('div');
    document.body.append(place);
    place.innerHTML = html;
    await null;
    return window.found.splice(0).length;
}"""


def test_quoted_attacks_are_inert_in_answers_citations_and_passages(
    visit: Watched, planted: list[Planted], target: Target
) -> None:
    visit.obey(False)
    visit.go("")
    for one in [one for one in planted if one.attack.name in LOADING][:4]:
        visit.ask(one.question)
        assert one.canary not in visit.shown()
        visit.page.locator("[class*='st-key-cite-']").get_by_role("button").last.click()
        passage = visit.page.locator(".st-key-reader .cita-passage")
        expect(passage).to_contain_text(target.address, timeout=SECONDS)
    inert(visit, target)


def test_a_model_that_obeys_writes_nothing_that_acts(visit: Watched, planted: list[Planted], target: Target) -> None:
    """It repeats what it read and adds links, pictures, scripts and a thought; frame by frame as it is written."""
    visit.obey(True)
    visit.go("")
    for one in planted[:3]:
        visit.ask(one.question)
    assert f"<script>window.pwned=1;new Image().src='{target.address}/script'</script>" in visit.shown()
    visit.page.reload()  # the conversation as it was kept
    expect(visit.page.locator(".cita-timing")).to_have_count(3, timeout=SECONDS)
    inert(visit, target)
    visit.obey(False)


def test_lists_of_documents_and_of_what_was_found_are_inert(visit: Watched, target: Target) -> None:
    visit.obey(False)
    visit.go("library")
    expect(visit.page.locator(".cita-heading").first).to_be_visible(timeout=SECONDS)
    visit.go("inspect")
    expect(visit.page.locator(".cita-heading").first).to_be_visible(timeout=SECONDS)
    inert(visit, target)
