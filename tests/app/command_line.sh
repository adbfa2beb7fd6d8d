#!/bin/sh
# The command line from outside: every kind of bad input gives one line on stderr that names it, exit status 2, and
# leaves nothing behind. Usage: command_line.sh RINGSHADE MAKE_KERNEL
ringshade=$1
make_kernel=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# refuse TEXT ARGS...: exit status 2, nothing on stdout, one line on stderr that contains TEXT.
refuse() {
    text=$1
    shift
    "$ringshade" "$@" >out 2>err </dev/null
    status=$?
    [ $status -eq 2 ] || fail "'$*': exit status $status"
    [ -s out ] && fail "'$*': something on stdout: $(cat out)"
    [ "$(wc -l <err)" -eq 1 ] || fail "'$*': not one line on stderr: $(cat err)"
    grep -qF -- "$text" err || fail "'$*': '$text' is not in: $(cat err)"
}

for kind in bzimage elf flat halt; do
    "$make_kernel" $kind $kind || exit 1
done
head -c 3000 bzimage >truncated-bzimage
head -c 300 elf >truncated-elf
printf 'not a kernel' >text
: >empty
head -c 8000000 /dev/zero >large

refuse "no command given"
refuse "unknown command 'fly'" fly
refuse "no kernel given" run
refuse "needs a value" run --kernel
refuse "unknown option '--colour'" run --kernel halt --colour red
refuse "unknown option '-k'" run -k halt
refuse "takes no value" run --kernel halt --verify=yes
refuse "takes no value" run --kernel halt --hypercalls=yield
refuse "unexpected argument 'more'" run --kernel halt more
refuse "kernel nowhere: cannot open: No such file" run --kernel nowhere
refuse "kernel .: is a directory" run --kernel .
refuse "kernel empty: is empty" run --kernel empty
refuse "kernel text: is neither" run --kernel text
refuse "kernel truncated-bzimage: is truncated" run --kernel truncated-bzimage
refuse "kernel truncated-elf: is truncated" run --kernel truncated-elf
refuse "initrd nowhere: cannot open" run --kernel bzimage --initrd nowhere
refuse "module nowhere: cannot open" run --kernel elf --module "nowhere x"
refuse "no modules" run --kernel bzimage --module text
refuse "kernel bzimage: needs 17 MiB of memory, the machine has 8 MiB" run --kernel bzimage --memory 8M
refuse "initrd large: needs 25 MiB of memory together with the kernel" run --kernel bzimage --initrd large --memory 20M
refuse "module large: needs" run --kernel elf --module large --memory 4M
refuse "--memory 1M is not between" run --kernel halt --memory 1M
refuse "'much' is not a size" run --kernel halt --memory much
refuse "'com2' is not a serial port" run --kernel halt --serial com2
refuse "/nonexistent/out" run --kernel halt --serial file:/nonexistent/out
refuse "'fast' is not a form of the MMU" run --kernel halt --mmu fast
refuse "'later' is not a number of seconds" run --kernel halt --timeout later
refuse "unknown log topic" run --kernel halt --log weather
refuse "log file /nonexistent/log: cannot open" run --kernel halt --log mmu:/nonexistent/log
refuse "statistics file /nonexistent/s: cannot open" run --kernel halt --stats /nonexistent/s
refuse "kernel no?where" run --kernel "no
where"

# Nothing half-started: no new files, and old ones keep their bytes.
echo old >serial
echo old >stats
refuse "kernel nowhere" run --kernel nowhere --serial file:serial --stats stats --log mmu:log
[ -e log ] && fail "a log file was left behind"
[ "$(cat serial)" = old ] || fail "the serial file was emptied"
[ "$(cat stats)" = old ] || fail "the statistics file was emptied"

# What is no error.
for option in --help --version "run --help"; do
    # shellcheck disable=SC2086
    "$ringshade" $option >out 2>err || fail "$option: exit status $?"
    [ -s out ] || fail "$option prints nothing"
    [ -s err ] && fail "$option: something on stderr"
done
[ $failures -eq 0 ] && echo "all good"
[ $failures -eq 0 ]
