//! Finds what a register may show for an identifier: the cache first, the ledger for what the cache lacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use goldthread_matching::{Digest32, TokenMaker};
use http::HeaderMap;

use crate::account::{Reserved, Spent};
use crate::answer::{Answer, Entry, Source};
use crate::cache::{Cache, Tokens};
use crate::counts::{Budget, Counts, Read};
use crate::credentials::{Credential, Credentials};
use crate::journal;
use crate::misses::{Misses, TooMany};
use crate::places::{Place, Places};
use crate::proto::LookupRequest;
use crate::refusal::Refusal;
use crate::request;
use crate::settings::CallLimits;

/// Everything that a lookup needs, shared by all connections.
pub(crate) struct Desk {
    pub(crate) limits: CallLimits,
    pub(crate) max_metadata_bytes: usize,
    pub(crate) counts: Arc<Counts>,
    pub(crate) credentials: Option<Arc<Credentials>>,
    pub(crate) maker: TokenMaker,
    pub(crate) cache: Cache,
    pub(crate) misses: Arc<Misses>,
    pub(crate) running: Places,
}

/// A call that is let in; its places are free again when this is dropped.
pub(crate) struct Admitted {
    pub(crate) credential: Option<Credential>,
    place: Place,
}

impl Admitted {
    /// Takes places for so many more lookups, if all of them are free.
    pub(crate) fn take(&mut self, more: usize, most: usize) -> Result<(), Refusal> {
        if self.place.grow(more, most) { Ok(()) } else { Err(Refusal::too_many_calls()) }
    }
}

/// What a lookup costs whom.
struct Paying<'a> {
    credential: &'a Credential,
    reserved: Reserved,
}

/// Why a lookup has no answer.
pub(crate) enum Failed {
    /// The credential's budget is used up, or reserved by lookups in progress, for so long.
    OverBudget(Budget, Duration),
    /// Anything else.
    Refused(Refusal),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Spent> for Failed {
    fn from((budget, wait): Spent) -> Self {
        Self::OverBudget(budget, wait)
    }
}

impl Desk {
    /// Lets a call in: its metadata fit, its credential is known, and there are not too many already.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Refusal> {
        let credential = self.recognise(headers)?;
        let place = self.running.take_below(self.limits.in_flight).ok_or_else(Refusal::too_many_calls)?;
        Ok(Admitted { credential, place })
    }

    /// Who calls, if that is checked.
    pub(crate) fn recognise(&self, headers: &HeaderMap) -> Result<Option<Credential>, Refusal> {
        // As HTTP/2 counts them: 32 bytes for each beside name and value.
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        if bytes > self.max_metadata_bytes {
            return Err(Refusal::metadata_too_large());
        }
        self.credentials.as_ref().map(|known| known.authenticate(headers)).transpose()
    }

    /// The answer to a request; whoever calls bounds the time.
    pub(crate) async fn lookup(&self, request: &LookupRequest, admitted: &Admitted) -> Result<Answer, Refusal> {
        let caller = admitted.credential.as_ref();
        self.try_lookup(request, caller).await.map_err(|failed| self.told(failed, caller))
    }

    /// The same, for whoever may try again when budget was given back.
    pub(crate) async fn try_lookup(&self, request: &LookupRequest, caller: Option<&Credential>) -> Result<Answer, Failed> {
        let wanted = request::read(request, &self.maker)?;
        let answer = match wanted.tokens {
            None => Answer::not_found(Source::Nowhere),
            Some(tokens) => self.paid(tokens, wanted.min_version, caller).await?,
        };
        self.counts.outcome(answer.outcome);
        Ok(answer)
    }

    /// What the caller is told; a spent budget is counted, and logged now and then.
    pub(crate) fn told(&self, failed: Failed, caller: Option<&Credential>) -> Refusal {
        let (budget, wait) = match failed {
            Failed::Refused(refusal) => return refusal,
            Failed::OverBudget(budget, wait) => (budget, wait),
        };
        self.counts.refused(budget);
        if let Some(credential) = caller.filter(|credential| credential.account.tell(Instant::now())) {
            journal::warning("lookup_budget_spent", &[("credential", &credential.name), ("budget", budget.name())]);
        }
        Refusal::over_budget(budget, wait)
    }

    async fn paid(&self, tokens: Tokens, min_version: i64, caller: Option<&Credential>) -> Result<Answer, Failed> {
        let Some(credential) = caller else { return self.answer(tokens, min_version, &mut None).await };
        let reserved = credential.account.reserve(&tokens.0, Instant::now())?;
        let mut paying = Some(Paying { credential, reserved });
        let answer = self.answer(tokens, min_version, &mut paying).await?;
        if let Some(paying) = paying {
            paying.reserved.settle(answer.outcome);
        }
        Ok(answer)
    }

    /// The first answer that is not `NOT_FOUND`, by priority of the tokens.
    async fn answer(&self, tokens: Tokens, min_version: i64, paying: &mut Option<Paying<'_>>) -> Result<Answer, Failed> {
        let Cached { generation, entries: cached, too_old } = self.cached(tokens, min_version).await;
        let [first, second] = &cached;
        if let Some(entry) = first.as_ref().filter(|entry| !entry.negative()) {
            return Ok(Answer::of(entry, Source::Cache));
        }
        if let Some(paying) = paying {
            // From here on a caller who hears nothing knows that the cache has no card. If it did not answer, its silence says nothing.
            if !generation.is_empty() {
                paying.reserved.learnt();
            }
            if too_old {
                paying.reserved.too_old(Instant::now())?;
            }
        }
        let own = paying.as_ref().map(|paying| &paying.credential.account.questions);
        // What a token of lower priority says matters only if the one above it is unknown, which the ledger may yet deny.
        let ask_first = first.is_none().then_some(tokens.0);
        let ask_second = tokens.1.filter(|_| second.is_none());
        let (first_loaded, second_loaded) = tokio::try_join!(
            self.loaded(ask_first, min_version, &generation, own),
            self.loaded(ask_second, min_version, &generation, own),
        )?;
        let source = if ask_first.or(ask_second).is_some() { Source::Ledger } else { Source::Cache };
        let by_priority = [
            (first_loaded.as_ref(), Source::Ledger),
            (second_loaded.as_ref(), Source::Ledger),
            (second.as_ref(), Source::Cache),
        ];
        let told = by_priority
            .into_iter()
            .find_map(|(entry, source)| entry.filter(|entry| !entry.negative()).map(|entry| Answer::of(entry, source)));
        Ok(told.unwrap_or_else(|| Answer::not_found(source)))
    }

    /// What the cache says; nothing if it does not answer.
    async fn cached(&self, tokens: Tokens, min_version: i64) -> Cached {
        let count = 1 + usize::from(tokens.1.is_some());
        let Ok(found) = self.cache.read(tokens).await else {
            for _ in 0..count {
                self.counts.read(Read::Error);
            }
            return Cached { generation: Bytes::new(), entries: [None, None], too_old: false };
        };
        let mut cached = Cached { generation: found.generation, entries: found.entries, too_old: false };
        for entry in &mut cached.entries[..count] {
            let read = match entry {
                None => Read::Miss,
                // Versions fit into what the ledger's numbers hold, so a minimum of 0 or more compares as it is.
                Some(found) if found.version < min_version.unsigned_abs() => Read::Stale,
                Some(_) => Read::Hit,
            };
            self.counts.read(read);
            cached.too_old |= matches!(read, Read::Stale);
            if !matches!(read, Read::Hit) {
                *entry = None;
            }
        }
        cached
    }

    async fn loaded(
        &self,
        token: Option<Digest32>,
        min_version: i64,
        generation: &Bytes,
        own: Option<&Places>,
    ) -> Result<Option<Entry>, Refusal> {
        let Some(token) = token else { return Ok(None) };
        let asked = self.misses.ask(token, min_version, generation, own);
        match asked.map_err(|TooMany| Refusal::too_many_misses())?.await {
            Ok(answer) => answer.map(Some).map_err(Refusal::ledger),
            Err(_) => Err(Refusal::internal()),
        }
    }
}

/// What the cache said of the tokens of a lookup.
struct Cached {
    /// Generation under which it was found; empty if the cache did not answer.
    generation: Bytes,
    /// Entries that may be used.
    entries: [Option<Entry>; 2],
    /// Whether an entry is there that the caller's minimum forbids.
    too_old: bool,
}
