#!/usr/bin/env python3
# Development tool, not part of any guest: prints transcendental.h, the functions of the x87 unit's transcendental
# instructions for chosen arguments, with 32 bits more than the 64 of an extended real. Computed with 120 decimal digits
# from the series of sine, cosine and arc tangent and from decimal's exp and ln, so from nothing that a processor does:
#     guests/fpu/transcendental.py > guests/fpu/transcendental.h
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 120
getcontext().Emax, getcontext().Emin = 999999, -999999
LN2 = Decimal(2).ln()


class Arguments:  # repeatable
    state = 0x9E3779B97F4A7C15

    def bits(self, count):
        self.state ^= self.state >> 12
        self.state = (self.state ^ self.state << 25) & (1 << 64) - 1
        self.state ^= self.state >> 27
        return (self.state * 0x2545F4914F6CDD1D & (1 << 64) - 1) >> 64 - count

    def below(self, count):
        return self.bits(32) * count >> 32

    def real(self, low, high):  # an extended real with an exponent from low to high, of either sign
        mantissa = self.bits(64) | 1 << 63
        if self.below(4) == 0:
            mantissa &= ~((1 << 40) - 1)
        exponent = low + self.below(high - low + 1)
        return (-1) ** self.bits(1) * Fraction(mantissa) * Fraction(2) ** (exponent - 63)


def decimal(x):
    return Decimal(x.numerator) / Decimal(x.denominator)


def series(x, first, start):  # of sine (first = x, start = 1) or cosine (1, 0)
    term, total, n = first, Decimal(0), start
    while abs(term) > abs(first) * Decimal(10) ** -115:
        total += term
        term = -term * x * x / ((n + 1) * (n + 2))
        n += 2
    return total


def sin(x):
    return series(x, x, 1)


def cos(x):
    return series(x, Decimal(1), 0)


def atan_small(x):  # halved until the series is short
    halvings = 0
    while abs(x) > Decimal("0.01"):
        x = x / (1 + (1 + x * x).sqrt())
        halvings += 1
    term, total, n = x, Decimal(0), 1
    while abs(term) > abs(x) * Decimal(10) ** -115:
        total += term / n
        term = -term * x * x
        n += 2
    return total * 2**halvings


PI = 4 * atan_small(Decimal(1))


def atan2(y, x):
    angle = atan_small(abs(y) / abs(x))
    if x < 0:
        angle = PI - angle
    return angle if y > 0 else -angle


def split(value, bits):  # sign and exponent, integer mantissa of so many bits, truncated; 80-bit reals are exact
    fraction = Fraction(value)
    if fraction == 0:
        return 0, 0
    sign, fraction = (0x8000 if fraction < 0 else 0), abs(fraction)
    exponent = fraction.numerator.bit_length() - fraction.denominator.bit_length()
    if Fraction(2) ** exponent > fraction:
        exponent -= 1
    mantissa = fraction * Fraction(2) ** (bits - 1 - exponent)
    return sign | 0x3FFF + exponent, int(mantissa)


def literal(x):
    head, mantissa = split(x, 64)
    return f"{{0x{mantissa:016x}, 0x{head:04x}}}"


def row(function, value, x, y=Fraction(0)):
    head, mantissa = split(value, 96)
    print(
        f"    {{{function}, {literal(x)}, {literal(y)}, 0x{mantissa >> 32:016x}, 0x{mantissa & 0xFFFFFFFF:08x}, 0x{head:04x}}},"
    )


def main():
    print("// Printed by transcendental.py: function, ST(0) or x, ST(1) or y, 64 bits of the value, 32 more, sign and exponent.")
    a = Arguments()
    quarter = split(PI / 4, 64)[1]  # the greatest below pi/4
    quarter = Fraction(quarter) / 2**64
    angles = [quarter, -quarter, Fraction(1, 2), Fraction(1, 2**40)] + [a.real(-12, -2) for _ in range(28)]
    angles += [a.real(-30, -13) for _ in range(8)]
    for x in angles:
        row("SINE", sin(decimal(x)), x)
    for x in angles:
        row("COSINE", cos(decimal(x)), x)
    for x in angles:
        row("TANGENT", sin(decimal(x)) / cos(decimal(x)), x)
    for i in range(48):
        x, y = a.real(-8, 8), a.real(-8, 8)
        row("ARC_TANGENT", atan2(decimal(y), decimal(x)), x, y)
    for x in [Fraction(1), Fraction(-1), Fraction(1, 2)] + [a.real(-20 if i & 1 else -2, -1) for i in range(45)]:
        row("POWER", (decimal(x) * LN2).exp() - 1, x)
    for i in range(56):
        x = abs(a.real(-30, 30)) if i & 1 else 1 + a.real(-20, -2)
        x = Fraction(int(x * 2**62), 2**62) if x < 1 else Fraction(int(x * 2**31), 2**31)
        y = Fraction(1) if i < 28 else a.real(-10, 10)
        row("LOGARITHM", decimal(y) * decimal(x).ln() / LN2, x, y)
    for i in range(48):
        x = a.real(-30, -3)
        y = Fraction(1) if i < 24 else a.real(-10, 10)
        row("LOGARITHM_1", decimal(y) * (1 + decimal(x)).ln() / LN2, x, y)


main()
