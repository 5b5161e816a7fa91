//! `GET /api/pos/lookup?phone=…` and `?loyaltyId=…`, for registers that speak the older face.
//!
//! It says 404 only when the ledger's word is that nobody is known, and 503, never 404, when it cannot tell. A till of that kind cannot ask
//! a question, so where one would be needed it gets 409 and no card: it must not greet the wrong person.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tonic::Code;

use crate::answer::{Answer, Outcome};
use crate::call::{Call, within};
use crate::counts::Method;
use crate::framing::Reply;
use crate::lookup::Desk;
use crate::proto::{Card, Identifier, IdentifierType, LookupRequest, QuestionKind, Tier, identifier};
use crate::refusal::{Refusal, Violation};
use crate::rest::{bytes_of, hint, reply};

/// Answers the older face.
pub(crate) async fn lookup<B>(desk: &Arc<Desk>, request: &Request<B>) -> Response<Reply> {
    let begun = Instant::now();
    let call = Call::begin(&desk.counts, Method::OldFace, request.headers(), desk.limits.time);
    let answer = async {
        let admitted = desk.admit(request.headers())?;
        desk.lookup(&wanted(request.uri().query().unwrap_or_default())?, &admitted).await
    };
    let answer = within(call.deadline, answer).await;
    call.end(answer.as_ref().map_or_else(|refusal| refusal.code, |_| Code::Ok));
    let (status, body) = match &answer {
        Ok(answer) => shown(answer, begun),
        Err(refusal) => (status_of(refusal), error("the lookup was refused")),
    };
    let mut response = reply(status, "application/json", body);
    if let Err(refusal) = &answer {
        hint(response.headers_mut(), refusal);
    }
    response
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal.code {
        Code::DeadlineExceeded | Code::Internal => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::from_u16(refusal.http()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn shown(answer: &Answer, begun: Instant) -> (StatusCode, Bytes) {
    let Ok(message) = answer.message() else {
        return (StatusCode::SERVICE_UNAVAILABLE, error("the lookup was refused"));
    };
    match (answer.outcome, message.card) {
        (Outcome::Found, Some(card)) => {
            let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
            let body = json!({"success": true, "data": data(&card), "latency_ms": (milliseconds * 1000.0).round() / 1000.0});
            (StatusCode::OK, bytes_of(&body))
        }
        (Outcome::NotFound, _) => (StatusCode::NOT_FOUND, error("nobody is known by this")),
        _ => {
            let kind = message.question.map_or(QuestionKind::Unspecified, |question| question.kind());
            let body = json!({"success": false, "error": "more has to be asked", "question": kind.as_str_name()});
            (StatusCode::CONFLICT, bytes_of(&body))
        }
    }
}

fn data(card: &Card) -> Value {
    let tier = match card.tier() {
        Tier::Unspecified => Value::Null,
        tier => Value::from(tier.as_str_name().trim_start_matches("TIER_")),
    };
    let offers: Vec<&str> = card.offers.iter().map(|offer| offer.text.as_str()).collect();
    json!({
        "goldenProfileId": card.profile_id,
        "customerName": card.masked_name,
        "clvTier": tier,
        "nextBestOffers": offers,
    })
}

fn error(what: &str) -> Bytes {
    bytes_of(&json!({"success": false, "error": what}))
}

/// The request that a query asks for: exactly one of the two parameters.
fn wanted(query: &str) -> Result<LookupRequest, Refusal> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter_map(|(name, value)| match name {
        "phone" => Some((IdentifierType::Phone, value)),
        "loyaltyId" => Some((IdentifierType::LoyaltyCard, value)),
        _ => None,
    });
    let (Some((kind, value)), None) = (values.next(), values.next()) else {
        return Err(Refusal::fields(vec![Violation::new("", "required: exactly one of phone and loyaltyId")]));
    };
    let raw = decoded(value).ok_or_else(Refusal::malformed)?;
    let identifier = Identifier { r#type: kind.into(), namespace: String::new(), value: Some(identifier::Value::Raw(raw)) };
    Ok(LookupRequest { identifier: Some(identifier), min_version: 0 })
}

/// A value of a query: `%` and two hex digits are a byte. A plus is a blank to some and itself to others; in front of a phone number it is
/// itself, and elsewhere neither matters.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::answer::{Entry, Source};
    use crate::proto::{LookupOutcome, LookupResponse, Question};

    fn raw(query: &str) -> Option<(i32, String)> {
        let identifier = wanted(query).ok()?.identifier?;
        let identifier::Value::Raw(raw) = identifier.value? else { return None };
        Some((identifier.r#type, raw))
    }

    #[test]
    fn exactly_one_parameter_is_read() {
        assert_eq!(raw("phone=%2B1%20415+555"), Some((2, "+1 415+555".to_owned())));
        assert_eq!(raw("x=1&loyaltyId=L-7"), Some((3, "L-7".to_owned())));
        for bad in ["", "phone", "phone=1&loyaltyId=2", "phone=1&phone=2", "phone=%", "phone=%zz", "phone=%ff"] {
            assert_eq!(raw(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_card_is_shown_only_when_nothing_has_to_be_asked() {
        let told = |outcome: LookupOutcome| {
            let message = LookupResponse {
                outcome: outcome.into(),
                card: Some(Card { profile_id: "GP-1".into(), masked_name: "Jo M.".into(), tier: 3, ..Card::default() }),
                question: Some(Question { kind: 3, review_id: String::new() }),
                ..LookupResponse::default()
            };
            let entry = Entry::new(7, message.encode_to_vec().into()).expect("whole");
            let (status, body) = shown(&Answer::of(&entry, Source::Cache), Instant::now());
            (status.as_u16(), serde_json::from_slice::<Value>(&body).expect("JSON"))
        };
        let (status, body) = told(LookupOutcome::Found);
        assert_eq!(status, 200);
        let expected = json!({"goldenProfileId": "GP-1", "customerName": "Jo M.", "clvTier": "GOLD", "nextBestOffers": []});
        assert_eq!((&body["success"], &body["data"]), (&Value::from(true), &expected));
        assert!(body["latency_ms"].is_number());
        for outcome in [LookupOutcome::NeedsConfirmation, LookupOutcome::Ambiguous] {
            let (status, body) = told(outcome);
            assert_eq!((status, &body["question"]), (409, &Value::from("QUESTION_KIND_PHONE")));
            assert!(body.get("data").is_none());
        }
        assert_eq!(shown(&Answer::not_found(Source::Ledger), Instant::now()).0, StatusCode::NOT_FOUND);
    }

    #[test]
    fn what_cannot_be_told_is_never_404() {
        for refusal in [Refusal::deadline("late"), Refusal::internal(), Refusal::unreachable()] {
            assert_eq!(status_of(&refusal), StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(status_of(&Refusal::unauthenticated()), StatusCode::UNAUTHORIZED);
    }
}
