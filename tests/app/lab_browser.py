#!/usr/bin/env python3
"""lab_browser.py RINGSHADE [FOLDER]: looks at the page of `ringshade lab --html` in headless Chromium.

It must load without an error and without a request, open its details by keyboard, become cards on a phone with nothing
sticking out sideways, and follow the reader's dark mode. With FOLDER, screenshots go there. Exit status 77 where there
is no Chromium: skipped."""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is to be written beside the sources
from browser import Browser, check_events, check_looks, expect, find_chromium, finish, load


def check_loaded(browser, path):
    load(browser, path)
    expect("rows", browser.evaluate("document.querySelectorAll('tbody tr').length") == 3)
    check_events(browser, path)


def check_keys(browser):
    browser.key("Tab")
    expect("Tab first reaches the way to the results", browser.evaluate("document.activeElement.className") == "skip")
    browser.key("Tab")
    expect("then the first program", browser.evaluate("document.activeElement.textContent") == "sgdt")
    browser.key("Enter", "\r")
    expect("which Enter opens", browser.evaluate("document.querySelector('details').open"))
    expect("and the focus can be seen",
           browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid")


def check_rows(browser, device, mobile):
    display = browser.evaluate("getComputedStyle(document.querySelector('tbody tr')).display")
    expect("%s: rows" % device, display == ("block" if mobile else "table-row"), display)


def main():
    ringshade = sys.argv[1]
    chromium = find_chromium()
    if not chromium:
        finish(chromium=False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        path = os.path.join(work, "lab.html")
        status = subprocess.run([ringshade, "lab", "--html", path, "popf", "sgdt", "push-cs"], check=False).returncode
        expect("the status", status == 0, status)
        browser = Browser(chromium, os.path.join(work, "profile"))
        check_loaded(browser, path)
        check_keys(browser)
        check_looks(browser, "lab", sys.argv[2] if len(sys.argv) > 2 else None,
                    lambda device, mobile: check_rows(browser, device, mobile))
        browser.end()
    finish()


main()
