"""The app in headless Chromium under watch: what the page asks for, what stands in it that could act, and a server that
attacks point to."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import ROOT
from tests.safety.obedient import SWITCH

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECONDS = 180_000  # of a page's patience, in thousandths

# Watches every element that ever stands in the page, also between two frames of an answer that is being written. It
# notes what could run, load or lead elsewhere; what the app itself loads from its own address is none of it.
SENTINEL = """
(() => {
  window.found = [];
  const own = value => {
    try {
      const url = new URL(value, location.href);
      return url.origin === location.origin || url.protocol === 'blob:' || /^data:(image|font)\\//.test(value);
    } catch { return false; }
  };
  const LINKS = ['href', 'src', 'action', 'formaction', 'data', 'poster', 'background', 'xlink:href', 'ping'];
  const look = element => {
    const tag = element.localName, note = what => window.found.push(what + ' in ' + element.outerHTML.slice(0, 200));
    if (['iframe', 'frame', 'object', 'embed', 'base', 'applet', 'portal'].includes(tag)) note('element ' + tag);
    if (tag === 'script' && !element.src && document.readyState !== 'loading') note('script');
    if (tag === 'meta' && element.httpEquiv.toLowerCase() === 'refresh') note('refresh');
    for (const {name, value} of element.attributes) {
      if (name.startsWith('on')) note('handler ' + name);
      if (name === 'srcdoc') note(name);
      if (LINKS.includes(name) && value && !own(value)) note('link ' + name);
      if (name === 'srcset' && value.split(',').some(one => !own(one.trim().split(' ')[0]))) note('link ' + name);
      if (/url\\(/i.test(name === 'style' ? value : '')) {
        for (const [, url] of value.matchAll(/url\\(\\s*["']?([^"')]*)/gi)) if (!own(url)) note('style');
      }
    }
    if (tag === 'style' && /(@import|url\\()\\s*["'(]*\\s*["']?https?:/i.test(element.textContent)) note('style');
  };
  const all = node => {
    if (node.nodeType !== 1) return;
    look(node);
    node.querySelectorAll('*').forEach(look);
  };
  new MutationObserver(records => records.forEach(record => {
    record.type === 'attributes' ? look(record.target) : record.addedNodes.forEach(all);
  })).observe(document, {subtree: true, childList: true, attributes: true});
})()
"""


class Target:
    """A server on this machine that attacks point to; `asked` are the paths that it was asked for."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()

            do_POST = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Watched:
    """A page of the app. `requested` is all that the browser asked for; `active` gathers what the sentinel found."""

    page: Page
    address: str
    home: Path
    requested: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    pwned: bool = False
    turns: int = 0  # of the conversation on the page

    def go(self, path: str) -> None:
        """Loads a page anew; the conversation begins anew with it."""
        self.gather()
        self.turns = 0
        self.page.goto(f"{self.address}/{path}")

    def obey(self, on: bool) -> None:
        """Whether the model answers that does what documents say."""
        switch = self.home / SWITCH
        switch.touch() if on else switch.unlink(missing_ok=True)

    def ask(self, question: str) -> None:
        """Asks, and waits for the whole answer."""
        self.turns += 1
        idle = "[data-testid='stApp'][data-test-script-state='notRunning']"  # else a redraw may empty the box
        self.page.locator(idle).wait_for()
        box = self.page.get_by_test_id("stChatInputTextArea")
        expect(box).to_be_enabled(timeout=SECONDS)
        box.fill(question)
        box.press("Enter")
        expect(self.page.locator(".cita-timing")).to_have_count(self.turns, timeout=SECONDS)

    def shown(self) -> str:
        return self.page.inner_text("body")

    def gather(self) -> None:
        """What the sentinel found so far, before the page is left."""
        if self.page.url.startswith("http"):
            self.active += self.page.evaluate("window.found.splice(0)")
            self.pwned = self.pwned or bool(self.page.evaluate("!!window.pwned"))

    def outside(self) -> list[str]:
        """What the browser asked for that is not the app's."""
        own = (self.address + "/", self.address.replace("http", "ws") + "/", "data:", "blob:")
        return [url for url in self.requested if not url.startswith(own)]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless, and knowing no address but this machine's."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless=new", *quiet])
        yield browser
        browser.close()


@contextmanager
def served(home: Path, port: int, target: str) -> Iterator[str]:
    """The app over the real engine of this home (tests/safety/obedient.py)."""
    command = [sys.executable, "-m", "tests.safety.obedient", str(home), str(port), target]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout
    with process:
        assert f":{port}" in process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextmanager
def watched(browser: Browser, address: str, home: Path) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    context.add_init_script(SENTINEL)
    context.set_default_timeout(SECONDS)
    visit = Watched(context.new_page(), address, home)
    context.on("request", lambda request: visit.requested.append(request.url))
    visit.page.on("websocket", lambda socket: visit.requested.append(socket.url))
    yield visit
    visit.gather()
    context.close()
