#!/usr/bin/env python3
"""Runs the commands of a page of docs/course/ and compares what they print with what the page shows.

    check_course.py [--print|--update] SOURCE BUILD PAGE

SOURCE is the project's folder and BUILD the one that it is built in; --print shows what each command gave, --update writes it
into the page where the page shows something else, or only a `...`. A page is ordinary Markdown. A fenced block with the word `console` is a session: lines that begin with `$ ` are commands, lines that begin with
`> ` go on with one, all others are what it prints, standard output and standard error together. The number of blanks makes no difference. A line
`...` stands for one or more lines that the page leaves out. An HTML comment before a block, which readers do not see, says
what varies from run to run or from host to host:

    <!-- varies: 7f ffff800002405000 leaks|wrong ~0.34 -->

* a word: anything without blanks may stand in its place;
* a text in quotation marks: anything may stand in its place;
* words joined by `|`: the page shows one of them, and any of them may stand there;
* `~` and a number: any number from half to twice of it may stand there;
* `numbers`: any number may stand where the page shows one.

What a mark names must be shown, so that no mark outlives its text. All commands run, in order, in one folder that is empty at
first, each in a shell of its own, with SOURCE and BUILD set and BUILD in the PATH as the course's README.md has it. Other
fences (`text`, `c`, `asm`) hold no commands. `<!-- not run: REASON -->` before a session is for README.md only, for
the build that this test is a part of.
"""
import os
import subprocess
import sys
import tempfile

import compare
import page

SECONDS = 30  # for one command


def run(command, folder, environment):
    """(what a command printed, as lines; what is wrong with how it ended, or None)."""
    try:
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [], f"has not ended after {SECONDS} s"
    printed = done.stdout.decode("utf-8", "replace").replace("\r", "").split("\n")
    while printed and not printed[-1].strip():
        printed.pop()
    return printed, None if 0 <= done.returncode < 126 else f"exit status {done.returncode}"


def check_session(block, folder, environment, show, stale):
    """What is wrong with a session. Adds (line of the command, lines shown, lines printed) to `stale` for what differs."""
    failures, used = [], set()
    for line, command, shown in block.commands():
        printed, wrong = run(command, folder, environment)
        while shown and not shown[-1].strip():
            shown.pop()
        if show:
            print("\n".join(["$ " + command] + printed))
        if not wrong:
            differs = compare.difference(shown, printed, block.varies, used)
            if differs is not None:
                wrong = f"does not print: {differs}"
        if wrong or shown == ["..."]:
            stale.append((line + command.count("\n"), len(shown), printed))
        if wrong:
            failures.append(f"line {line}: {command}\n  {wrong}\n  it printed:\n" +
                            "\n".join("  | " + text for text in printed[:60]))
    for mark in block.varies:
        if mark not in used:
            failures.append(f"line {block.line}: '{mark}' is said to vary and is not shown")
    return failures


def update_page(path, stale):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for at, count, printed in reversed(stale):
        lines[at:at + count] = printed
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def check_page(path, source, build, option=None):
    """What is wrong with a page, as texts, and the number of commands that ran."""
    try:
        blocks, prose = page.read(path)
        page.check_form(path, blocks, prose)
    except page.Wrong as wrong:
        return [str(wrong)], 0
    environment = dict(os.environ, SOURCE=source, BUILD=build, PATH=f"{build}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
    failures, stale, count = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        for block in blocks:
            if block.word == "console" and not block.not_run:
                failures += check_session(block, folder, environment, option == "--print", stale)
                count += len(block.commands())
    if option == "--update":
        update_page(path, stale)
    return failures, count


def main(arguments):
    option = arguments.pop(0) if arguments[:1] in (["--print"], ["--update"]) else None
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    source, build, path = [os.path.abspath(argument) for argument in arguments]
    failures, count = check_page(path, source, build, option)
    for failure in failures:
        print(failure)
    print(f"{os.path.basename(path)}: {count} commands run, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
