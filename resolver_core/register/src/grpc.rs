//! The gRPC face of lookups: `LookupService` of `proto/goldthread/v1`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use prost::Message;

use crate::batch;
use crate::call::{Call, REQUEST_ID, request_id, within};
use crate::counts::Method;
use crate::framing::{self, Reply};
use crate::lookup::{Admitted, Desk};
use crate::proto::LookupRequest;
use crate::refusal::Refusal;

/// Where all methods of the service lie.
pub(crate) const SERVICE: &str = "/goldthread.v1.LookupService/";
/// The path of Lookup.
pub(crate) const LOOKUP: &str = Method::Grpc.path();
/// The path of `BatchLookup`.
pub(crate) const BATCH: &str = Method::Batch.path();

/// Answers a Lookup.
pub(crate) async fn lookup(desk: &Arc<Desk>, request: Request<Incoming>) -> Response<Reply> {
    let call = Call::begin(&desk.counts, Method::Grpc, request.headers(), desk.limits.time);
    let (head, body) = request.into_parts();
    let answer = within(call.deadline, one(desk, &head.headers, body)).await;
    told(call, answer, &head.headers)
}

/// Answers a `BatchLookup`. Each of its lookups keeps the deadline by itself, so that those which were answered in time are told.
pub(crate) async fn batch(desk: &Arc<Desk>, request: Request<Incoming>) -> Response<Reply> {
    let call = Call::begin(&desk.counts, Method::Batch, request.headers(), desk.limits.time);
    let (head, body) = request.into_parts();
    let answer = match within(call.deadline, heard(desk, &head.headers, body)).await {
        Ok((mut admitted, request)) => batch::answers(desk, request, &mut admitted, call.deadline).await,
        Err(refusal) => Err(refusal),
    };
    told(call, answer.map(|message| framing::framed(&message)), &head.headers)
}

async fn one(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Refusal> {
    let (admitted, request): (_, LookupRequest) = heard(desk, headers, body).await?;
    Ok(desk.lookup(&request, &admitted).await?.framed())
}

async fn heard<Q: Message + Default>(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Result<(Admitted, Q), Refusal> {
    let admitted = desk.admit(headers)?;
    let bytes = framing::message(headers, body, desk.limits.request_bytes).await?;
    let request = Q::decode(&bytes[..]).map_err(|_| Refusal::malformed())?;
    Ok((admitted, request))
}

fn told(call: Call, answer: Result<Bytes, Refusal>, headers: &HeaderMap) -> Response<Reply> {
    match answer {
        Ok(framed) => {
            call.end(tonic::Code::Ok);
            framing::well(framed)
        }
        Err(refusal) => {
            call.end(refusal.code);
            refused(refusal, headers.get(REQUEST_ID))
        }
    }
}

/// The answer to a call that is refused.
pub(crate) fn refused(refusal: Refusal, id: Option<&HeaderValue>) -> Response<Reply> {
    refusal.status(&request_id(id)).into_http().map(Reply::Passed)
}
