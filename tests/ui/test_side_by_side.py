"""Two real models side by side in headless Chromium: from the page Models, by keyboard alone, kept, in little width."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.gguf_files import tiny_gguf
from tests.ui.conftest import CITA, ROOT, running_app
from tests.ui.test_browser import CHROMIUM, SECONDS, browser
from tests.ui.test_launch import free_port

__all__ = ["browser"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM ABSENT: the app was not tried in a browser")
SAMPLE = ROOT / "data" / "samples" / "home" / "rental-contract.pdf"
TINY = ROOT / "tests" / "data" / "tiny.gguf"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app over a home with one document, two models and a profile of one of them."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    (home / "library").mkdir()
    shutil.copy(SAMPLE, home / "library")
    profile = '[profiles.deep]\nmodel = "tiny-reader"\nk = 3\n'
    (home / "cita.toml").write_text(f"[watch]\napp = false\n{profile}", encoding="utf-8")
    parrot = tiny_gguf(home / "parrot.gguf", name="parrot")
    for command in (["index"], ["models", "add", TINY], ["models", "add", parrot]):
        subprocess.run([CITA, "--home", home, *command], cwd=ROOT, check=True, capture_output=True)
    with running_app(home, port) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    yield context.new_page()
    context.close()


def choose(page: Page, side: str, name: str) -> None:
    """By keyboard: typed into the box, then Enter."""
    box = page.locator(f".st-key-compare-{side} input")
    box.focus()
    box.press_sequentially(name)
    box.press("Enter")


def test_two_models_are_compared_by_keyboard_and_the_record_keeps_them(page: Page, address: str) -> None:
    page.goto(f"{address}/models")
    page.get_by_role("button", name="Compare two side by side").click(timeout=SECONDS)
    question = page.locator(".st-key-compare-question input")
    expect(question).to_be_visible(timeout=SECONDS)
    choose(page, "left", "parrot")
    choose(page, "right", "deep")
    question.fill("How much is the deposit for the flat?")
    question.press("Enter")
    second = page.locator("[class*='st-key-side-1-']")
    expect(second.locator(".cita-table")).to_contain_text("tokens a second", timeout=SECONDS)
    first = page.locator("[class*='st-key-side-0-']")
    expect(first).to_contain_text("parrot")
    expect(first.locator(".cita-table")).to_contain_text("tokens a second")
    expect(second).to_contain_text("k 3")

    better = page.locator(".st-key-better-1 button")
    better.focus()
    better.press("Enter")
    expect(page.locator("[class*='st-key-side-1-better']")).to_be_visible(timeout=SECONDS)
    page.reload()  # what is kept is kept with the home
    picked = page.locator(".st-key-compare-look input")
    expect(picked).to_be_visible(timeout=SECONDS)
    picked.focus()
    picked.press_sequentially("deposit")
    picked.press("Enter")
    page.locator(".st-key-compare-show button").click()
    expect(page.locator("[class*='st-key-side-1-better']")).to_contain_text("reader", timeout=SECONDS)


def test_on_a_narrow_screen_the_answers_stand_below_each_other_and_nothing_is_cut(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/compare")
    question = page.locator(".st-key-compare-question input")
    expect(question).to_be_visible(timeout=SECONDS)
    question.fill("How much is the deposit for the flat?")
    question.press("Enter")
    sides = page.locator("[class*='st-key-side-']")
    expect(sides).to_have_count(2, timeout=SECONDS)
    expect(page.locator(".st-key-compare-look")).to_be_visible(timeout=SECONDS)
    one, other = (box for place in sides.all() if (box := place.bounding_box()))
    assert other["y"] > one["y"] + one["height"] - 1
    assert max(one["width"], other["width"]) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
