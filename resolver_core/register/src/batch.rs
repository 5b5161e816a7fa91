//! Several lookups by one call: each is answered as a call of its own would be, and fails alone.
//!
//! Budgets are reserved before an answer is known (ADR 0015), so lookups at once need at once what they would need one after the other for
//! a moment only. Those of one call therefore go in waves: what finds the budget taken by others of the same call waits until those are answered, and is
//! refused once a wave has given nothing back.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::answer::{Answer, Outcome};
use crate::call::within;
use crate::credentials::Credential;
use crate::lookup::{Admitted, Desk, Failed};
use crate::proto::{BatchLookupRequest, BatchLookupResponse, BatchLookupResult, LookupRequest, batch_lookup_result};
use crate::refusal::{Refusal, Violation};

/// Requests of one call.
const MOST: usize = 100;

/// One result for each request, in their order, none later than the deadline.
pub(crate) async fn answers(
    desk: &Arc<Desk>,
    asked: BatchLookupRequest,
    admitted: &mut Admitted,
    deadline: Instant,
) -> Result<BatchLookupResponse, Refusal> {
    let count = asked.requests.len();
    if !(1..=MOST).contains(&count) {
        return Err(Refusal::fields(vec![Violation::new("requests", format!("1 to {MOST}"))]));
    }
    admitted.take(count - 1, desk.limits.in_flight)?;
    let caller = admitted.credential.as_ref();
    let mut results: Vec<Option<BatchLookupResult>> = (0..count).map(|_| None).collect();
    let mut waiting: Vec<(usize, LookupRequest)> = asked.requests.into_iter().enumerate().collect();
    while !waiting.is_empty() {
        let wave = wave(desk, waiting, caller, deadline).await;
        waiting = Vec::new();
        for (place, request, ended) in wave.ended {
            match ended {
                Err(Failed::OverBudget(..)) if wave.gave_back => waiting.push((place, request)),
                ended => results[place] = Some(result(ended.map_err(|failed| desk.told(failed, caller)))),
            }
        }
    }
    // A task that was lost left no result, and no other than a fault of ours loses one.
    let lost = || result(Err(Refusal::internal()));
    Ok(BatchLookupResponse { results: results.into_iter().map(|result| result.unwrap_or_else(lost)).collect() })
}

type Ended = Result<Answer, Failed>;

struct Wave {
    ended: Vec<(usize, LookupRequest, Ended)>,
    /// Whether somebody's reserved miss was given back, so that another may have it.
    gave_back: bool,
}

async fn wave(
    desk: &Arc<Desk>,
    requests: Vec<(usize, LookupRequest)>,
    caller: Option<&Credential>,
    deadline: Instant,
) -> Wave {
    let mut running = JoinSet::new();
    for (place, request) in requests {
        let (desk, caller) = (Arc::clone(desk), caller.cloned());
        running.spawn(async move {
            let tried = async { Ok(desk.try_lookup(&request, caller.as_ref()).await) };
            let ended = within(deadline, tried).await.unwrap_or_else(|late| Err(Failed::Refused(late)));
            (place, request, ended)
        });
    }
    let mut ended = Vec::with_capacity(running.len());
    while let Some(one) = running.join_next().await {
        ended.extend(one.ok());
    }
    // In the order of the requests, so that the budget goes to the first ones.
    ended.sort_unstable_by_key(|(place, ..)| *place);
    let gave_back = ended.iter().any(|(_, _, one)| match one {
        Ok(answer) => answer.outcome != Outcome::NotFound,
        Err(failed) => matches!(failed, Failed::Refused(_)),
    });
    Wave { ended, gave_back }
}

fn result(ended: Result<Answer, Refusal>) -> BatchLookupResult {
    let result = match ended.and_then(|answer| answer.message()) {
        Ok(response) => batch_lookup_result::Result::Response(response),
        Err(refusal) => batch_lookup_result::Result::Failure(refusal.failure()),
    };
    BatchLookupResult { result: Some(result) }
}
