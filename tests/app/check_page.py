#!/usr/bin/env python3
"""check_page.py PAGE ROWS: a page of `ringshade lab` is well-formed, stands alone and can be read by all."""
import sys
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr"}
failures = []


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.rows, self.tags, self.style = [], set(), [], 0, set(), ""

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attrs:
            if attrs["id"] in self.ids:
                failures.append(f"two elements are #{attrs['id']}")
            self.ids.add(attrs["id"])
        if tag == "tr" and "id" in attrs:
            self.rows += 1
        if tag == "a":
            self.links.append(attrs["href"])
        for name, value in attrs.items():
            if name in ("src", "action", "data", "srcset") or name.startswith("on"):
                failures.append(f"<{tag} {name}={value}>: the page must stand alone")
        if tag == "td" and not attrs.get("data-label"):
            failures.append("a cell has no label for narrow screens")
        if tag == "th" and "scope" not in attrs:
            failures.append("a heading has no scope")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            failures.append(f"</{tag}> out of place")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data


page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
page.close()
if page.open:
    failures.append(f"never closed: {page.open}")
if page.rows != int(sys.argv[2]):
    failures.append(f"{page.rows} rows")
for link in page.links:
    if not link.startswith("#") or link[1:] not in page.ids:
        failures.append(f"a link leads to {link}")
for wanted in ("prefers-color-scheme:dark", "max-width", ":focus-visible"):
    if wanted not in page.style:
        failures.append(f"no {wanted} in the style")
if "url(" in page.style or "@import" in page.style or "script" in page.tags:
    failures.append("the style or a script may fetch something")
for failure in failures:
    print(failure)
sys.exit(bool(failures))
