//! Calibration: a logistic curve through labels, from where the votes of third records have put it (docs/training.md section 5).

/// Ridges of the fit to labels, and of a slope that stays the start's.
const RIDGES: Ridges = Ridges { slope: 20.0, intercept: 2.0 };
const FIXED_SLOPE: f64 = 1e15;
/// Scores beyond these many bits say no more about the curve.
const LEAST_BITS: f64 = -8.0;
const MOST_BITS: f64 = 12.0;
/// Slopes that are believed.
const LEAST_SLOPE: f64 = 0.4;
const MOST_SLOPE: f64 = 1.5;
const MOST_STEPS: usize = 50;

/// A score in bits, and how surely the pair is one person: 0 or 1 if somebody says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) bits: f64,
    pub(super) same: f64,
}

/// Calibrated bits = slope · bits + intercept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

impl Line {
    /// What an uncalibrated model has.
    pub(super) const PLAIN: Self = Self { slope: 1.0, intercept: 0.0 };

    /// Calibrated bits.
    pub(super) fn at(self, bits: f64) -> f64 {
        self.slope * bits + self.intercept
    }
}

/// Probability of so many bits.
pub(super) fn probability(bits: f64) -> f64 {
    1.0 / (1.0 + libm::exp2(-bits.clamp(-200.0, 200.0)))
}

/// How firmly a curve is held: twice the penalties of the squares of what slope and intercept move by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ridges {
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

impl Ridges {
    /// The same with a slope that does not move.
    pub(super) fn with_fixed_slope(self) -> Self {
        Self { slope: FIXED_SLOPE, ..self }
    }
}

/// A slope that is believed.
pub(super) fn believed(slope: f64) -> f64 {
    slope.clamp(LEAST_SLOPE, MOST_SLOPE)
}

/// The curve through labels, held towards `start` by the ridges, with a slope that is believed; the intercept is that of this slope. O(pairs).
pub(super) fn fit(judged: &[Judged], start: Line) -> Line {
    let pairs = judged.iter().map(|one| (*one, 1.0));
    let free = climbed(&pairs, start, RIDGES);
    let held = Line { slope: believed(free.slope), ..start };
    let moved = (held.slope - free.slope).abs() > 0.0;
    if moved { Line { slope: held.slope, ..climbed(&pairs, held, RIDGES.with_fixed_slope()) } } else { free }
}

/// The curve of greatest likelihood through weighed pairs, held towards `start` (Platt 1999): Newton's method. `start` itself without any pair.
pub(super) fn climbed(judged: &(impl Iterator<Item = (Judged, f64)> + Clone), start: Line, ridges: Ridges) -> Line {
    let ln2 = core::f64::consts::LN_2;
    let mut line = start;
    for _ in 0..MOST_STEPS {
        let (mut slope, mut intercept) =
            (-ridges.slope * (line.slope - start.slope), -ridges.intercept * (line.intercept - start.intercept));
        let (mut ss, mut si, mut ii) = (ridges.slope, 0.0, ridges.intercept);
        for (one, weight) in judged.clone() {
            let bits = one.bits.clamp(LEAST_BITS, MOST_BITS);
            let p = probability(line.at(bits));
            let error = weight * (one.same - p) * ln2;
            slope += error * bits;
            intercept += error;
            let curvature = weight * p * (1.0 - p) * ln2 * ln2;
            ss += curvature * bits * bits;
            si += curvature * bits;
            ii += curvature;
        }
        // Positive definite: both ridges are positive.
        let determinant = ss * ii - si * si;
        let step = ((ii * slope - si * intercept) / determinant, (ss * intercept - si * slope) / determinant);
        // A step of more than this is the start of an oscillation far from the optimum.
        line.slope += step.0.clamp(-0.5, 0.5);
        line.intercept += step.1.clamp(-4.0, 4.0);
        if step.0.abs().max(step.1.abs()) < 1e-6 {
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::sample::Draw;
    use super::*;

    /// Pairs whose scores claim `claimed` but are right as often as `line` says.
    fn judged(count: usize, line: Line) -> Vec<Judged> {
        let mut draw = Draw::new(11);
        let mut unit = move || f64::from(u32::try_from(draw.below(1 << 30)).expect("small")) / f64::from(1 << 30);
        (0..count)
            .map(|_| {
                let bits = 14.0 * unit() - 6.0;
                Judged { bits, same: f64::from(u8::from(unit() < probability(line.at(bits)))) }
            })
            .collect()
    }

    #[test]
    fn the_curve_behind_the_pairs_is_found() {
        for truth in [Line { slope: 0.7, intercept: 1.0 }, Line { slope: 1.2, intercept: -1.5 }] {
            let found = fit(&judged(20_000, truth), Line::PLAIN);
            assert!((found.slope - truth.slope).abs() < 0.03, "{found:?}");
            assert!((found.intercept - truth.intercept).abs() < 0.1, "{found:?}");
        }
    }

    #[test]
    fn few_pairs_move_it_little_and_none_not_at_all() {
        assert_eq!(fit(&[], Line::PLAIN), Line::PLAIN);
        let found = fit(&[Judged { bits: 3.0, same: 0.0 }], Line::PLAIN);
        assert!((found.slope - 1.0).abs() < 0.2 && found.intercept.abs() < 0.5, "{found:?}");
        let start = Line { slope: 0.8, intercept: 0.5 };
        assert_eq!(fit(&[], start), start);
    }

    #[test]
    fn slopes_stay_within_reason() {
        let wrong: Vec<Judged> = (0..1000).map(|_| Judged { bits: 8.0, same: 0.0 }).collect();
        assert!(fit(&wrong, Line::PLAIN).slope >= LEAST_SLOPE);
        // Half of them right: the slope ends at its bound, and the intercept says what was seen nevertheless.
        let half: Vec<Judged> = (0..2000).map(|place| Judged { bits: 11.0, same: f64::from(place % 2) }).collect();
        let found = fit(&half, Line::PLAIN);
        assert!((found.slope - LEAST_SLOPE).abs() < 1e-6, "{found:?}");
        assert!((probability(found.at(11.0)) - 0.5).abs() < 0.02, "{found:?}");
    }
}
