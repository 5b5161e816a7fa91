//! One call from its beginning to its end: its deadline, its id, and the moment in which it is counted.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};
use tonic::Code;

use crate::counts::{Counts, Method};
use crate::refusal::Refusal;

/// The library's timer for the caller's deadline may fire this much before ours.
const TIMER_SKEW: Duration = Duration::from_millis(10);
/// Header of the caller's id.
pub(crate) const REQUEST_ID: &str = "x-request-id";
const MAX_REQUEST_ID: usize = 64;
const DEADLINE: &str = "grpc-timeout";

/// A call. Dropped before its end it is counted as cancelled, or as late if its caller stopped waiting.
pub(crate) struct Call {
    counts: Arc<Counts>,
    method: Method,
    begun: Instant,
    /// When nobody waits any more: the caller's deadline, or the service's if sooner.
    pub(crate) deadline: Instant,
    code: Option<Code>,
}

impl Call {
    pub(crate) fn begin(counts: &Arc<Counts>, method: Method, headers: &HeaderMap, most: Duration) -> Self {
        counts.begun(method);
        let begun = Instant::now();
        let allowed = allowed(headers).unwrap_or(most);
        Self { counts: Arc::clone(counts), method, begun, deadline: begun + allowed.min(most), code: None }
    }

    pub(crate) fn end(mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let now = Instant::now();
        let late = now + TIMER_SKEW >= self.deadline;
        let code = self.code.unwrap_or(if late { Code::DeadlineExceeded } else { Code::Cancelled });
        self.counts.ended(self.method, code, now - self.begun);
    }
}

/// What the work gives if it ends in time.
pub(crate) async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = |_| Err(Refusal::deadline("neither cache nor ledger answered in time"));
    timeout_at(deadline, work).await.unwrap_or_else(late)
}

/// The caller's id if it is well formed, else a new one.
pub(crate) fn request_id(header: Option<&HeaderValue>) -> String {
    let given = header.and_then(|value| value.to_str().ok());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    match given {
        Some(id) if (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(allowed) => id.to_owned(),
        _ => {
            let mut bytes = [0; 16];
            // Without random bytes ids repeat, and nothing else goes wrong.
            let _ = getrandom::fill(&mut bytes);
            format!("{:032x}", u128::from_be_bytes(bytes))
        }
    }
}

/// How long the caller waits, if it says so.
pub(crate) fn allowed(headers: &HeaderMap) -> Option<Duration> {
    headers.get(DEADLINE).and_then(|value| time_of(value.as_bytes()))
}

/// The time of a `grpc-timeout` header.
fn time_of(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().expect("a name"), value.parse().expect("a value"))])
    }

    #[test]
    fn the_sooner_deadline_counts() {
        let counts = Arc::new(Counts::new(&[]));
        let most = Duration::from_millis(250);
        for (value, expected) in [
            ("1H", most),
            ("100m", Duration::from_millis(100)),
            ("7u", Duration::from_micros(7)),
            ("x", most),
            ("123456789m", most),
        ] {
            let call = Call::begin(&counts, Method::Grpc, &headers(DEADLINE, value), most);
            assert_eq!(call.deadline - call.begun, expected, "{value}");
        }
        // Each was dropped before its end: in time, or with its deadline at hand.
        let codes: Vec<&str> = counts.calls().iter().map(|call| call.code).collect();
        assert_eq!(codes, ["CANCELLED", "DEADLINE_EXCEEDED"]);
    }

    #[test]
    fn a_request_id_is_the_callers_if_well_formed() {
        let named = |id: &str| request_id(headers(REQUEST_ID, id).get(REQUEST_ID));
        assert_eq!(named("till-7_A"), "till-7_A");
        for bad in ["", "no good!", &"x".repeat(65)] {
            let made = named(bad);
            assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
        }
    }
}
