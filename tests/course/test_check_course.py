#!/usr/bin/env python3
"""The checker of the course itself: what it must accept, and each thing that it must find."""
import os
import tempfile
import unittest

import check_course


def failures(text, name="1-unit.md"):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as page:
            page.write(text)
        return check_course.check_page(path, folder, folder)[0]


def session(text, marks=""):
    return f"{marks}\n```console\n{text}\n```\n"


class Accepted(unittest.TestCase):
    def accept(self, text, name="1-unit.md"):
        self.assertEqual(failures(text, name), [])

    def test_output_as_shown(self):
        self.accept(session("$ printf 'a  b\\nc\\n'\na b\nc\n$ true\n$ echo d >&2\nd"))

    def test_folder_is_kept_within_a_page(self):
        self.accept(session("$ echo text >file") + session("$ cat file; test \"$SOURCE\" = \"$BUILD\" && echo same\ntext\nsame"))

    def test_lines_left_out(self):
        self.accept(session("$ seq 9\n1\n...\n5\n...\n9"))
        self.accept(session("$ seq 3\n..."))

    def test_command_of_two_lines(self):
        self.accept(session("$ echo a \\\n>   b\na b"))

    def test_what_varies(self):
        self.accept(session("$ echo base=ff01 leaks 0.9\nbase=7f wrong 0.5", "<!-- varies: 7f wrong|leaks ~0.5 -->"))
        self.accept(session("$ echo x trap at 100 end\nx limit=7f base=0 end", "<!-- varies: 'limit=7f base=0' -->"))
        self.accept(session("$ echo 17 of 20.5\n3 of 4", "<!-- varies: numbers -->"))

    def test_reasoned_exception_in_readme(self):
        self.accept(session("$ false", "<!-- not run: the build -->"), "README.md")

    def test_links(self):
        self.accept("# A heading, here\n[a](#a-heading-here) [b](https://example.org/x)\n[c](1-unit.md#a-heading-here)\n")


class Found(unittest.TestCase):
    def find(self, expected, text, name="1-unit.md"):
        found = failures(text, name)
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])

    def test_stale_output(self):
        self.find("does not print: b", session("$ echo a\nb"))
        self.find("more was printed", session("$ seq 2\n1"))
        self.find("does not print: 3", session("$ seq 2\n1\n2\n3"))
        self.find("does not print: ...", session("$ seq 2\n1\n2\n..."))
        self.find("more was printed", session("$ seq 2"))
        self.find("does not print: 7", session("$ seq 5\n1\n...\n7"))

    def test_what_varies_too_much(self):
        self.find("does not print", session("$ echo 1.1\n0.5", "<!-- varies: ~0.5 -->"))
        self.find("does not print", session("$ echo right\nwrong", "<!-- varies: wrong|leaks -->"))
        self.find("does not print", session("$ echo a 8\nb 7", "<!-- varies: numbers -->"))

    def test_mark_without_its_text(self):
        self.find("is not shown", session("$ echo 1\n1", "<!-- varies: 2 -->"))
        self.find("no session follows", "<!-- varies: 2 -->\ntext\n")

    def test_command_that_fails(self):
        self.find("exit status 127", session("$ no-such-command-here\n..."))
        self.find("exit status 139", session("$ exit 139"))

    def test_command_that_is_not_run(self):
        self.find("a session that is not run", session("$ true", "<!-- not run: why -->"))
        self.find("not run", "```text\nringshade lab\n```\n")
        self.find("not run", "```text\n$ ls\n```\n")
        self.find("by indentation", "text\n\n    ringshade lab\n")
        self.find("none of the words", "```sh\nls\n```\n")
        self.find("none of the words", "```\nls\n```\n")
        self.find("begins with a command", session("ls"))
        self.find("no end", "```console\n$ ls\n")

    def test_links(self):
        self.find("no such file", "[a](nowhere.md)\n")
        self.find("no such heading", "# a\n[a](#b)\n")
        self.find("no such file", "[a][1]\n\n[1]: ../nowhere\n")


if __name__ == "__main__":
    unittest.main()
