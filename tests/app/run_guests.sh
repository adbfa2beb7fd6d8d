#!/bin/sh
# Small guests on the real engine: every way in which a run can end, its exit status, and the statistics that are
# written in each case. Usage: run_guests.sh RINGSHADE MAKE_KERNEL CHECK_JSON
ringshade=$1
make_kernel=$2
check_json=$3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# expect STATUS CAUSE KIND ARGS...: runs a guest; the statistics must be JSON that names the cause.
expect() {
    want=$1
    cause=$2
    kind=$3
    shift 3
    "$ringshade" run --kernel "$kind" --memory 8M --timeout 20 --stats stats "$@" >out 2>err </dev/null
    status=$?
    [ $status -eq "$want" ] || fail "$kind $*: exit status $status instead of $want: $(cat err)"
    "$check_json" stats || fail "$kind $*: the statistics are not JSON"
    awk -F'[":,]+' '/"insns_/ { n[$2] = $3 }
        END { exit n["insns_identity"] + n["insns_inline"] + n["insns_callout"] + n["insns_rewritten"] != n["insns_translated"] }' \
        stats || fail "$kind $*: the kinds of instructions do not add up to all: $(grep insns_ stats)"
    grep -q "\"cause\": \"$cause\"" stats || fail "$kind $*: the cause is not $cause: $(grep cause stats)"
    rm -f stats
}

# Until the file out has at least so many bytes: what is done to a run waits for what the guest says, never for a time.
wait_for_bytes() {
    waited=0
    while [ "$(wc -c <out)" -lt "$1" ] && [ $waited -lt 600 ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
}

for kind in halt spin idle reset reset-once triple print echo; do
    "$make_kernel" $kind $kind || exit 1
done

for mmu in soft direct adaptive; do
    expect 0 halt halt --mmu $mmu
    [ -s err ] && fail "halt: something on stderr: $(cat err)"
    for value in 0 1 16 127 255; do
        "$make_kernel" exit exit $value
        expect $(((value << 1 | 1) & 255)) debug-exit exit --mmu $mmu
    done
    expect 0 reset reset --no-reboot --mmu $mmu
    expect 11 debug-exit reset-once --mmu $mmu
    expect 4 triple-fault triple --mmu $mmu
    grep -q "triple fault" err || fail "triple: stderr does not say so: $(cat err)"
    grep -q "EIP 00200080" err || fail "triple: stderr does not say where: $(cat err)"
    expect 6 timeout spin --timeout 0.3 --mmu $mmu
    grep -q "timeout" err || fail "spin: stderr does not say why: $(cat err)"
    expect 6 timeout idle --timeout 0.3 --mmu $mmu
    expect 0 halt print --mmu $mmu
    printf 'ok\n' | cmp -s - out || fail "print: wrong output: $(cat out)"
done
expect 0 halt print --verify --no-link --serial file:serial --log all:log
printf 'ok\n' | cmp -s - serial || fail "print: wrong serial file"
[ -s log ] || fail "print: the log is empty"
expect 0 halt print --serial null
[ -s out ] && fail "print: output in spite of --serial null"

# Input from a pipe reaches the guest; the console keys work there too.
mkfifo keys || exit 1
: >out # a job in the background opens it in its own time
"$ringshade" run --kernel echo --memory 8M --timeout 60 >out 2>err <keys &
pid=$!
exec 3>keys
printf 'one\001atwo' >&3
wait_for_bytes 7
printf '\001x' >&3
exec 3>&-
wait $pid || fail "echo: exit status $?"
printf 'one\001two' | cmp -s - out || fail "echo: wrong output: $(cat out err)"

# A reader that goes away does not end the run with a signal.
{ "$ringshade" run --kernel print --memory 8M --timeout 20 </dev/null; echo $? >status; } | true
[ "$(cat status)" = 0 ] || fail "print to a closed pipe: exit status $(cat status)"

# Signals from outside. A shell gives its background jobs no SIGINT, so only what ringshade sets itself counts.
for kind in spin idle; do
    for signal in INT:130 TERM:143 HUP:129; do
        : >out
        "$ringshade" run --kernel $kind --memory 8M --timeout 60 --stats stats >out 2>err </dev/null &
        pid=$!
        wait_for_bytes 1
        kill -"${signal%:*}" $pid
        wait $pid
        status=$?
        [ $status -eq "${signal#*:}" ] || fail "$kind, SIG${signal%:*}: exit status $status: $(cat err)"
        "$check_json" stats || fail "$kind, SIG${signal%:*}: no statistics"
        rm -f stats
    done
done
[ $failures -eq 0 ] && echo "all good"
[ $failures -eq 0 ]
