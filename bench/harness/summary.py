"""Medians, spreads and ratios of samples. A cell is the median of its own values; a ratio is the median of the ratios of
samples of the same round, so that a machine that is slower for a while slows both sides of it."""
import math
from statistics import median


class Table:
    """The samples of a run of the harness, by (workload, engine) and round."""

    def __init__(self, samples):
        self.cells = {}
        for sample in samples:
            key = (sample["workload"], sample["engine"])
            self.cells.setdefault(key, {})[sample["round"]] = sample["value"]

    def engines(self, workloads, order):
        """Those of `order` that have a value for one of the workloads."""
        return [e for e in order if any((w, e) in self.cells for w in workloads)]

    def values(self, workload, engine):
        cell = self.cells.get((workload, engine), {})
        return [cell[round_] for round_ in sorted(cell)]

    def cell(self, workload, engine):
        """n, median, minimum, maximum and spread ((maximum - minimum) / median), or None."""
        values = self.values(workload, engine)
        if not values:
            return None
        middle = median(values)
        return {"n": len(values), "median": middle, "minimum": min(values), "maximum": max(values),
                "spread": round((max(values) - min(values)) / middle, 4) if middle else 0.0}

    def ratio(self, workload, over, under):
        """{n, median, minimum, maximum} of over/under inside the rounds, or None."""
        return self.divide((workload, over), (workload, under))

    def growth(self, longer, shorter, engine):
        """The same of two rows of one engine."""
        return self.divide((longer, engine), (shorter, engine))

    def divide(self, over, under):
        a, b = self.cells.get(over, {}), self.cells.get(under, {})
        ratios = [a[r] / b[r] for r in a if r in b and b[r] > 0]
        if not ratios:
            return None
        return {"n": len(ratios), "median": round(median(ratios), 4), "minimum": round(min(ratios), 4),
                "maximum": round(max(ratios), 4)}

    def mean(self, weights, over, under):
        """The geometric mean of a ratio, weighted, over the workloads that have it, and how many these are."""
        total = weight_sum = count = 0
        for workload, weight in weights.items():
            ratio = self.ratio(workload, over, under)
            if ratio and ratio["median"] > 0 and weight > 0:
                total += weight * math.log(ratio["median"])
                weight_sum += weight
                count += 1
        return (math.exp(total / weight_sum), count) if weight_sum else (None, 0)


def summarise(samples, workloads, engines):
    """The lists `summary` and `ratios` of results.json."""
    table = Table(samples)
    summary, ratios = [], []
    for workload in workloads:
        for engine in engines:
            cell = table.cell(workload, engine)
            if cell:
                summary.append({"workload": workload, "engine": engine, **cell})
        for i, over in enumerate(engines):
            for under in engines[i + 1:]:
                ratio = table.ratio(workload, over, under)
                if ratio:
                    ratios.append({"workload": workload, "over": over, "under": under, **ratio})
    return summary, ratios


def checksum_problems(samples):
    """The same program on the same data must give the same checksum everywhere."""
    seen, problems = {}, []
    for sample in samples:
        if "checksum" not in sample:
            continue
        first = seen.setdefault(sample["workload"], sample)
        if first["checksum"] != sample["checksum"]:
            text = "%s: the checksums of %s and %s differ" % (sample["workload"], first["engine"], sample["engine"])
            if text not in problems:
                problems.append(text)
    return problems
