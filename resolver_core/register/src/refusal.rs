//! What a refused caller is told: the reasons, codes and details of `domain/errors.py` and `rpc/status.py`, as far as lookups know them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::counts::{Budget, code_name};
use crate::misses::Fault;
use crate::proto::{self, Failure};

/// Domain of every `ErrorInfo`.
const DOMAIN: &str = "goldthread.dev";
/// What the types of problems begin with; their reasons follow.
const PROBLEM: &str = "tag:goldthread.dev,2026:";
const RETRY: Duration = Duration::from_millis(100);
/// Key of the verb that a path has.
const ALLOW: &str = "allow";
const MAX_TEXT: usize = 256;
/// Limits in the metadata of OVERLOADED.
const CALLS: &str = "goldthread.v1.LookupService";
const HANDED_ON: &str = "calls of other services";
const QUESTIONS: &str = "goldthread.v1.LookupService questions to the ledger";

/// A broken field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) field: &'static str,
    pub(crate) description: String,
}

impl Violation {
    pub(crate) fn new(field: &'static str, description: impl Into<String>) -> Self {
        Self { field, description: description.into() }
    }
}

/// Why a call was refused. Nothing in it is personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    reason: String,
    message: String,
    metadata: Vec<(String, String)>,
    retry: Option<Duration>,
    violations: Vec<Violation>,
}

impl Refusal {
    fn new(code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            metadata: Vec::new(),
            retry: None,
            violations: Vec::new(),
        }
    }

    fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.push((key.to_owned(), value.into()));
        self
    }

    fn again(mut self, after: Duration) -> Self {
        self.retry = Some(after);
        self
    }

    /// Broken fields, all of them.
    pub(crate) fn fields(violations: Vec<Violation>) -> Self {
        Self::invalid(violations, "INVALID_FIELD")
    }

    /// Bytes that are not the message.
    pub(crate) fn malformed() -> Self {
        Self::invalid(vec![Violation::new("", "the bytes are not the message of this method")], "MALFORMED")
    }

    /// A request above the limit.
    pub(crate) fn too_large(most: usize) -> Self {
        Self::invalid(vec![Violation::new("", format!("the request is larger than {most} bytes"))], "TOO_LARGE")
    }

    fn invalid(violations: Vec<Violation>, detail: &str) -> Self {
        let fields = violations.iter().map(|violation| violation.field).collect::<Vec<_>>().join(",");
        let refusal = Self::new(Code::InvalidArgument, "INVALID_ARGUMENT", format!("invalid: {fields}"));
        Self { violations, ..refusal.with("fields", fields).with("detail", detail) }
    }

    /// Time is over; `message` says whose.
    pub(crate) fn deadline(message: &'static str) -> Self {
        Self::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message).again(RETRY)
    }

    /// More calls at once than are admitted.
    pub(crate) fn too_many_calls() -> Self {
        Self::overloaded(CALLS)
    }

    /// More questions to the ledger at once than are admitted.
    pub(crate) fn too_many_misses() -> Self {
        Self::overloaded(QUESTIONS)
    }

    /// More calls handed on at once than are admitted.
    pub(crate) fn too_many_handed_on() -> Self {
        Self::overloaded(HANDED_ON)
    }

    fn overloaded(limit: &str) -> Self {
        Self::new(Code::ResourceExhausted, "OVERLOADED", format!("too many at once: {limit}"))
            .with("limit", limit)
            .again(RETRY)
    }

    /// The credential has learnt what it may for now.
    pub(crate) fn over_budget(budget: Budget, wait: Duration) -> Self {
        Self::new(Code::ResourceExhausted, "BUDGET_EXHAUSTED", format!("no budget left for now: {}", budget.name()))
            .with("budget", budget.name())
            .again(wait)
    }

    /// No credential, or one that nobody knows.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "UNAUTHENTICATED", "a known credential is required: authorization: Bearer …")
    }

    /// The credential is for lookups alone.
    pub(crate) fn out_of_scope() -> Self {
        Self::new(Code::PermissionDenied, "PERMISSION_DENIED", "the credential is for lookups only")
    }

    /// Metadata above the limit.
    pub(crate) fn metadata_too_large() -> Self {
        Self::new(Code::ResourceExhausted, "METADATA_TOO_LARGE", "the call's metadata is larger than allowed")
    }

    /// A message that is compressed, which nobody offered to read.
    pub(crate) fn compressed() -> Self {
        Self::new(Code::Unimplemented, "UNIMPLEMENTED", "compressed messages are not read")
    }

    /// The server that has the other services does not answer.
    pub(crate) fn unreachable() -> Self {
        Self::new(Code::Unavailable, "UNAVAILABLE", "the service does not answer").again(RETRY)
    }

    /// There is no such path.
    pub(crate) fn unknown_path() -> Self {
        Self::new(Code::NotFound, "UNKNOWN_PATH", "there is no such path")
    }

    /// The path is there, for another verb.
    pub(crate) fn other_verb(verb: &'static str) -> Self {
        Self::new(Code::Unimplemented, "METHOD_NOT_ALLOWED", format!("the method is {verb}")).with(ALLOW, verb)
    }

    /// The body is of a kind that is not read.
    pub(crate) fn other_content() -> Self {
        Self::new(Code::InvalidArgument, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json")
    }

    /// There is no such method.
    pub(crate) fn unknown_method() -> Self {
        Self::new(Code::Unimplemented, "UNIMPLEMENTED", "there is no such method")
    }

    /// The request itself broke off, or a fault of ours; shows nothing of it.
    pub(crate) fn internal() -> Self {
        Self::new(Code::Internal, "INTERNAL", "internal error")
    }

    /// What the ledger's side said.
    pub(crate) fn ledger(fault: Fault) -> Self {
        let refusal = Self::new(Code::from_i32(fault.code), &fault.reason, shortened(&fault.message));
        let metadata = fault.metadata.into_iter().map(|(key, value)| (key, shortened(&value))).collect();
        Self { metadata, retry: fault.retryable.then_some(RETRY), ..refusal }
    }

    /// Seconds after which a retry may help, rounded up.
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        self.retry.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }

    /// The verb that the path has instead.
    pub(crate) fn allowed_verb(&self) -> Option<&str> {
        self.metadata.iter().find(|(key, _)| key == ALLOW).map(|(_, verb)| verb.as_str())
    }

    /// The rich status.
    pub(crate) fn status(self, request_id: &str) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(&*self.reason, DOMAIN, self.metadata.into_iter().collect::<HashMap<_, _>>());
        details.set_request_info(request_id, "");
        if let Some(wait) = self.retry {
            details.set_retry_info(Some(wait));
        }
        if !self.violations.is_empty() {
            let field = |one: Violation| FieldViolation::new(one.field, one.description);
            details.set_bad_request(self.violations.into_iter().map(field).collect::<Vec<_>>());
        }
        Status::with_error_details(self.code, self.message, details)
    }

    /// The same as a problem of HTTP (RFC 9457).
    pub(crate) fn problem(&self, request_id: &str) -> Value {
        let metadata: serde_json::Map<_, _> =
            self.metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        let mut problem = json!({
            "type": format!("{PROBLEM}{}", self.reason),
            "title": title(&self.reason),
            "status": self.http(),
            "detail": self.message,
            "code": code_name(self.code),
            "reason": self.reason,
            "domain": DOMAIN,
            "metadata": metadata,
            "requestId": request_id,
        });
        if let Some(wait) = self.retry {
            problem["retryDelay"] = Value::from(format!("{:.3}s", wait.as_secs_f64()));
        }
        if !self.violations.is_empty() {
            let field = |one: &Violation| json!({"field": one.field, "description": one.description});
            problem["violations"] = self.violations.iter().map(field).collect();
        }
        problem
    }

    /// The same as an item of a batch.
    pub(crate) fn failure(self) -> Failure {
        let field = |one: Violation| proto::Violation { field: one.field.to_owned(), description: one.description };
        Failure {
            code: self.code.into(),
            message: self.message,
            reason: self.reason,
            metadata: self.metadata.into_iter().collect(),
            violations: self.violations.into_iter().map(field).collect(),
            retry_delay: self.retry.map(|wait| pbjson_types::Duration {
                seconds: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(wait.subsec_nanos()).unwrap_or_default(),
            }),
        }
    }

    /// The HTTP status of the code, as google.rpc.Code has it; what only HTTP knows has its own.
    pub(crate) fn http(&self) -> u16 {
        match (self.reason.as_str(), self.code) {
            ("METHOD_NOT_ALLOWED", _) => return 405,
            ("UNSUPPORTED_MEDIA_TYPE", _) => return 415,
            _ => {}
        }
        match self.code {
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
            Code::Unauthenticated => 401,
            Code::PermissionDenied => 403,
            Code::NotFound | Code::Unimplemented => 404,
            Code::Aborted | Code::AlreadyExists => 409,
            Code::ResourceExhausted => 429,
            Code::Unavailable => 503,
            Code::DeadlineExceeded => 504,
            _ => 500,
        }
    }
}

/// A reason as people write: `INVALID_ARGUMENT` is "Invalid argument".
fn title(reason: &str) -> String {
    let words = reason.to_ascii_lowercase().replace('_', " ");
    let (first, rest) = words.split_at(usize::from(!words.is_empty()));
    first.to_ascii_uppercase() + rest
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= MAX_TEXT {
        return text.to_owned();
    }
    text.chars().take(MAX_TEXT - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_reason_request_retry_and_fields() {
        let broken = Refusal::fields(vec![Violation::new("a", "x"), Violation::new("b", "y")]);
        let status = broken.clone().status("till-7");
        let details = status.get_error_details();
        let info = details.error_info().expect("always");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("INVALID_ARGUMENT", DOMAIN));
        assert_eq!(info.metadata["fields"], "a,b");
        assert_eq!(details.request_info().expect("always").request_id, "till-7");
        assert_eq!(details.bad_request().expect("given").field_violations.len(), 2);
        assert!(details.retry_info().is_none());
        let slow = Refusal::deadline("late").status("");
        assert_eq!(slow.get_error_details().retry_info().expect("given").retry_delay, Some(RETRY));
        let shown = broken.problem("till-7");
        assert_eq!((&shown["status"], &shown["title"]), (&json!(400), &json!("Invalid argument")));
        assert_eq!(shown["type"], "tag:goldthread.dev,2026:INVALID_ARGUMENT");
        assert_eq!((&shown["requestId"], &shown["violations"][1]["field"]), (&json!("till-7"), &json!("b")));
        let item = Refusal::deadline("late").failure();
        assert_eq!((item.code, item.reason.as_str()), (4, "DEADLINE_EXCEEDED"));
        assert_eq!(item.retry_delay.expect("given").nanos, 100_000_000);
        assert_eq!(broken.failure().violations.len(), 2);
    }

    #[test]
    fn long_texts_of_the_ledger_are_cut() {
        let fault = Fault {
            code: 14,
            reason: "LEDGER_UNAVAILABLE".into(),
            message: "ü".repeat(300),
            metadata: vec![("k".into(), "v".repeat(300))],
            retryable: true,
        };
        let refusal = Refusal::ledger(fault);
        assert_eq!((refusal.code, refusal.message.chars().count()), (Code::Unavailable, MAX_TEXT));
        assert_eq!(refusal.metadata[0].1.chars().count(), MAX_TEXT);
        assert_eq!(refusal.retry_seconds(), Some(1));
    }
}
