"""The whole way in headless Chromium, over the real engine: drop a PDF, ask, open the citation.

CITA_UPDATE_SCREENSHOT=1 pytest tests/ui/test_browser.py      also takes the picture that the README shows
"""

import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.ui.conftest import ROOT, running_app
from tests.ui.test_launch import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SAMPLES = ROOT / "data" / "samples"
DROPPED = SAMPLES / "home" / "rental-contract.pdf"
PICTURE = ROOT / "docs" / "images" / "ask.png"
UPDATE_PICTURE = bool(os.environ.get("CITA_UPDATE_SCREENSHOT"))  # read before the tests clean their environment
SECONDS = 180_000
HOSTILE = (
    "The harbour fee is 71 euros. <img src=x onerror=window.pwned=1><script>window.pwned=1</script> "
    "![x](http://evil.example/x.png) [x](http://evil.example/y) http://evil.example/z"
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM ABSENT: the app was not tried in a browser")


@dataclass
class Visit:
    """A page, and everything that the browser asked for while it was open."""

    page: Page
    address: str
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.address}/{path}")

    def ask(self, question: str) -> None:
        box = self.page.get_by_test_id("stChatInputTextArea")
        expect(box).to_be_enabled(timeout=SECONDS)
        box.fill(question)
        box.press("Enter")

    def outside(self) -> list[str]:
        own = (self.address + "/", self.address.replace("http", "ws") + "/", "data:", "blob:")
        return [url for url in self.requested if not url.startswith(own)]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home, port = tmp_path_factory.mktemp("home"), free_port()
    library = home / "library"
    shutil.copytree(SAMPLES, library, ignore=shutil.ignore_patterns(DROPPED.name))
    (library / "<img src=x onerror=window.pwned=1>.txt").write_text(HOSTILE, encoding="utf-8")
    with running_app(home, port) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless=new", *quiet])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, device_scale_factor=1.5, locale="en-US")
    visit = Visit(context.new_page(), address)
    context.on("request", lambda request: visit.requested.append(request.url))
    visit.page.on("websocket", lambda socket: visit.requested.append(socket.url))
    visit.page.on("console", lambda message: visit.complaints.append(message.text))
    yield visit
    context.close()


def coloured(png: bytes) -> int:
    """How many pixels are clearly neither black, grey nor white."""
    with Image.open(io.BytesIO(png)) as image:
        saturation = image.convert("HSV").getchannel("S").histogram()
    return sum(saturation[80:])


def test_a_dropped_pdf_is_asked_about_and_the_citation_opens_its_page(visit: Visit) -> None:
    page = visit.page
    visit.go("library")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(DROPPED, timeout=SECONDS)
    expect(page.get_by_text("1 document added to your library.")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text("Index up to date")).to_be_visible(timeout=SECONDS)

    visit.go("")
    visit.ask("¿Cuál es la franquicia por daños por agua?")
    expect(page.locator("[class*='st-key-cite-0-1']")).to_contain_text("poliza-hogar.pdf", timeout=SECONDS)
    visit.ask("How much is the deposit for the flat?")
    card = page.locator("[class*='st-key-cite-1-1']")
    expect(card).to_contain_text("rental-contract.pdf", timeout=SECONDS)
    expect(card).to_contain_text("page 2")
    expect(card).to_contain_text("1,880 euros")

    card.get_by_role("button").click()
    reader = page.locator(".st-key-reader")
    expect(reader.locator("mark")).to_contain_text("1,880 euros", timeout=SECONDS)
    picture = reader.locator("img")
    expect(picture).to_be_visible(timeout=SECONDS)
    page.wait_for_function("document.querySelector('.st-key-reader img').naturalWidth > 500")
    assert coloured(picture.screenshot()) > 500, "The quote is not highlighted on the page."
    if UPDATE_PICTURE:
        page.mouse.move(720, 5)
        page.wait_for_timeout(1000)
        page.screenshot(path=PICTURE)
    assert visit.outside() == []


def test_hostile_documents_are_shown_and_neither_run_nor_load_anything(visit: Visit) -> None:
    page = visit.page
    visit.go("library")
    index = page.get_by_role("button", name="Index now")
    index.click(timeout=SECONDS)
    visit.go("")  # where the box opens as soon as something is indexed
    visit.ask("How much is the harbour fee?")
    expect(page.locator(".cita-source").first).to_contain_text("<img src=x onerror=window.pwned=1>", timeout=SECONDS)
    page.locator("[class*='st-key-cite-0-1'], [class*='st-key-cite-0-hit-1']").get_by_role("button").first.click()
    expect(page.locator(".cita-passage")).to_contain_text("![x](http://evil.example/x.png)", timeout=SECONDS)
    assert page.evaluate("window.pwned") is None
    assert visit.outside() == []


def test_a_conversation_is_kept_listed_and_opened_again(visit: Visit) -> None:
    page = visit.page
    visit.go("library")
    page.get_by_role("button", name="Index now").click(timeout=SECONDS)
    expect(page.get_by_text("Index up to date")).to_be_visible(timeout=SECONDS)
    visit.go("")
    visit.ask("¿Cuál es la franquicia por daños por agua?")
    expect(page.locator(".st-key-rating-0")).to_be_visible(timeout=SECONDS)
    visit.page.set_viewport_size({"width": 1280, "height": 500})
    visit.ask("¿Qué cubre el seguro?")
    expect(page.locator(".st-key-rating-1")).to_be_in_viewport(timeout=SECONDS)  # the page follows what is written
    page.locator(".st-key-rating-0 button").first.click()
    expect(page.get_by_role("button", name="Keep as an example")).to_be_visible(timeout=SECONDS)
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".cita-question")).to_have_count(0, timeout=SECONDS)
    page.locator(".st-key-talks").get_by_text("¿Cuál es la franquicia").first.click()
    expect(page.locator("[class*='st-key-cite-0-1']")).to_contain_text("poliza-hogar.pdf", timeout=SECONDS)
    page.reload()  # the address has its name
    expect(page.locator("[class*='st-key-cite-0-1']")).to_contain_text("poliza-hogar.pdf", timeout=SECONDS)
    page.locator("[class*='st-key-talk-'][class*='-open'] [data-testid='stPopover'] button").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Markdown").click()
    assert "[^1-1]: home/poliza-hogar.pdf, page 2" in download.value.path().read_text(encoding="utf-8")
    assert visit.outside() == []


def test_an_evaluation_is_drawn_with_its_plots(visit: Visit) -> None:
    """The plots' library would like to compile text to code, which the policy forbids."""
    page = visit.page
    visit.go("evaluate")
    page.get_by_text("The samples' questions").click(timeout=SECONDS)
    page.get_by_role("button", name="Ask 97 questions").click(timeout=SECONDS)
    plots = page.get_by_test_id("stVegaLiteChart").locator("canvas, svg")
    expect(plots).to_have_count(2, timeout=SECONDS)
    page.wait_for_timeout(1000)
    assert all(coloured(plot.screenshot()) > 100 for plot in plots.all()), "A plot is empty."
    assert not [text for text in visit.complaints if "Content Security Policy" in text or "Error" in text]
    assert visit.outside() == []


def test_the_page_keeps_to_its_own_policy(visit: Visit) -> None:
    """A component that needed more than the policy allows would be broken without a word in the tests above."""
    for path in ("", "library", "tasks", "evaluate", "compare", "models", "settings"):
        visit.go(path)
        expect(visit.page.locator(".cita-heading").first).to_be_visible(timeout=SECONDS)
    assert not [text for text in visit.complaints if "Content Security Policy" in text]
