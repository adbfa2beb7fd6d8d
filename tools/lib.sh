# shellcheck shell=bash
# Shared by the scripts of tools/, bench/ and tests/linux: where things are, what the build needs, how to say no.
# To be sourced by bash. It must change nothing when it is sourced, and install nothing unless asked to.

ringshade_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ringshade_build=${RINGSHADE_BUILD:-$ringshade_root/build}
# One folder for all build folders: what is in it comes from Debian, not from the build.
ringshade_guests=${RINGSHADE_GUESTS:-$ringshade_root/build/guests-debian}
export ringshade_root ringshade_build ringshade_guests

# Debian's names. What `tools/demo` needs to build the engine, and what `tools/check` needs on top of that.
ringshade_build_packages=(cmake ninja-build gcc libc6-dev pkg-config libzydis-dev libzycore-dev libcapstone-dev
    libxxhash-dev libcmocka-dev gcc-multilib)
ringshade_check_packages=(clang clang-format shellcheck gdb python3)
# What tools/fetch-guests needs, and what the comparisons of bench/ need.
ringshade_guest_packages=(debian-archive-keyring gpgv)
ringshade_peer_packages=(qemu-system-x86)
export ringshade_build_packages ringshade_check_packages ringshade_guest_packages ringshade_peer_packages

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# die STATUS TEXT...
die() {
    local status=$1
    shift
    say "$@"
    exit "$status"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Prints those of the packages given that dpkg does not know as installed. Without dpkg nothing can be told.
packages_missing() {
    local package
    for package in "$@"; do
        if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
            printf '%s\n' "$package"
        fi
    done
}

# How this user becomes root without being asked anything: prints nothing for root, "sudo -n", or fails.
root_command() {
    if [ "$(id -u)" -eq 0 ]; then
        return 0
    fi
    if have sudo && sudo -n true 2>/dev/null; then
        printf 'sudo -n'
        return 0
    fi
    return 1
}

# packages_install PACKAGE...: installs through apt. Fails where there is no apt, no root, or no such package.
packages_install() {
    local become
    have apt-get || return 1
    become=$(root_command) || return 1
    say "installing $*"
    # shellcheck disable=SC2086 # two words or none, on purpose
    {
        $become env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2 || true
        $become env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install "$@" >&2
    }
}

# packages_need yes|no PACKAGE...: makes sure of the packages. Says the one line to type, and ends with status 2,
# where they are missing and may not ("no") or cannot be installed.
packages_need() {
    local may_install=$1 missing
    shift
    if ! have dpkg-query; then
        say "not a Debian system: cannot tell whether these are installed: $*"
        return 0
    fi
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$may_install" = yes ] && packages_install "${missing[@]}"; then
        return 0
    fi
    say "packages are missing; install them with:"
    printf 'sudo apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 2
}

# packages_want yes|no PACKAGE...: the same for packages that only a part needs. Returns 1 where they are missing.
packages_want() {
    local may_install=$1 missing
    shift
    have dpkg-query || return 0
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ "$may_install" = yes ] && packages_install "${missing[@]}"
}

# The package of the runtime that goes with the clang that is installed: sanitizers and libFuzzer.
clang_runtime_package() {
    printf 'libclang-rt-%s-dev\n' "$(clang -dumpversion | cut -d. -f1)"
}

# build_configure FOLDER [CMAKE-ARGUMENT...]
build_configure() {
    local folder=$1
    shift
    cmake -S "$ringshade_root" -B "$folder" -G Ninja "$@"
}

# build_jobs: how many compilers to run at once: one a core, fewer where memory is small (about 1 GiB each).
build_jobs() {
    local cores memory
    cores=$(nproc 2>/dev/null || echo 1)
    memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) + 1 }' /proc/meminfo 2>/dev/null || echo 1)
    if [ "$memory" -lt "$cores" ]; then
        echo "$memory"
    else
        echo "$cores"
    fi
}

# initramfs_make OUT BUSYBOX INIT [NAME=FILE]...: a gzipped initramfs of a static busybox, an init, a console to open
# before devtmpfs is mounted, and each FILE at /NAME with mode 755 (in a folder of the root). The same inputs give the
# same bytes.
initramfs_make() {
    local out=$1 busybox=$2 init=$3 tool list pair folder
    shift 3
    tool=$(mktemp) list=$(mktemp)
    "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 -o "$tool" "$ringshade_root/tools/mkinitramfs.c" || return 1
    {
        for folder in bin dev proc root sys tmp; do
            printf 'dir %s 755\n' "$folder"
        done
        for pair in "$@"; do
            dirname "${pair%%=*}"
        done | sort -u | grep -vxE 'bin|dev|proc|root|sys|tmp' | sed 's/.*/dir & 755/' || true
        printf 'node dev/console 600 c 5 1\nnode dev/null 666 c 1 3\n'
        printf 'file bin/busybox 755 %s\nfile init 755 %s\n' "$busybox" "$init"
        for pair in "$@"; do
            printf 'file %s 755 %s\n' "${pair%%=*}" "${pair#*=}"
        done
    } >"$list"
    "$tool" "$list" | gzip -9n >"$out.new" || return 1
    mv "$out.new" "$out"
    rm -f "$tool" "$list"
}

# The peer: an emulator on a PC like ours, with the processor that comes closest to what we announce (cpu/cpuid.c): an
# Atom N270, on which Linux switches no mitigation on, less and plus the features by which ours differs.
ringshade_peer_cpu=n270,stepping=10,-apic,-vme,-mce,-mca,-mtrr,-pat,-clflush,-acpi,-ss,-monitor,-movbe,-lahf-lm
ringshade_peer_cpu=${RINGSHADE_PEER_CPU:-$ringshade_peer_cpu,-hypervisor,+sse4.1,+sse4.2,+popcnt}

# engine_command NAME KERNEL INITRD APPEND MEMORY-MIB SERIAL: fills the array engine_argv. NAME is ringshade, one of its
# modes (ringshade-soft, -direct, -adaptive, -verify, -no-link), ringshade-features (all that --cpu can announce, and --hypercalls), peer (an
# ISA PC), or peer-pc (the emulator's default PC). SERIAL is stdio or a file's path. RINGSHADE_ENGINE replaces the path of the engine.
engine_command() {
    local name=$1 kernel=$2 initrd=$3 append=$4 memory=$5 serial=$6 chardev=stdio,mux=on,signal=off
    case $serial in
    stdio) ;;
    *) chardev=file,path=$serial serial=file:$serial ;;
    esac
    case $name in
    ringshade*)
        engine_argv=("${RINGSHADE_ENGINE:-$ringshade_build/ringshade}" run --kernel "$kernel" --memory "${memory}M"
            --serial "$serial" --no-reboot)
        ;;
    peer)
        engine_argv=(qemu-system-i386 -accel tcg -M isapc -nodefaults -display none -cpu "$ringshade_peer_cpu"
            -kernel "$kernel" -m "$memory" -chardev "$chardev,id=console" -serial chardev:console -no-reboot)
        ;;
    peer-pc)
        engine_argv=(qemu-system-i386 -accel tcg -M pc -display none -net none -monitor none -kernel "$kernel"
            -m "$memory" -chardev "$chardev,id=console" -serial chardev:console -no-reboot)
        ;;
    *) return 1 ;;
    esac
    case $name in
    ringshade-verify | ringshade-no-link) engine_argv+=("--${name#ringshade-}") ;;
    ringshade-features) engine_argv+=(--cpu "smep,smap,avx" --hypercalls) ;;
    ringshade-*) engine_argv+=(--mmu "${name#ringshade-}") ;;
    esac
    case $name in
    ringshade*)
        [ -z "$initrd" ] || engine_argv+=(--initrd "$initrd")
        [ -z "$append" ] || engine_argv+=(--append "$append")
        ;;
    *)
        [ -z "$initrd" ] || engine_argv+=(-initrd "$initrd")
        [ -z "$append" ] || engine_argv+=(-append "$append")
        ;;
    esac
}

# engine_there NAME: whether the engine's program can be run.
engine_there() {
    case $1 in
    peer*) have qemu-system-i386 ;;
    *) [ -x "${RINGSHADE_ENGINE:-$ringshade_build/ringshade}" ] ;;
    esac
}
