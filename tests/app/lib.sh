# shellcheck shell=bash
# What the tests of single commands share; sourced, with `ringshade` and `command` set. A folder of their own in $scratch, a
# count of failures, and the rule for bad input.
# shellcheck disable=SC2154
failures=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# refuses PATTERN ARGUMENT...: one line on stderr, nothing else, status 2.
refuses() {
    local pattern=$1
    shift
    "$ringshade" "$command" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    local status=$?
    if [ $status -ne 2 ] || [ -s "$scratch/out" ] || [ "$(wc -l <"$scratch/err")" -ne 1 ] ||
        ! grep -q -- "$pattern" "$scratch/err"; then
        fail "$command $*: status $status, expected 2 and one line with: $pattern"
        cat "$scratch/err"
    fi
}

# The script's end: says how many failures there were, and fails if there was one.
finish() {
    echo "$failures failures"
    [ $failures -eq 0 ]
}
