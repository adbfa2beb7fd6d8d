#!/bin/bash
# explain.sh RINGSHADE [GUEST]: what `ringshade explain` prints, and how it refuses bad input.
set -u
ringshade=$1
guest=${2-}
command=explain
# shellcheck source=tests/app/lib.sh
. "$(dirname "$0")/lib.sh"

# shows TEXT PATTERN [OPTION...]: the explanation of the hexadecimal TEXT has a line that matches.
shows() {
    local text=$1 pattern=$2
    shift 2
    if ! printf '%s\n' "$text" | "$ringshade" explain "$@" - >"$scratch/out" 2>"$scratch/err" ||
        ! grep -Eq -- "$pattern" "$scratch/out"; then
        fail "explain $* of '$text' does not show: $pattern"
        cat "$scratch/out" "$scratch/err"
    fi
}

shows 'b8 05 00 00 00' 'mov eax, 5 +innocuous, identity$'
shows '0xfa, 0x90 # a comment: cli' 'cli +privileged, inline: '
shows '0f 01 e0' '\| call <callout SMSW>'
shows '8b 01' '\| mov eax, dword ptr gs:\[ecx\]'
shows '8b 01' '<software-TLB miss>' --mmu soft
shows '8b 01' '\[rcx|\[r9\*4 \+ tlb\[1\].ntag_read\]' --mmu soft --cpl 3
shows 'f4' '<callout RAISE #GP\(0\)>' --cpl 3
shows '0f 0b' '<callout RAISE #UD>'
shows 'c7 05 00 00 00 c0 2a 00 00 00' 'gs:\[0xc0000000\], 0x2a'
shows 'c7 05 00 00 00 c0 ff ff ff ff' 'gs:\[0xc0000000\], 0xffffffff$'
shows 'fa 90 9c' '^by class$'
shows 'b8 05 00' 'mov ax, 5 ' --mode 16
shows 'ea 00 00 00 f0' '^  00007c00 .*sensitive' --mode real --address 7c00
shows 'f3 a4 c3' '^2 instructions in 2 blocks|^2 instructions in 1 block'
shows '0f 0b' '^1 instructions in 1 blocks; 2 bytes of guest code become'
shows '90 bc 00 50' '^  00000001  \(cut off\)$'
refuses 'no file given'
refuses 'more than one file' a b
refuses 'unknown option' --bogus a
refuses 'needs a value' --mode
refuses 'is not 16, 32 or real' --mode 64 a
refuses 'is not 0, 1, 2 or 3' --cpl 4 a
refuses 'is not direct or soft' --mmu adaptive a
refuses 'hexadecimal address' --address xyz a
refuses 'no privilege levels' --mode real --cpl 3 a
refuses 'cannot open' "$scratch/nothing"
refuses 'is empty' /dev/null
refuses 'is not an ELF file' --format elf "$0"
refuses 'is not a list of hexadecimal bytes' --format hex "$0"
refuses 'and a file' --gdb 1 a
refuses 'is for --gdb' --length 4 a
refuses 'number of bytes' --gdb 1 --length 0
refuses 'neither unix:PATH nor' --gdb 70000
refuses 'cannot connect' --gdb "unix:$scratch/nothing"

# A guest that waits for a debugger stands at its first instruction; explained, it goes on to its end.
if [ -n "$guest" ]; then
    "$ringshade" run --kernel "$guest" --gdb "unix:$scratch/gdb" --serial null --no-reboot --timeout 60 &
    run=$!
    for _ in $(seq 100); do [ -S "$scratch/gdb" ] && break; sleep 0.1; done
    "$ringshade" explain --gdb "unix:$scratch/gdb" --length 16 >"$scratch/out" 2>&1 &&
        grep -q '^protected-mode code of 32 bits, CPL 0$' "$scratch/out" && grep -q '^block 00' "$scratch/out" || {
        echo "explain --gdb"
        cat "$scratch/out"
        failures=$((failures + 1))
    }
    wait $run
    status=$?
    [ $status -eq 1 ] || { echo "the guest did not go on: status $status"; failures=$((failures + 1)); }
fi

finish
