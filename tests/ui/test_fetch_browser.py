"""Fetching a model in headless Chromium, over the real engine, from a hub on loopback: stop, go on, switch to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.gguf_files import tiny_gguf
from tests.hub_server import HubServer
from tests.ui.conftest import ROOT
from tests.ui.test_browser import CHROMIUM, SECONDS, browser
from tests.ui.test_launch import free_port

__all__ = ["browser"]  # the fixture
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM ABSENT: the app was not tried in a browser")


def test_a_model_is_fetched_stopped_gone_on_with_and_used(tmp_path: Path, browser: Browser) -> None:
    made = tiny_gguf(tmp_path / "made.gguf", name="Tiny Chat")
    content, port = made.read_bytes(), free_port()
    with HubServer({"fetched.gguf": content}, pause=0.15) as server:
        command = [sys.executable, "-m", "tests.ui.serve_catalogue", tmp_path / "home", str(port), made]
        environment = {**os.environ, "HF_ENDPOINT": server.url}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        with process:
            try:
                assert f":{port}" in process.stdout.readline()
                page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
                page.goto(f"http://127.0.0.1:{port}/models")
                page.get_by_role("button", name="Show what suits").click(timeout=SECONDS)
                go = page.get_by_role("button", name="Go online and fetch")
                expect(go).to_be_visible(timeout=SECONDS)
                assert server.asked == []
                go.click()
                expect(page.get_by_test_id("stProgress")).to_be_visible(timeout=SECONDS)
                page.get_by_role("button", name="Stop", exact=True).click()
                page.get_by_role("button", name="Go online and fetch the rest").click(timeout=SECONDS)
                expect(page.get_by_text("tiny-chat was added.")).to_be_visible(timeout=SECONDS)
                page.locator(".st-key-use-tiny-chat").get_by_role("button", name="Use", exact=True).click()
                expect(page.get_by_text("Answers by tiny-chat")).to_be_visible(timeout=SECONDS)
                page.close()
            finally:
                process.terminate()
    assert (tmp_path / "home" / "models" / "fetched.gguf").read_bytes() == content
    ranges = [asked.headers.get("Range", "") for asked in server.asked_elsewhere]
    assert ranges[0] == ""
    assert all(ranges[1:])
