"""Double Metaphone as an ordered table of rewriting rules.

Source: Lawrence Philips, "The Double Metaphone Search Algorithm", C/C++ Users Journal, June 2000. The published program is a
nest of conditions; here each of its cases is one line, so that the two can be compared case by case. Where Apache Commons Codec
differs (a first `wicz`), it is followed. Only single words of `a-z0-9` are meant, because that is all the matching rules ever
encode: the cases for `van `, `san ` and other blanks are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["double_metaphone", "metaphone"]

_LONGEST = 8
"""Longer than any code that is asked for; of a longer code a shorter one is the beginning."""

# One rule a line: pattern at the current letter, codes `primary/secondary` (`-` for none), letters to move on, and a trait the
# whole word must have (`!` before it: must not have). The first rule that fits is taken. V stands for a vowel.
_TABLE = r"""
^V                                      A       1
V                                       -       1
bb                                      P       2
b                                       P       1
(?<=[^aeiouy]a)ch(?![ie])               K       2
(?<=[bm]a)cher                          K       2
^caesar                                 S       2
chia                                    K       2
(?<=.)chae                              K/X     2
^ch(?!ore)(?=arac|aris|or|ym|ia|em)     K       2
ch                                      K       2   sch
(?<=or)ch(?=es|id)                      K       2
(?<=ar)ch(?=it)                         K       2
ch(?=[ts])                              K       2
(?:^|(?<=[aoue]))ch(?=[lrnmbhfvw]|$)    K       2
ch                                      K       2   mc
^ch                                     X       2
ch                                      X/K     2
(?<!wi)cz                               S/X     2
c(?=cia)                                X       3
(?<=^a)cc(?=[ie]|h(?!u))                KS      3
(?<=u)cc(?=ee|es)                       KS      3
(?<!^m)cc(?=[ie]|h(?!u))                X       3
(?<!^m)cc                               K       2
c[kgq]                                  K       2
ci[oea]                                 S/X     2
c[iey]                                  S       2
cc(?![ei])                              K       2
c                                       K       1
dg[iey]                                 J       3
dg                                      TK      2
d[td]                                   T       2
d                                       T       1
ff                                      F       2
f                                       F       1
(?<=[^aeiouy])gh                        K       2
^ghi                                    J       2
^gh                                     K       2
(?<=[bhd].)gh                           -       2
(?<=[bhd]..)gh                          -       2
(?<=[bh]...)gh                          -       2
(?<=[cglrt].u)gh                        F       2
(?<=i)gh                                -       2
gh                                      K       2
(?<=^V)gn                               KN/N    2   !slavic
gn(?!ey)                                N/KN    2   !slavic
gn                                      KN      2
gli                                     KL/L    2   !slavic
^g(?=y|es|ep|eb|el|ey|ib|il|in|ie|ei|er)    K/J 2
(?<![ei])ger                            K/J     2   !anger
(?<![eiro])gy                           K/J     2   !anger
g[eiy]                                  K       2   sch
(?<=[ao])ggi                            K       2   sch
get                                     K       2
gier$                                   J       2
g[eiy]                                  J/K     2
(?<=[ao])ggi                            J/K     2
gg                                      K       2
g                                       K       1
(?:^|(?<=V))hV                          H       2
h                                       -       1
^jose$                                  H       1
jose                                    J/H     1
^jj                                     J/A     2
^j                                      J/A     1
(?<=V)j[ao]                             J/H     1   !slavic
j$                                      J/-     1
(?<![skl])jj                            J       2
jj                                      -       2
(?<![skl])j(?![ltksnmbz])               J       1
j                                       -       1
kk                                      K       2
k                                       K       1
(?<=i)ll[oa]$                           L/-     2
(?<=a)lle$                              L/-     2
(?<=a)lle(?=.*(?:as|os|a|o)$)           L/-     2
ll                                      L       2
l                                       L       1
(?<=u)mb(?=er|$)                        M       2
mm                                      M       2
m                                       M       1
nn                                      N       2
n                                       N       1
ph                                      F       2
p[pb]                                   P       2
p                                       P       1
qq                                      K       2
q                                       K       1
(?<!m[ea]ie)(?<=ie)r$                   -/R     1   !slavic
rr                                      R       2
r                                       R       1
(?<=[iy])sl                             -       1
^sugar                                  X/S     1
s(?=heim|hoek|holm|holz)                S       2
sh                                      X       2
si[oa]                                  S/X     3   !slavic
si[oa]                                  S       3
sz                                      S/X     2
^s[mnlw]                                S/X     1
sch(?=er|en)                            X/SK    3
sch(?=oo|uy|ed|em)                      SK      3
^sch(?![aeiouyw])                       X/S     3
sch                                     X       3
sc[iey]                                 S       3
sc                                      SK      3
(?<=[ao]i)s$                            -/S     1
ss                                      S       2
s                                       S       1
tion                                    X       3
t(?=ia|ch)                              X       3
th(?=om|am)                             T       2
tt?h                                    T       2   sch
tt?h                                    0/T     2
t[td]                                   T       2
t                                       T       1
vv                                      F       2
v                                       F       1
wr                                      R       2
^wV                                     A/F     1
^wh                                     A       1
(?<=V)w$                                -/F     1
(?<=[eo])wsk[iy]                        -/F     1
w                                       -/F     1   sch
wi[ct]z                                 TS/FX   4
w                                       -       1
^x                                      S       1
(?<=[ao]u)x$                            -       1
x[cx]                                   KS      2
x                                       KS      1
zh                                      J       2
zz[oia]                                 S/TS    2
(?<=[^t])zz                             S/TS    2   slavic
(?<=[^t])z                              S/TS    1   slavic
zz                                      S       2
z                                       S       1
"""


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    primary: str
    secondary: str
    step: int
    trait: str

    def fits(self, word: str, at: int, traits: frozenset[str]) -> bool:
        unwanted = self.trait.startswith("!")
        suits = not self.trait or (self.trait.lstrip("!") in traits) != unwanted
        return suits and self.pattern.match(word, at) is not None


def _read(table: str) -> tuple[_Rule, ...]:
    rules = []
    for line in table.strip().splitlines():
        pattern, codes, step, *trait = line.split()
        primary, _, secondary = codes.replace("-", "").partition("/")
        if "/" not in codes:
            secondary = primary
        compiled = re.compile(pattern.replace("V", "[aeiouy]"))
        rules.append(_Rule(compiled, primary, secondary, int(step), trait[0] if trait else ""))
    return tuple(rules)


_RULES = _read(_TABLE)


def _traits(word: str) -> frozenset[str]:
    found = set()
    if re.search("w|k|cz|witz", word):
        found.add("slavic")
    for start in ("sch", "mc"):
        if word.startswith(start):
            found.add(start)
    if re.match("[drm]anger", word):
        found.add("anger")
    return frozenset(found)


@lru_cache(maxsize=100_000)
def double_metaphone(word: str) -> tuple[str, str]:
    """Primary and alternate code of one lower-case ASCII word, at most eight characters each."""
    traits = _traits(word)
    at = 1 if re.match("gn|kn|pn|wr|ps", word) else 0
    primary = secondary = ""
    while at < len(word) and (len(primary) < _LONGEST or len(secondary) < _LONGEST):
        rule = next((one for one in _RULES if one.fits(word, at, traits)), None)
        if rule is None:
            at += 1
            continue
        primary += rule.primary
        secondary += rule.secondary
        at += rule.step
    return primary[:_LONGEST], secondary[:_LONGEST]


def metaphone(word: str, length: int = 4) -> str:
    """Primary Double Metaphone code, the only one the matching rules use, at most so long."""
    return double_metaphone(word)[0][:length]
