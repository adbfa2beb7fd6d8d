#!/usr/bin/env python3
"""report_browser.py RINGSHADE GUEST [FOLDER]: runs GUEST with --report and looks at the page in headless Chromium.

The page must load without an error and without a request, draw its charts, and answer to search, sort and the keyboard;
nothing may stick out sideways on a phone. With FOLDER, screenshots in both widths and both colour schemes go there.
Exit status 77 where there is no Chromium: skipped."""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

SECONDS = 60  # for the whole browser
WIDTHS = {"phone": (390, 844, True), "desktop": (1280, 900, False)}


class Browser:
    """Chromium, spoken to through its debugging pipe: JSON messages, each with a NUL behind it."""

    def __init__(self, program, profile):
        to_read, self.to = os.pipe()
        self.come, from_write = os.pipe()

        def pipes():  # Chromium wants them as 3 and 4
            spare = os.dup(to_read), os.dup(from_write)
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-extensions",
                   "--disable-sync", "--remote-debugging-pipe", "--user-data-dir=" + profile, "about:blank"]
        self.process = subprocess.Popen(["timeout", str(SECONDS), program] + options, preexec_fn=pipes, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.rest, self.count, self.session, self.events = b"", 0, None, []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.rest:
            more = os.read(self.come, 1 << 16)
            if not more:
                raise SystemExit("the browser went away, or %d seconds have passed" % SECONDS)
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise SystemExit("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.receive())

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit("%s: %s" % (expression, result["exceptionDetails"]["text"]))
        return result["result"].get("value")

    def key(self, key, text=None):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **({"text": text} if text else {}))

    def end(self):
        self.process.kill()
        self.process.wait()


failures = 0


def expect(what, good, seen=None):
    global failures
    if not good:
        failures += 1
        print("FAIL: %s%s" % (what, "" if seen is None else ": %r" % (seen,)))


def cells(browser, column):
    return browser.evaluate("[...document.querySelectorAll('#blocks tr.row')].map(r => r.cells[%d].textContent)" % column)


def check_loaded(browser, path):
    browser.events.clear()
    browser.call("Page.navigate", url="file://" + path)
    browser.wait("Page.loadEventFired")
    expect("state of the page", browser.evaluate("document.documentElement.dataset.state") == "ready",
           browser.evaluate("document.documentElement.dataset.state"))
    for event in browser.events:
        expect("no error", event["method"] not in ("Runtime.exceptionThrown", "Log.entryAdded"), event)
        if event["method"] == "Network.requestWillBeSent":
            expect("no request", event["params"]["request"]["url"] == "file://" + path, event["params"]["request"]["url"])


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


def check_looks(browser, folder):
    for device, (width, height, mobile) in WIDTHS.items():
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        wide = browser.evaluate("document.documentElement.scrollWidth")
        expect("%s: nothing sticks out" % device, wide <= width, wide)
        grounds = []
        for scheme in ("light", "dark"):
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            grounds.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            if folder:
                shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
                with open(os.path.join(folder, "report-%s-%s.png" % (device, scheme)), "wb") as out:
                    out.write(base64.b64decode(shot["data"]))
        expect("dark is another colour", grounds[0] != grounds[1], grounds)


def main():
    ringshade, guest = sys.argv[1:3]
    folder = sys.argv[3] if len(sys.argv) > 3 else None
    chromium = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        report = os.path.join(work, "report")
        status = subprocess.run([ringshade, "run", "--kernel", guest, "--serial", "null", "--no-reboot", "--timeout", "60",
                                 "--report", report], stdin=subprocess.DEVNULL, check=False).returncode
        expect("the guest's status", status == 1, status)
        if not chromium:
            print("skipped: no Chromium (Debian's package chromium)")
            sys.exit(1 if failures else 77)
        browser = Browser(chromium, os.path.join(work, "profile"))
        check_loaded(browser, os.path.join(report, "index.html"))
        check_charts(browser)
        check_sort(browser)
        check_search(browser)
        check_keys(browser)
        check_looks(browser, folder)
        browser.end()
    print("%d failures" % failures)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
