#!/bin/bash
# trace.sh RINGSHADE MAKE_KERNEL CHECK_JSON: `ringshade run --trace` of guests whose counts are known, every way in which
# such a run ends, and what `ringshade trace` says of good and bad files.
set -u
ringshade=$1 make_kernel=$2 check_json=$3
command=trace
# shellcheck source=tests/app/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

# traced STATUS KIND OPTION...: runs a guest with a trace in the file t.
traced() {
    local want=$1 kind=$2
    shift 2
    rm -f t
    "$ringshade" run --kernel "$kind" --memory 8M --timeout 20 --trace t "$@" >out 2>err </dev/null
    local status=$?
    [ $status -eq "$want" ] || fail "$kind $*: exit status $status instead of $want: $(cat err)"
}

# says PATTERN OPTION...: `ringshade trace OPTION...` prints a line that matches.
says() {
    local pattern=$1
    shift
    if ! "$ringshade" trace "$@" >out 2>err || ! grep -Eq -- "$pattern" out; then
        fail "trace $* does not say: $pattern"
        head -n 40 out err
    fi
}

# Until the run has written the header of its trace.
wait_for_trace() {
    for ((i = 0; i < 200; i++)); do
        [ ! -s t ] || return
        sleep 0.05
    done
}

for kind in count halt spin triple print reset-once; do
    "$make_kernel" $kind $kind || exit 1
done

# The entry's block once, that of the loop 999 times, and the end's: 3 + 999 * 2 + 2 instructions.
for options in "--mmu soft" "--mmu direct" "--mmu adaptive" "--clock virtual" "--no-link --verify"; do
    # shellcheck disable=SC2086
    traced 0 count $options
    says '^blocks +1001  of 3 translations$' t
    says '^instructions +2003$' t
    says '^ +inline +1 ' t
    says '^ +callout +1 ' t
    says 'whole; the run ended by halt$' t
    says '^ +HLT +1$' t
done
says '^ +0\.[0-9]+  callout +00200089 HLT' --list t
says '^ +0\.[0-9]+  mode +[0-9a-f]{8} cpl 0, mode [0-9a-f]{8} \(32-bit, direct\) was 00000000$' --list --kind mode t
[ "$("$ringshade" trace --list --kind block t | wc -l)" = 1001 ] || fail "the list of blocks has other than 1001 lines"
[ "$("$ringshade" trace --list --kind block --limit 7 t | wc -l)" = 7 ] || fail "--limit 7 gives another number"
says '^blocks +999 ' --address 200085 t
says '^blocks +1 ' --address 200000-200080 --kind block t
says '^blocks +1000 ' --address 200080-200085 t
says '^blocks +0 ' --cpl 3 t
says '^blocks +1001 ' --cpl 0 --time 0-100 t
says '^callouts +0$' --kind block,fault t
says '^1\. 00200085 cpl 0: 99\.7[0-9] %' --hot 1 t
says 'dec ecx' --hot 1 t
says '<link>|jne block' --hot 1 --host t
! "$ringshade" trace --hot 1 --host t | grep -q HLT || fail "--hot --host shows code behind the block"
says '"runs": 999, ' --hot 1 --json t
for options in "" "--hot 3"; do
    # shellcheck disable=SC2086
    "$ringshade" trace --json $options t >json || fail "trace --json $options"
    "$check_json" json || fail "trace --json $options: not JSON"
done
says '^\{"time": .*"kind": "callout".*"callout": "HLT"' --list --json t

# Every end of a run leaves a whole file.
traced 4 triple
says 'ended by triple-fault$' t
says '#UD' t
traced 11 reset-once
says 'ended by debug-exit$' t
traced 6 spin --timeout 0.3
says 'ended by timeout$' t
rm -f t
"$ringshade" run --kernel spin --memory 8M --timeout 20 --trace t >out 2>err </dev/null &
pid=$!
wait_for_trace
kill -INT $pid
wait $pid
[ $? -eq 130 ] || fail "SIGINT: another status"
says 'ended by stop$' t
rm -f t
"$ringshade" run --kernel spin --memory 8M --timeout 20 --trace t >out 2>err </dev/null &
pid=$!
wait_for_trace
kill -KILL $pid
wait $pid 2>/dev/null
refuses 'unfinished' t
says 'unfinished$' --partial t

# A file that cannot grow: the guest goes on, the trace ends with its last whole chunk, one line says so. The limit comes
# when the run has begun, because the guest's memory is a file, too.
"$make_kernel" flood flood
rm -f t
"$ringshade" run --kernel flood --memory 8M --timeout 60 --trace t --stats stats >out 2>err </dev/null &
pid=$!
wait_for_trace
prlimit --pid $pid --fsize=700000
wait $pid
status=$?
[ $status -eq 8 ] || fail "disk full: status $status instead of 8"
[ "$(wc -l <err)" -eq 1 ] && grep -q 'cannot write: File too large' err || fail "disk full: $(cat err)"
says 'ended by a write error' t
"$ringshade" run --kernel flood --memory 8M --timeout 20 --trace t --trace-limit 1M >out 2>err </dev/null
[ "$(wc -l <err)" -eq 1 ] && grep -q 'reached 1 MiB' err || fail "limit: $(cat err)"
[ "$(stat -c %s t)" -le 1048576 ] || fail "limit: $(stat -c %s t) bytes"
says 'ended at its limit' t

# Names that are no files, and a run that does not begin: nothing is left behind, nothing is emptied.
"$ringshade" run --kernel halt --trace /dev/null >out 2>err </dev/null
[ $? -eq 2 ] && grep -q 'not a regular file' err || fail "--trace /dev/null: $(cat err)"
"$ringshade" run --kernel halt --trace nowhere/t >out 2>err </dev/null
[ $? -eq 2 ] || fail "--trace in no folder: $(cat err)"
echo kept >t
"$ringshade" run --kernel /dev/null --trace t >out 2>err </dev/null
[ $? -eq 2 ] && [ "$(cat t)" = kept ] || fail "a run that did not begin changed the trace"
"$ringshade" run --kernel /dev/null --trace new >out 2>err </dev/null
[ ! -e new ] || fail "a run that did not begin left a trace"

# Bad files.
traced 0 count
size=$(stat -c %s t)
for length in 0 1 63 64 65 88 100 $((size - 1)); do
    head -c "$length" t >short
    refuses 'trace short: ' short
done
cat t t >twice
refuses 'its size is not what its header says' twice
refuses 'damaged' --partial twice
for ((at = 0; at < size; at += 13)); do
    cp t bad
    byte=$(od -An -tu1 -j $at -N 1 t)
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $((byte ^ 0x55)))" | dd of=bad bs=1 seek=$at conv=notrunc 2>/dev/null
    # Reserved bytes of the header mean nothing.
    [ $at -ge 32 ] && [ $at -lt 64 ] || [ $at -ge 76 ] && [ $at -lt 80 ] || refuses 'trace bad: ' bad
done
refuses 'not a trace of Ringshade' "$ringshade"
head -c 300000 /dev/urandom >noise
refuses 'not a trace of Ringshade' noise
{ head -c 64 t; cat noise; } >noise2
refuses 'trace noise2: ' noise2
refuses 'damaged' --partial noise2
refuses 'No such file' nothing
refuses 'Is a directory' .
refuses 'no file given'
refuses 'more than one file' t t
refuses 'unknown option' --bogus t
refuses 'is not block, callout' --kind blocks t
refuses 'hexadecimal address' --address 20-10 t
refuses 'hexadecimal address' --address x t
refuses 'is not 0, 1, 2 or 3' --cpl 4 t
refuses 'is not FROM-TO' --time 5 t
refuses 'is not FROM-TO' --time 5-1 t
refuses 'two questions' --list --hot 3 t
refuses 'goes with --hot' --host t

finish
