#!/bin/bash
# lab.sh RINGSHADE CHECK_JSON SOURCE: what `ringshade lab` finds on this host, in its three forms, and how it refuses bad input.
set -u
ringshade=$1
check_json=$2
source=$3
command=lab
# shellcheck source=tests/app/lib.sh
. "$(dirname "$0")/lib.sh"

# shows PATTERN ARGUMENT...: the output has a line that matches.
shows() {
    local pattern=$1
    shift
    "$ringshade" lab "$@" >"$scratch/out" 2>"$scratch/err" && grep -Eq -- "$pattern" "$scratch/out" || {
        fail "lab $* does not show: $pattern"
        cat "$scratch/out" "$scratch/err"
    }
}

# Everything, on this host, against what docs/lab.md says beforehand.
"$ringshade" lab --json --html "$scratch/page" >"$scratch/json" || fail "lab --json --html"
"$check_json" "$scratch/json" || fail "not JSON"
python3 "$source/tests/app/check_lab.py" "$scratch/json" "$source/docs/lab.md" || fail "not as docs/lab.md says"
python3 "$source/tests/app/check_page.py" "$scratch/page" 24 || fail "the page"

# The classification table, the callouts and the laboratory speak of the same.
shows '^popf .* right +callout POPF$' popf
shows '^  translated .*right, by callout SGDT$' sgdt
shows '^push-cs ' push
shows '^3 programs|^2 programs' push
[ "$("$ringshade" lab --list | wc -l)" -eq 24 ] || fail "not 24 programs"

# The image is the one that runs: the engine boots it, and its kernel says the same.
"$ringshade" lab --image "$scratch/image" verr || fail "lab --image"
"$ringshade" run --kernel "$scratch/image" --timeout 20 --serial "file:$scratch/sent"
[ $? -eq 1 ] && [ "$(wc -c <"$scratch/sent")" -eq 108 ] || fail "the image does not run"

refuses 'unknown option' --bogus
refuses 'needs a value' --html
refuses "no program 'nop'" nop
refuses 'is not 32 or 64' --child 16
refuses 'needs the name of one program' --image "$scratch/x"
refuses 'needs the name of one program' --image "$scratch/x" push
refuses 'HTML page' --html "$scratch/no/such"
refuses 'image' --image "$scratch/no/such" popf
[ ! -e "$scratch/x" ] || fail "a file was written"

finish
