# Makes a table (markdown, on standard output) and a JSON file of figures: tab-separated lines ROW ENGINE ROUND VALUE.
# A cell is the median over the rounds. A ratio is the median of the ratios of figures of the same round, so that a
# machine that is slower for a while slows both sides of it. Variables: unit (of the values), base (the engine that the
# others are compared with), json (file), machine (text).
BEGIN { FS = "\t" }

{
    if (!($1 in row_seen)) { row_seen[$1] = 1; rows[++row_count] = $1 }
    if (!($2 in engine_seen)) { engine_seen[$2] = 1; engines[++engine_count] = $2 }
    value[$1, $2, $3] = $4
    if ($3 > rounds) rounds = $3
}

# The median of list[1..n], which it sorts.
function median(list, n,    i, j, item) {
    for (i = 2; i <= n; i++) {
        item = list[i]
        for (j = i - 1; j > 0 && list[j] > item; j--) list[j + 1] = list[j]
        list[j + 1] = item
    }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function middle(row, engine,    list, n, round) {
    n = 0
    for (round = 1; round <= rounds; round++)
        if ((row, engine, round) in value) list[++n] = value[row, engine, round] + 0
    return n ? median(list, n) : -1
}

function ratio(row, engine, other,    list, n, round) {
    n = 0
    for (round = 1; round <= rounds; round++)
        if ((row, engine, round) in value && (row, other, round) in value && value[row, other, round] > 0)
            list[++n] = value[row, engine, round] / value[row, other, round]
    return n ? median(list, n) : -1
}

function show(number) {
    if (number < 0) return "-"
    if (number >= 100) return sprintf("%.0f", number)
    if (number >= 10) return sprintf("%.1f", number)
    return sprintf("%.2f", number)
}

# The geometric mean of a ratio over the rows that have it.
function mean(engine, other,    i, r, n, sum) {
    n = sum = 0
    for (i = 1; i <= row_count; i++) {
        r = ratio(rows[i], engine, other)
        if (r > 0) { sum += log(r); n++ }
    }
    return n ? exp(sum / n) : -1
}

# Pairs to compare: each engine with the base, and ringshade with the peer where both are there.
function make_pairs(    i) {
    for (i = 1; i <= engine_count; i++)
        if (engines[i] != base && base in engine_seen) add_pair(engines[i], base)
    if (base != "peer" && "peer" in engine_seen)
        for (i = 1; i <= engine_count; i++)
            if (engines[i] ~ /^ringshade/ && engines[i] != base) add_pair("peer", engines[i])
}

function add_pair(a, b) { over[++pair_count] = a; under[pair_count] = b }

function print_table(    i, j) {
    printf "| row (%s) |", unit
    for (j = 1; j <= engine_count; j++) printf " %s |", engines[j]
    for (j = 1; j <= pair_count; j++) printf " %s / %s |", over[j], under[j]
    printf "\n| --- |"
    for (j = 1; j <= engine_count + pair_count; j++) printf " ---: |"
    printf "\n"
    for (i = 1; i <= row_count; i++) {
        printf "| %s |", rows[i]
        for (j = 1; j <= engine_count; j++) printf " %s |", show(middle(rows[i], engines[j]))
        for (j = 1; j <= pair_count; j++) printf " %s |", show(ratio(rows[i], over[j], under[j]))
        printf "\n"
    }
    if (row_count < 2 || !pair_count) return
    printf "| geometric mean |"
    for (j = 1; j <= engine_count; j++) printf " |"
    for (j = 1; j <= pair_count; j++) printf " %s |", show(mean(over[j], under[j]))
    printf "\n"
}

function quote(text) { gsub(/["\\]/, "\\\\&", text); return "\"" text "\"" }

function out(text) { printf "%s", text > json }

# The comma between items: counts them in n.
function comma(n) { return n > 1 ? ", " : "" }

function print_json_row(row,    j, round, n, m) {
    out(sprintf("    %s: {\"median\": {", quote(row)))
    n = 0
    for (j = 1; j <= engine_count; j++)
        if (middle(row, engines[j]) >= 0)
            out(comma(++n) sprintf("%s: %.6g", quote(engines[j]), middle(row, engines[j])))
    out("}, \"ratio\": {")
    n = 0
    for (j = 1; j <= pair_count; j++)
        if (ratio(row, over[j], under[j]) >= 0)
            out(comma(++n) sprintf("%s: %.4f", quote(over[j] "/" under[j]), ratio(row, over[j], under[j])))
    out("}, \"values\": {")
    for (j = 1; j <= engine_count; j++) {
        out(comma(j) quote(engines[j]) ": [")
        m = 0
        for (round = 1; round <= rounds; round++)
            if ((row, engines[j], round) in value) out(comma(++m) value[row, engines[j], round])
        out("]")
    }
    out("}}")
}

function print_json(    i) {
    out(sprintf("{\n  \"machine\": %s,\n  \"unit\": %s,\n  \"rounds\": %d,\n  \"rows\": {\n", quote(machine), quote(unit), rounds))
    for (i = 1; i <= row_count; i++) {
        print_json_row(rows[i])
        out(i < row_count ? ",\n" : "\n")
    }
    out("  }\n}\n")
}

END {
    make_pairs()
    printf "%s; %d round%s, medians and pairwise ratios\n\n", machine, rounds, rounds == 1 ? "" : "s"
    print_table()
    print_json()
}
