"""A page of the course as blocks and prose, and the rules for its form: every command is run, every link leads somewhere."""
import os
import re
import shlex

FENCES = ("console", "text", "c", "asm")
COMMAND = r"\s*(\$ |ringshade |cc |gcc |qemu-system|tools/|bench/|cmake |ninja )"


class Wrong(Exception):
    """Something is wrong with a page; the text says where and what."""


class Block:
    """A fenced block: its word, the line of its fence, the marks of the comment before it, its lines."""

    def __init__(self, word, line, varies, not_run):
        self.word, self.line, self.varies, self.not_run = word, line, varies, not_run
        self.lines = []

    def commands(self):
        """(line number, command, shown lines) of each command of a session."""
        found = []
        for number, line in enumerate(self.lines, self.line + 1):
            if line.startswith("$ "):
                found.append((number, line[2:], []))
            elif not found:
                raise Wrong(f"line {number}: a session begins with a command")
            elif line.startswith("> ") and not found[-1][2]:
                found[-1] = (found[-1][0], found[-1][1] + "\n" + line[2:], [])
            else:
                found[-1][2].append(line)
        return found


def read(path):
    """The blocks of a page, and its other lines, numbered as in the file: lines of blocks are empty there."""
    with open(path, encoding="utf-8") as page:
        text = page.read().split("\n")
    blocks, prose, block, varies, not_run = [], [], None, [], None
    for number, line in enumerate(text, 1):
        fence = re.match(r"```(.*)$", line)
        mark = re.fullmatch(r"<!-- (varies|not run): (.*) -->", line)
        prose.append("" if block or fence else line)
        if block and fence:
            blocks.append(block)
            block, varies, not_run = None, [], None
        elif block:
            block.lines.append(line)
        elif fence:
            if fence[1] not in FENCES:
                raise Wrong(f"line {number}: a fence with none of the words {', '.join(FENCES)}")
            block = Block(fence[1], number, varies, not_run)
        elif mark and mark[1] == "varies":
            varies += shlex.split(mark[2])
        elif mark:
            not_run = mark[2]
        elif line and (varies or not_run):
            raise Wrong(f"line {number}: a mark that no session follows")
    if block:
        raise Wrong(f"line {block.line}: the fence has no end")
    return blocks, prose


def anchors(path):
    """The anchors of a page's headings, as code hosts make them."""
    with open(path, encoding="utf-8") as page:
        headings = re.findall(r"^#+ +(.*)$", page.read(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_link(page, target):
    path, _, anchor = target.partition("#")
    path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
    if not os.path.exists(path):
        raise Wrong(f"link to {target}: no such file")
    if anchor and (not path.endswith(".md") or anchor not in anchors(path)):
        raise Wrong(f"link to {target}: no such heading")


def check_form(page, blocks, prose):
    """Raises Wrong where a command would not be run, or a link leads nowhere."""
    for block in blocks:
        if block.not_run and os.path.basename(page) != "README.md":
            raise Wrong(f"line {block.line}: a unit has a session that is not run")
        if block.word == "console" and not block.commands():
            raise Wrong(f"line {block.line}: an empty session")
        for number, line in enumerate(block.lines, block.line + 1):
            if block.word != "console" and re.match(COMMAND, line):
                raise Wrong(f"line {number}: a command in a block that is not run")
    for number, line in enumerate(prose, 1):
        if re.match(r"( {4}|\t)", line) and not prose[number - 2].strip():
            raise Wrong(f"line {number}: a code block by indentation, which nobody runs")
    text = "\n".join(prose)
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: +(\S+)", text, re.M):
        if not re.match(r"[a-z]+:", target):
            check_link(page, target)
