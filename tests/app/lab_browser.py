#!/usr/bin/env python3
"""lab_browser.py RINGSHADE [FOLDER]: looks at the page of `ringshade lab --html` in headless Chromium.

It must load without an error and without a request, open its details by keyboard, become cards on a phone with nothing
sticking out sideways, and follow the reader's dark mode. With FOLDER, screenshots go there. Exit status 77 where there
is no Chromium: skipped."""
import base64
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is to be written beside the sources
import report_browser
from report_browser import WIDTHS, Browser, expect


def check_loaded(browser, path):
    browser.events.clear()
    browser.call("Page.navigate", url="file://" + path)
    browser.wait("Page.loadEventFired")
    expect("rows", browser.evaluate("document.querySelectorAll('tbody tr').length") == 3)
    for event in browser.events:
        expect("no error", event["method"] not in ("Runtime.exceptionThrown", "Log.entryAdded"), event)
        if event["method"] == "Network.requestWillBeSent":
            expect("no request", event["params"]["request"]["url"] == "file://" + path, event["params"]["request"]["url"])


def check_keys(browser):
    browser.key("Tab")
    expect("Tab first reaches the way to the results", browser.evaluate("document.activeElement.className") == "skip")
    browser.key("Tab")
    expect("then the first program", browser.evaluate("document.activeElement.textContent") == "sgdt")
    browser.key("Enter", "\r")
    expect("which Enter opens", browser.evaluate("document.querySelector('details').open"))
    expect("and the focus can be seen",
           browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid")


def check_looks(browser, folder):
    for device, (width, height, mobile) in WIDTHS.items():
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        wide = browser.evaluate("document.documentElement.scrollWidth")
        expect("%s: nothing sticks out" % device, wide <= width, wide)
        display = browser.evaluate("getComputedStyle(document.querySelector('tbody tr')).display")
        expect("%s: rows" % device, display == ("block" if mobile else "table-row"), display)
        grounds = []
        for scheme in ("light", "dark"):
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            grounds.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            if folder:
                shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
                with open(os.path.join(folder, "lab-%s-%s.png" % (device, scheme)), "wb") as out:
                    out.write(base64.b64decode(shot["data"]))
        expect("dark is another colour", grounds[0] != grounds[1], grounds)


def main():
    ringshade = sys.argv[1]
    chromium = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if not chromium:
        print("skipped: no Chromium (Debian's package chromium)")
        sys.exit(77)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        path = os.path.join(work, "lab.html")
        status = subprocess.run([ringshade, "lab", "--html", path, "popf", "sgdt", "push-cs"], check=False).returncode
        expect("the status", status == 0, status)
        browser = Browser(chromium, os.path.join(work, "profile"))
        check_loaded(browser, path)
        check_keys(browser)
        check_looks(browser, sys.argv[2] if len(sys.argv) > 2 else None)
        browser.end()
    print("%d failures" % report_browser.failures)
    sys.exit(1 if report_browser.failures else 0)


main()
