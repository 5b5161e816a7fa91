//! What one credential may learn.
//!
//! A lookup is an oracle: who asks for numbers one after the other learns of each whether it is a customer's. Both answers teach: `NOT_FOUND`
//! and a card. So an account has two budgets. `misses` is spent by `NOT_FOUND`, whoever said it, and is tight: a till asks for what a customer
//! shows, which is hardly ever unknown a hundred times an hour. `answers` is spent by every identifier that was not asked for just before,
//! and bounds what a list of likely numbers teaches. Repeats of the last identifiers cost nothing: they teach nothing new.
//!
//! Both are reserved before anything is read and settled afterwards, for two reasons. An account without misses must be refused before its
//! answer is known, or being refused would *be* the answer; and calls at once must not learn more than there is left between them.
//!
//! What is given back depends on what could be learnt, never on what was answered. Once the cache has said that it has no card, whatever comes
//! next tells the caller so: an error, a deadline that was made too short for the ledger, a connection that was closed. From then on the miss is
//! spent, and only the ledger's word that somebody is known gives it back. The identifier counts as asked for, so asking again is free.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use goldthread_matching::Digest32;

use crate::answer::Outcome;
use crate::counts::Budget;
use crate::places::Places;

/// A day's budget is that of so many minutes.
const MINUTES_A_DAY: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Identifiers that may be repeated for nothing.
const RECENT: usize = 64;

/// How many lookups a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) misses: u32,
    pub(crate) answers: u32,
}

/// A budget that fills up again evenly.
#[derive(Debug)]
struct Bucket {
    level: f64,
    capacity: f64,
    per_second: f64,
    filled: Instant,
}

impl Bucket {
    fn new(capacity: u32, time: Duration, now: Instant) -> Self {
        let capacity = f64::from(capacity);
        Self { level: capacity, capacity, per_second: capacity / time.as_secs_f64(), filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.capacity);
        self.filled = self.filled.max(now);
    }

    fn give_back(&mut self) {
        self.level = (self.level + 1.0).min(self.capacity);
    }

    /// Time until there is one; zero if there is.
    fn wait(&self) -> Duration {
        if self.level >= 1.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64((1.0 - self.level) / self.per_second).unwrap_or(DAY).min(DAY)
    }
}

/// A minute's and a day's bucket.
#[derive(Debug)]
struct Buckets([Bucket; 2]);

impl Buckets {
    fn new(per_minute: u32, now: Instant) -> Self {
        let a_day = per_minute.saturating_mul(MINUTES_A_DAY);
        Self([Bucket::new(per_minute, MINUTE, now), Bucket::new(a_day, DAY, now)])
    }

    fn wait(&mut self, now: Instant) -> Duration {
        let waits = self.0.iter_mut().map(|bucket| {
            bucket.fill(now);
            bucket.wait()
        });
        waits.max().unwrap_or_default()
    }

    fn take(&mut self) {
        for bucket in &mut self.0 {
            bucket.level -= 1.0;
        }
    }

    fn give_back(&mut self) {
        for bucket in &mut self.0 {
            bucket.give_back();
        }
    }
}

#[derive(Debug)]
struct State {
    misses: Buckets,
    answers: Buckets,
    recent: [u64; RECENT],
    oldest: usize,
    told: Option<Instant>,
}

/// The budgets of one credential.
#[derive(Debug)]
pub(crate) struct Account {
    allowance: Allowance,
    state: Mutex<State>,
    /// Questions to the ledger that are open for it.
    pub(crate) questions: Places,
    /// Calls of other services that are handed on for it.
    pub(crate) handed_on: Places,
}

impl Account {
    pub(crate) fn new(allowance: Allowance, now: Instant) -> Self {
        Self {
            allowance,
            state: Mutex::new(State {
                misses: Buckets::new(allowance.misses, now),
                answers: Buckets::new(allowance.answers, now),
                recent: [0; RECENT],
                oldest: 0,
                told: None,
            }),
            questions: Places::default(),
            handed_on: Places::default(),
        }
    }

    pub(crate) fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// Whether somebody should be told that the budget is spent: once a minute.
    pub(crate) fn tell(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let due = state.told.is_none_or(|told| now.saturating_duration_since(told) >= MINUTE);
        if due {
            state.told = Some(now);
        }
        due
    }

    /// Takes what a lookup of this token may cost; or says what is used up, and for how long.
    pub(crate) fn reserve(self: &Arc<Self>, token: &Digest32, now: Instant) -> Result<Reserved, Spent> {
        let mark = mark_of(token);
        let mut state = self.lock();
        let repeated = state.recent.contains(&mark);
        if !repeated {
            state.refuse_if_spent(now, &[Budget::Misses, Budget::Answers])?;
            state.misses.take();
            state.answers.take();
        }
        let price = if repeated { Price::Nothing } else { Price::Both };
        Ok(Reserved { account: Arc::clone(self), mark, price })
    }

    /// Nothing inside can panic half-way, so a poisoned lock guards whole data.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuse_if_spent(&mut self, now: Instant, budgets: &[Budget]) -> Result<(), Spent> {
        for budget in budgets {
            let buckets = if *budget == Budget::Misses { &mut self.misses } else { &mut self.answers };
            let wait = buckets.wait(now);
            if !wait.is_zero() {
                return Err((*budget, wait));
            }
        }
        Ok(())
    }

    fn remember(&mut self, mark: u64) {
        let place = self.oldest;
        self.recent[place] = mark;
        self.oldest = (place + 1) % RECENT;
    }
}

/// Zero marks an empty place, and no token in practice.
fn mark_of(token: &Digest32) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&token[..8]);
    u64::from_le_bytes(bytes).max(1)
}

/// What is used up, and for how long.
pub(crate) type Spent = (Budget, Duration);

/// What was taken and may yet be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Price {
    /// The identifier was asked for just before, or everything is settled.
    Nothing,
    /// A miss and an answer; nothing has been learnt.
    Both,
    /// The same; it is known by now that the cache has no card.
    BothAndLearnt,
}

/// What a lookup in progress has taken. Dropped without an answer it gives everything back, unless something was learnt.
#[derive(Debug)]
pub(crate) struct Reserved {
    account: Arc<Account>,
    mark: u64,
    price: Price,
}

impl Reserved {
    /// The cache has said that it has no card to show.
    pub(crate) fn learnt(&mut self) {
        if self.price == Price::Both {
            self.price = Price::BothAndLearnt;
        }
    }

    /// The caller's minimum made a stored answer too old. A repeat, else free, now costs an answer: a minimum that nothing can satisfy would
    /// else lead past cache and budget for ever.
    pub(crate) fn too_old(&mut self, now: Instant) -> Result<(), Spent> {
        if self.price == Price::Nothing {
            let mut state = self.account.lock();
            state.refuse_if_spent(now, &[Budget::Answers])?;
            state.answers.take();
        }
        Ok(())
    }

    /// Keeps what the answer costs and gives back the rest.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.price, Price::Nothing) == Price::Nothing {
            return;
        }
        let mut state = self.account.lock();
        if outcome != Outcome::NotFound {
            state.misses.give_back();
        }
        state.remember(self.mark);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        match self.price {
            Price::Nothing => {}
            Price::Both => {
                let mut state = self.account.lock();
                state.misses.give_back();
                state.answers.give_back();
            }
            Price::BothAndLearnt => self.account.lock().remember(self.mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u32) -> Digest32 {
        let mut token = [9; 32];
        token[..4].copy_from_slice(&number.to_be_bytes());
        token
    }

    fn account(misses: u32, answers: u32, now: Instant) -> Arc<Account> {
        Arc::new(Account::new(Allowance { misses, answers }, now))
    }

    /// How many of `numbers` are answered, if every third is a customer's.
    fn learnt(account: &Arc<Account>, numbers: impl Iterator<Item = u32>, at: impl Fn(u32) -> Instant) -> (u32, u32) {
        let (mut found, mut unknown) = (0, 0);
        for number in numbers {
            let Ok(reserved) = account.reserve(&token(number), at(number)) else { continue };
            if number % 3 == 0 {
                found += 1;
                reserved.settle(Outcome::Found);
            } else {
                unknown += 1;
                reserved.settle(Outcome::NotFound);
            }
        }
        (found, unknown)
    }

    #[test]
    fn sequential_numbers_teach_no_more_than_the_budget() {
        let now = Instant::now();
        let (found, unknown) = learnt(&account(30, 300, now), 0..100_000, |_| now);
        assert_eq!(unknown, 30);
        assert!(found <= 16, "{found}");
        // Spread over two days: what two days allow, and the first minute's.
        let slow = account(30, 300, now);
        let pace = |number: u32| now + Duration::from_secs_f64(1.728 * f64::from(number));
        let (_, unknown) = learnt(&slow, 0..100_000, pace);
        assert!((3600..=5400).contains(&unknown), "{unknown}");
    }

    #[test]
    fn a_list_of_customers_teaches_no_more_than_the_answers() {
        let now = Instant::now();
        let (found, unknown) = learnt(&account(30, 300, now), (0..30_000).map(|number| number * 3), |_| now);
        assert_eq!((found, unknown), (300, 0));
    }

    #[test]
    fn without_misses_everything_new_is_refused_before_its_answer_is_known() {
        let now = Instant::now();
        let account = account(1, 100, now);
        account.reserve(&token(1), now).expect("budget").settle(Outcome::NotFound);
        let (budget, wait) = account.reserve(&token(3), now).expect_err("nothing left");
        assert_eq!(budget, Budget::Misses);
        assert!((wait.as_secs_f64() - 60.0).abs() < 0.01);
        assert!(account.reserve(&token(1), now).is_ok(), "a repeat teaches nothing");
        assert!(account.reserve(&token(3), now + wait + Duration::from_millis(1)).is_ok());
    }

    #[test]
    fn a_spent_budget_is_told_once_a_minute() {
        let now = Instant::now();
        let account = account(1, 1, now);
        assert!(account.tell(now) && !account.tell(now + MINUTE / 2) && account.tell(now + MINUTE));
    }

    #[test]
    fn calls_at_once_share_what_is_left() {
        let now = Instant::now();
        let account = account(2, 100, now);
        let first = account.reserve(&token(1), now).expect("budget");
        let second = account.reserve(&token(2), now).expect("budget");
        assert!(account.reserve(&token(3), now).is_err());
        drop(first);
        let third = account.reserve(&token(3), now).expect("given back");
        second.settle(Outcome::Found);
        third.settle(Outcome::Found);
        let state = account.state.lock().expect("whole");
        assert!((state.misses.0[0].level - 2.0).abs() < 1e-9);
        assert!((state.answers.0[0].level - 98.0).abs() < 1e-9);
    }

    #[test]
    fn what_the_cache_said_is_paid_for_however_the_call_ends() {
        let now = Instant::now();
        let account = account(2, 100, now);
        for number in [1, 2] {
            let mut reserved = account.reserve(&token(number), now).expect("budget");
            reserved.learnt();
            drop(reserved);
        }
        assert_eq!(account.reserve(&token(3), now).expect_err("spent").0, Budget::Misses);
        let mut again = account.reserve(&token(1), now).expect("a repeat is free");
        again.learnt();
        again.settle(Outcome::Found);
        let state = account.lock();
        assert!(state.misses.0[0].level < 1.0 && (state.answers.0[0].level - 98.0).abs() < 1e-9);
    }

    #[test]
    fn only_the_ledgers_word_gives_a_learnt_miss_back() {
        let now = Instant::now();
        let account = account(1, 100, now);
        for (number, outcome) in [(1, Outcome::Found), (2, Outcome::Ambiguous), (3, Outcome::NotFound)] {
            let mut reserved = account.reserve(&token(number), now).expect("given back");
            reserved.learnt();
            reserved.settle(outcome);
        }
        assert!(account.reserve(&token(4), now).is_err());
    }

    #[test]
    fn a_repeat_that_leads_past_the_cache_costs_an_answer() {
        let now = Instant::now();
        let account = account(100, 3, now);
        let mut first = account.reserve(&token(1), now).expect("budget");
        first.too_old(now).expect("paid for already");
        first.settle(Outcome::Found);
        for _ in 0..2 {
            let mut again = account.reserve(&token(1), now).expect("a repeat");
            again.too_old(now).expect("an answer is left");
            again.settle(Outcome::Found);
        }
        let mut last = account.reserve(&token(1), now).expect("a repeat");
        assert_eq!(last.too_old(now).expect_err("none is left").0, Budget::Answers);
    }
}
