"""What a page shows against what a command printed, with the marks for what varies. check_course.py describes them."""
import re

NUMBER = r"\d+(?:\.\d+)?"


def _shown(mark):
    """(expression of what a mark stands for on the page, expression of what may stand in its place)."""
    if mark == "numbers":
        return rf"(?<![\w.]){NUMBER}(?!\w|\.\d)", NUMBER
    if "|" in mark:
        words = "(?:" + "|".join(re.escape(word) for word in mark.split("|")) + ")"
        return rf"(?<!\w){words}(?!\w)", words
    if mark.startswith("~"):
        return rf"(?<![\w.]){re.escape(mark[1:])}(?!\w|\.\d)", NUMBER
    return rf"(?<!\w){re.escape(mark)}(?!\w)", r"\S.*?" if " " in mark else r"\S+"


def _line(shown, marks, used):
    """A test for lines that agree with a shown one; marks that occur in it are added to `used`."""
    shown = " ".join(shown.split())
    places = []  # (start, end, expression, mark), none across another; the first mark that fits counts
    for mark in marks:
        find, expression = _shown(mark)
        for match in re.finditer(find, shown):
            if all(match.end() <= start or end <= match.start() for start, end, _, _ in places):
                places.append((match.start(), match.end(), expression, mark))
                used.add(mark)
    places.sort()
    whole, limits, at = "", [], 0
    for start, end, expression, mark in places:
        whole += re.escape(shown[at:start]) + f"({expression})"
        limits.append(float(mark[1:]) if mark.startswith("~") else None)
        at = end
    whole = re.compile(whole + re.escape(shown[at:]))

    def agrees(line):
        match = whole.fullmatch(" ".join(line.split()))
        return bool(match) and all(
            limit is None or limit / 2 <= float(got) <= limit * 2 for limit, got in zip(limits, match.groups()))

    return agrees


def difference(shown, printed, marks, used):
    """None if they agree, or the first shown line that nothing printed agrees with."""
    tests = [None if line.strip() == "..." else _line(line, marks, used) for line in shown]
    reach = {0}  # how many printed lines the shown ones so far may have taken
    for line, test in zip(shown, tests):
        if test:
            after = {at + 1 for at in reach if at < len(printed) and test(printed[at])}
        else:
            after = set(range(min(reach) + 1, len(printed) + 1))
        if not after:
            return line
        reach = after
    return None if len(printed) in reach else "(the end: more was printed)"
