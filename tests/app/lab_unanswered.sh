#!/bin/bash
# lab_unanswered.sh LAB_UNANSWERED SOURCE: what the laboratory says on a host whose kernel does not answer for UMIP is what
# docs/lab.md says beforehand, and its text tells the reader.
set -u
# The sourced file wants these names; no command of its own is run here.
# shellcheck disable=SC2034
ringshade=$1 command=lab
# shellcheck source=tests/app/lib.sh
. "$(dirname "$0")/lib.sh"

"$1" >"$scratch/json" 2>"$scratch/text"
status=$?
[ $status -ne 77 ] || exit 77
[ $status -eq 0 ] || fail "exit status $status"
python3 "$2/tests/app/check_lab.py" "$scratch/json" "$2/docs/lab.md" || fail "not as docs/lab.md says"
grep -q '"umip": "traps"' "$scratch/json" || fail "UMIP is not seen"
grep -q '^UMIP  *on: the five stores of system registers trap in user mode; CPUID announces it$' "$scratch/text" ||
    fail "the text does not say it"
for program in sgdt sidt sldt str smsw; do
    grep -Eq "^$program .* trap: SIGSEGV \(#GP\) at [0-9a-f]+ +traps +right " "$scratch/text" || fail "$program does not trap"
done
finish
