#!/bin/bash
# report.sh RINGSHADE MAKE_KERNEL CHECK_JSON: `ringshade run --report` at every end of a run, and where it cannot write.
# report_browser.py looks at the page itself.
set -u
ringshade=$1 make_kernel=$2 check_json=$3
command=run
# shellcheck source=tests/app/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1

# reports STATUS KIND OPTION...: the run leaves a page whose data are JSON and hold no `<`.
reports() {
    local want=$1 kind=$2
    shift 2
    "$ringshade" run --kernel "$kind" --memory 8M --timeout 20 --report page "$@" >out 2>err </dev/null
    local status=$?
    [ $status -eq "$want" ] || fail "$kind $*: exit status $status instead of $want: $(cat err)"
    sed -n '/id="data">/,/<\/script>/p' page/index.html | sed 's/^.*id="data">//; s/<\/script>$//' >json
    "$check_json" json || fail "$kind $*: the data are not JSON"
    grep -q '<' json && fail "$kind $*: the data hold a <"
    grep -q '@DATA@' page/index.html && fail "$kind $*: the page has no data"
    grep -Eq '(src|href)="?(http|//)' page/index.html && fail "$kind $*: the page names an address"
}

for kind in count halt spin triple; do
    "$make_kernel" $kind $kind || exit 1
done
cp count 'a"<b>.elf'

reports 0 count
[ "$(ls page)" = index.html ] || fail "more than one file: $(ls page)"
grep -q '"blocks": 1001, "translations": 3, "instructions": 2003' json || fail "count: other counts"
grep -q '"kernel": "count"' json || fail "count: another name"
reports 0 count --clock virtual --mmu soft --verify
reports 0 'a"<b>.elf' --trace t
"$ringshade" trace t >out || fail "a trace beside a report"
grep -q '^blocks  *1001 ' out || fail "a trace beside a report has other counts"
reports 0 halt
reports 4 triple
reports 6 spin --timeout 0.2
reports 0 count --trace t --trace-limit 1M

# Where nothing can be written: status 2, one line, and nothing is left.
echo text >file
"$ringshade" run --kernel halt --report file >out 2>err </dev/null
[ $? -eq 2 ] && [ "$(wc -l <err)" -eq 1 ] || fail "--report of a file: $(cat err)"
"$ringshade" run --kernel halt --report no/where >out 2>err </dev/null
[ $? -eq 2 ] && grep -q 'report folder no/where: cannot make it' err || fail "--report in no folder: $(cat err)"
mkdir -p taken/index.html
"$ringshade" run --kernel halt --report taken >out 2>err </dev/null
[ $? -eq 2 ] && [ -d taken/index.html ] || fail "--report where a folder has the page's name: $(cat err)"
"$ringshade" run --kernel /dev/null --report new >out 2>err </dev/null
[ $? -eq 2 ] && [ ! -e new ] || fail "a run that did not begin left a report"
"$ringshade" run --kernel halt --report '' >out 2>err </dev/null
[ $? -eq 2 ] || fail "--report without a name"
cp page/index.html before
"$ringshade" run --kernel /dev/null --report page >out 2>err </dev/null
cmp -s before page/index.html || fail "a run that did not begin changed the report"

finish
