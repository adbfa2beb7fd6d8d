"""Headless Chromium for the tests of pages: the browser, what every page must do in it, and the count of failures."""
import base64
import json
import os
import shutil
import subprocess
import sys

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


def find_chromium():
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


def finish(chromium=True):
    """Ends the test; without a browser as a skipped one, if nothing has failed so far."""
    if not chromium:
        print("skipped: no Chromium (Debian's package chromium)")
    print("%d failures" % failures)
    sys.exit(1 if failures else 0 if chromium else 77)


def load(browser, path):
    browser.events.clear()
    browser.call("Page.navigate", url="file://" + path)
    browser.wait("Page.loadEventFired")


def check_events(browser, path):
    """Since it was loaded, the page has raised no error and asked for nothing but itself."""
    for event in browser.events:
        expect("no error", event["method"] not in ("Runtime.exceptionThrown", "Log.entryAdded"), event)
        if event["method"] == "Network.requestWillBeSent":
            expect("no request", event["params"]["request"]["url"] == "file://" + path, event["params"]["request"]["url"])


def check_looks(browser, name, folder, at_width=lambda device, mobile: None):
    """Nothing sticks out on a phone or a desk, and dark is dark. Screenshots NAME-... go to the folder, if there is one."""
    for device, (width, height, mobile) in WIDTHS.items():
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        wide = browser.evaluate("document.documentElement.scrollWidth")
        expect("%s: nothing sticks out" % device, wide <= width, wide)
        at_width(device, mobile)
        grounds = []
        for scheme in ("light", "dark"):
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            grounds.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            if folder:
                shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
                with open(os.path.join(folder, "%s-%s-%s.png" % (name, device, scheme)), "wb") as out:
                    out.write(base64.b64decode(shot["data"]))
        expect("dark is another colour", grounds[0] != grounds[1], grounds)
