#!/usr/bin/env python3
"""report_browser.py RINGSHADE GUEST [FOLDER]: runs GUEST with --report and looks at the page in headless Chromium.

The page must load without an error and without a request, draw its charts, and answer to search, sort and the keyboard;
nothing may stick out sideways on a phone. With FOLDER, screenshots in both widths and both colour schemes go there.
Exit status 77 where there is no Chromium: skipped."""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is to be written beside the sources
from browser import Browser, check_events, check_looks, expect, find_chromium, finish, load


def cells(browser, column):
    return browser.evaluate("[...document.querySelectorAll('#blocks tr.row')].map(r => r.cells[%d].textContent)" % column)


def check_loaded(browser, path):
    load(browser, path)
    expect("state of the page", browser.evaluate("document.documentElement.dataset.state") == "ready",
           browser.evaluate("document.documentElement.dataset.state"))
    check_events(browser, path)


def check_charts(browser):
    curves = browser.evaluate("[...document.querySelectorAll('.chart path.curve')].map(p => p.getBBox().height)")
    expect("charts", len(curves) == 11, curves)
    expect("charts that show something", sum(height > 5 for height in curves) >= 3, curves)
    bars = browser.evaluate("[...document.querySelectorAll('#where rect.bar')].map(r => r.getBoundingClientRect().width)")
    expect("bars of instructions", len(bars) == 5 and max(bars) > 100, bars)
    expect("three properties", browser.evaluate("document.querySelectorAll('#properties .card').length") == 3)


def check_sort(browser):
    expect("sorted by share", browser.evaluate("document.querySelectorAll('#blocks th')[6].ariaSort") == "descending")
    head = "document.querySelectorAll('#blocks th button')[0]"
    browser.evaluate(head + ".focus()")
    browser.key("Enter", "\r")
    addresses = cells(browser, 0)
    expect("sorted by address", addresses == sorted(addresses) and len(addresses) > 5, addresses)
    browser.key("Enter", "\r")
    expect("and the other way", cells(browser, 0) == sorted(addresses, reverse=True))
    expect("told to a screen reader", browser.evaluate("document.querySelectorAll('#blocks th')[0].ariaSort") == "descending")


def check_search(browser):
    everything = len(cells(browser, 0))
    browser.evaluate("document.activeElement.blur()")
    browser.key("/", "/")
    expect("/ goes to the search", browser.evaluate("document.activeElement.id") == "search")
    browser.call("Input.insertText", text="callout out")
    shown = len(cells(browser, 0))
    expect("search finds some", 0 < shown < everything, (shown, everything))
    text = browser.evaluate("document.getElementById('found').textContent")
    expect("the count", text == "%d of %d blocks" % (shown, everything), text)
    browser.call("Input.insertText", text=" qqq")
    expect("search finds none", len(cells(browser, 0)) == 0)
    browser.key("Escape")
    expect("Escape shows all", len(cells(browser, 0)) == everything)


def check_keys(browser):
    browser.evaluate("document.querySelector('#blocks button.open').focus()")
    browser.key("Enter", "\r")
    expect("a block opens", browser.evaluate("document.querySelectorAll('#blocks tr.detail .host pre').length") > 0)
    expect("the focus stays", browser.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true")
    browser.evaluate("document.querySelector('.chart svg').focus()")
    before = browser.evaluate("document.querySelector('.chart output').textContent")
    browser.key("ArrowRight")
    after = browser.evaluate("document.querySelector('.chart output').textContent")
    expect("a chart is read by keys", before != after and ": " in after, after)
    expect("all that can be clicked has the focus", browser.evaluate(
        "[...document.querySelectorAll('button, input, summary, .chart svg')].every(e => e.tabIndex >= 0)"))


def main():
    ringshade, guest = sys.argv[1:3]
    folder = sys.argv[3] if len(sys.argv) > 3 else None
    chromium = find_chromium()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        report = os.path.join(work, "report")
        status = subprocess.run([ringshade, "run", "--kernel", guest, "--serial", "null", "--no-reboot", "--timeout", "60",
                                 "--report", report], stdin=subprocess.DEVNULL, check=False).returncode
        expect("the guest's status", status == 1, status)
        if not chromium:
            finish(chromium=False)
        browser = Browser(chromium, os.path.join(work, "profile"))
        check_loaded(browser, os.path.join(report, "index.html"))
        check_charts(browser)
        check_sort(browser)
        check_search(browser)
        check_keys(browser)
        check_looks(browser, "report", folder)
        browser.end()
    finish()


if __name__ == "__main__":
    main()
