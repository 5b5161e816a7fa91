//! The REST face of lookups. It mirrors the RPCs in protobuf's JSON mapping and adds no rule of its own.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method as Verb, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tonic::Code;

use crate::batch;
use crate::call::{Call, REQUEST_ID, request_id, within};
use crate::counts::Method;
use crate::framing::Reply;
use crate::lookup::{Admitted, Desk};
use crate::old_face;
use crate::refusal::Refusal;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// The way in which a path is called, if it is one of lookups.
pub(crate) fn face(path: &str) -> Option<Method> {
    [Method::Rest, Method::RestBatch, Method::OldFace].into_iter().find(|method| method.path() == path)
}

/// Answers a call of one of these faces.
pub(crate) async fn answer(desk: &Arc<Desk>, face: Method, request: Request<Incoming>) -> Response<Reply> {
    match (face, request.method()) {
        (Method::OldFace, &Verb::GET) => old_face::lookup(desk, &request).await,
        (Method::OldFace, _) => refused(&Refusal::other_verb("GET"), request.headers().get(REQUEST_ID)),
        (_, &Verb::POST) => posted(desk, face, request).await,
        _ => refused(&Refusal::other_verb("POST"), request.headers().get(REQUEST_ID)),
    }
}

async fn posted(desk: &Arc<Desk>, face: Method, request: Request<Incoming>) -> Response<Reply> {
    let call = Call::begin(&desk.counts, face, request.headers(), desk.limits.time);
    let (head, body) = request.into_parts();
    let answer = match face {
        Method::RestBatch => batch(desk, &head.headers, body, call.deadline).await,
        _ => within(call.deadline, lookup(desk, &head.headers, body)).await,
    };
    match answer {
        Ok(body) => {
            call.end(Code::Ok);
            reply(StatusCode::OK, JSON, body)
        }
        Err(refusal) => {
            call.end(refusal.code);
            refused(&refusal, head.headers.get(REQUEST_ID))
        }
    }
}

async fn lookup(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Refusal> {
    let (admitted, request) = heard(desk, headers, body).await?;
    json_of(&desk.lookup(&request, &admitted).await?.message()?)
}

/// Every lookup of a batch keeps the deadline by itself, so that those which were answered in time are told.
async fn batch(desk: &Arc<Desk>, headers: &HeaderMap, body: Incoming, deadline: Instant) -> Result<Bytes, Refusal> {
    let (mut admitted, request) = within(deadline, heard(desk, headers, body)).await?;
    json_of(&batch::answers(desk, request, &mut admitted, deadline).await?)
}

async fn heard<Q: DeserializeOwned>(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Result<(Admitted, Q), Refusal> {
    let admitted = desk.admit(headers)?;
    if !may_be_json(headers) {
        return Err(Refusal::other_content());
    }
    Ok((admitted, read(body, desk.limits.request_bytes).await?))
}

/// Whether a body is said to be JSON, or nothing is said.
fn may_be_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|kind| {
        let essence = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(JSON.as_bytes())
    })
}

async fn read<Q: DeserializeOwned>(body: Incoming, most: usize) -> Result<Q, Refusal> {
    let bytes = Limited::new(body, most)
        .collect()
        .await
        .map_err(|error| if error.is::<LengthLimitError>() { Refusal::too_large(most) } else { Refusal::malformed() })?;
    // What the parser says of a text may quote it, so it goes no further.
    serde_json::from_slice(&bytes.to_bytes()).map_err(|_| Refusal::malformed())
}

fn json_of(message: &impl serde::Serialize) -> Result<Bytes, Refusal> {
    serde_json::to_vec(message).map(Bytes::from).map_err(|_| Refusal::internal())
}

/// The answer to a call that is refused.
pub(crate) fn refused(refusal: &Refusal, id: Option<&HeaderValue>) -> Response<Reply> {
    let problem = refusal.problem(&request_id(id));
    let mut response = reply(status_of(refusal), PROBLEM, bytes_of(&problem));
    hint(response.headers_mut(), refusal);
    response
}

fn status_of(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What HTTP itself says of a refusal.
pub(crate) fn hint(headers: &mut HeaderMap, refusal: &Refusal) {
    if let Some(seconds) = refusal.retry_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(verb) = refusal.allowed_verb().and_then(|verb| verb.parse().ok()) {
        headers.insert(ALLOW, verb);
    }
    if refusal.code == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

/// A body that nobody in between may keep.
pub(crate) fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn bytes_of(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use serde_json::json;

    use super::*;
    use crate::answer::{Answer, Entry, Source};
    use crate::proto::{BatchLookupRequest, Card, LookupOutcome, LookupResponse, Tier};

    #[test]
    fn an_answer_is_protobufs_json() {
        let stored = LookupResponse {
            outcome: LookupOutcome::Found.into(),
            card: Some(Card { profile_id: "GP-1".into(), tier: Tier::Gold.into(), ..Card::default() }),
            ..LookupResponse::default()
        };
        let entry = Entry::new(7, stored.encode_to_vec().into()).expect("whole");
        let message = Answer::of(&entry, Source::Cache).message().expect("a message");
        let shown: Value = serde_json::from_slice(&json_of(&message).expect("JSON")).expect("JSON");
        let expected = json!({
            "outcome": "LOOKUP_OUTCOME_FOUND",
            "card": {"profileId": "GP-1", "tier": "TIER_GOLD"},
            "version": "7",
            "answerSource": "ANSWER_SOURCE_CACHE",
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_batch_is_read_from_protobufs_json() {
        let text =
            r#"{"requests": [{"identifier": {"type": "IDENTIFIER_TYPE_EMAIL", "raw": "a@b.de"}}, {"minVersion": "3"}]}"#;
        let read: BatchLookupRequest = serde_json::from_str(text).expect("a message");
        assert_eq!(read.requests.iter().map(|one| one.min_version).collect::<Vec<_>>(), [0, 3]);
    }

    #[test]
    fn a_body_that_is_said_to_be_something_else_is_not_read() {
        let said = |kind: &str| may_be_json(&HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().expect("a value"))]));
        assert!(may_be_json(&HeaderMap::new()));
        assert!(said("application/json") && said("Application/JSON; charset=utf-8"));
        assert!(!said("text/plain") && !said("application/jsonx") && !said(""));
    }

    #[test]
    fn paths_of_lookups_are_told_from_others() {
        assert_eq!(face("/v1/lookup"), Some(Method::Rest));
        assert_eq!(face("/v1/batch-lookup"), Some(Method::RestBatch));
        assert_eq!(face("/goldthread.v1.LookupService/Lookup"), None);
        assert_eq!(face("/v1/resolve"), None);
    }
}
