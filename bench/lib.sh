# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of, and for, the script that sources this
# Shared by the scripts of bench/: their options, their programs, where figures go, and how a table is made of them.
# To be sourced by bash, after tools/lib.sh.

bench_folder=$ringshade_build/bench

# What the options say; each script sets its own defaults for the rows.
bench_rounds=5
bench_engines=
bench_rows=
bench_quick=no
bench_json=

# bench_options ARGUMENT...: --rounds N, --engines A,B, --rows A,B, --quick, --json FILE.
bench_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --quick) bench_quick=yes bench_rounds=1 ;;
        --rounds | --engines | --rows | --json)
            [ $# -gt 1 ] || die 2 "$1 wants a value"
            printf -v "bench_${1#--}" '%s' "$2"
            shift
            ;;
        *) die 2 "unknown option $1 (see the head of $0)" ;;
        esac
        shift
    done
    [[ $bench_rounds =~ ^[1-9][0-9]*$ ]] || die 2 "--rounds wants a number from 1 up"
}

# Whether a row was asked for: always, where no rows were named.
bench_wants() {
    [ -z "$bench_rows" ] || [[ ,$bench_rows, == *,$1,* ]]
}

# bench_known NAME...: ends with status 2 if --rows names something else.
bench_known() {
    local row
    for row in ${bench_rows//,/ }; do
        [[ " $* " == *" $row "* ]] || die 2 "no such row: $row (there are: $*)"
    done
}

# The engines to run, one a line: those asked for, or those of DEFAULT... that are there.
bench_engine_list() {
    local engine
    if [ -n "$bench_engines" ]; then
        printf '%s\n' "${bench_engines//,/$'\n'}"
        return
    fi
    for engine in "$@"; do
        if [ "$engine" = native ] || engine_there "$engine"; then
            printf '%s\n' "$engine"
        else
            say "left out, because it is not there: $engine"
        fi
    done
}

bench_need_guests() {
    local status=0
    "$ringshade_root/tools/fetch-guests" --quiet || status=$?
    [ "$status" -eq 0 ] || die "$status" "the guests cannot be had"
}

# Builds the session player where the build folder has none that is newer than its source.
bench_build_session() {
    local source=$ringshade_root/tests/linux file
    bench_session=$bench_folder/session
    for file in session.c console.c console.h; do
        if [ "$source/$file" -nt "$bench_session" ]; then
            "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -o "$bench_session" "$source/session.c" "$source/console.c"
            return
        fi
    done
}

# bench_figure ROW ENGINE ROUND VALUE: one figure of this run.
bench_figure() {
    printf '%s\t%s\t%s\t%s\n' "$@" >>"$bench_figures"
}

# Times on a busy machine say little; the ratios suffer less.
bench_check_load() {
    local load
    read -r load _ </proc/loadavg
    if awk "BEGIN { exit !($load > 0.7) }"; then
        say "this machine is busy (load $load): take the figures with care"
    fi
}

# bench_begin NAME: starts a file of figures.
bench_begin() {
    mkdir -p "$bench_folder"
    bench_figures=$bench_folder/$1.tsv
    : >"$bench_figures"
    bench_check_load
    bench_build_session
}

# The machine in words that name nobody: what a figure has to stand beside.
bench_machine() {
    local model
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    printf '%s, %s cores seen, Linux %s' "${model:-unknown processor}" "$(nproc)" "$(uname -r | sed 's/-.*//')"
}

# bench_report UNIT BASE: the table on standard output, and the same as JSON in the file asked for.
bench_report() {
    local json=${bench_json:-${bench_figures%.tsv}.json}
    awk -f "$ringshade_root/bench/report.awk" -v unit="$1" -v base="$2" -v json="$json" \
        -v machine="$(bench_machine)" "$bench_figures"
    say "figures: $bench_figures, JSON: $json"
}
