"""Two labelled sets with columns that no default model knows, of simulated people who are not ours.

    pip install pseudopeople==1.3.1
    python -m loadtest.quality.unseen build/quality
    goldthread evaluate build/quality/payroll.csv --truth truth --match --mapping loadtest/quality/mappings/payroll.toml

`payroll`: two years of wage statements, without social security numbers. `census`: two censuses ten years apart. Both come from the sample
population of the package `pseudopeople` (BSD-3-Clause) with its own errors: slips, misheard names, nicknames, birth dates of somebody else in the
household. It is no part of this project's environment, so this may run in one of its own; it needs nothing of Goldthread.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

SEED = 1
_PERSON = "simulant_id"


def main(folder: Path) -> None:
    """Writes `payroll.csv` and `census.csv`, rows shuffled, the true person in `truth`. The same bytes each time under one version of the package."""
    import pandas as pd
    import pseudopeople

    plans = {
        "payroll": (pseudopeople.generate_taxes_w2_and_1099, (2020, 2021), ["household_id", "ssn"]),
        "census": (pseudopeople.generate_decennial_census, (2020, 2030), ["household_id"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (generate, years, hidden) in plans.items():
        rows = pd.concat([generate(year=year, seed=SEED) for year in years], ignore_index=True)
        order = list(range(len(rows)))
        random.Random(SEED).shuffle(order)  # noqa: S311 (an order, not a secret)
        rows.drop(columns=hidden).rename(columns={_PERSON: "truth"}).iloc[order].to_csv(
            folder / f"{name}.csv", index=False
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
