"""String metrics by their textbook definitions, in exact integer arithmetic: slow, short and easy to believe."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["jaro_winkler", "levenshtein", "osa", "soundex"]


def levenshtein(left: str, right: str) -> int:
    """Insertions, deletions and substitutions that turn one string into the other."""
    return _edit(left, right, transpose=False)


@lru_cache(maxsize=200_000)
def osa(left: str, right: str) -> int:
    """Optimal string alignment: Levenshtein plus exchanges of neighbours, no substring edited twice."""
    return _edit(left, right, transpose=True)


def _edit(left: str, right: str, *, transpose: bool) -> int:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) + 1):
        for j in range(len(right) + 1):
            if i == 0 or j == 0:
                table[i][j] = i + j
                continue
            cost = int(left[i - 1] != right[j - 1])
            best = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
            if transpose and i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                best = min(best, table[i - 2][j - 2] + 1)
            table[i][j] = best
    return table[-1][-1]


@lru_cache(maxsize=200_000)
def jaro_winkler(left: str, right: str) -> int:
    """Jaro-Winkler in units of 1/10000 rounded half up; prefix weight 0.1 up to four characters, always applied.

    Computed as one fraction of integers, so no rounding happens before the last.
    """
    if left == right:
        return 10_000
    matched_left, matched_right = _matches(left, right)
    m = len(matched_left)
    if m == 0:
        return 0
    out_of_order = sum(a != b for a, b in zip(matched_left, matched_right, strict=True))
    t = out_of_order // 2
    a, b = len(left), len(right)
    top, bottom = m * m * b + m * m * a + (m - t) * a * b, 3 * a * b * m
    prefix = 0
    for x, y in zip(left[:4], right[:4], strict=False):
        if x != y:
            break
        prefix += 1
    top, bottom = 10 * top + prefix * (bottom - top), 10 * bottom
    return (2 * 10_000 * top + bottom) // (2 * bottom)


def _matches(left: str, right: str) -> tuple[list[str], list[str]]:
    """Matched characters of both strings, each in its own order."""
    reach = max(max(len(left), len(right)) // 2 - 1, 0)
    taken = [False] * len(right)
    matched_left: list[str] = []
    for i, char in enumerate(left):
        for j in range(max(0, i - reach), min(len(right), i + reach + 1)):
            if not taken[j] and right[j] == char:
                taken[j] = True
                matched_left.append(char)
                break
    return matched_left, [char for char, used in zip(right, taken, strict=True) if used]


_SOUNDEX = {
    char: digit for digit, chars in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), start=1) for char in chars
}


def soundex(word: str) -> str:
    """American Soundex of the ASCII letters of a word: `h` and `w` do not part equal codes, vowels do."""
    letters = [char for char in word.lower() if "a" <= char <= "z"]
    if not letters:
        return ""
    code = letters[0].upper()
    before = _SOUNDEX.get(letters[0], 0)
    for char in letters[1:]:
        if char in "hw":
            continue
        digit = _SOUNDEX.get(char, 0)
        if digit and digit != before:
            code += str(digit)
        before = digit
    return (code + "000")[:4]
