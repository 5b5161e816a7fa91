//! What a connection leads to: lookups by gRPC and REST, and every other service behind.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

use crate::call::REQUEST_ID;
use crate::forward::{Forward, for_registers};
use crate::framing::Reply;
use crate::lookup::Desk;
use crate::places::Places;
use crate::refusal::Refusal;
use crate::shares::{HandedOn, Shares};
use crate::web::{Web, for_everybody};
use crate::{grpc, rest};

/// What a connection leads to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) desk: Arc<Desk>,
    pub(crate) forward: Option<Arc<Forward>>,
    pub(crate) web: Option<Arc<Web>>,
    pub(crate) shares: Arc<Shares>,
    /// Requests that are being answered.
    pub(crate) running: Places,
}

impl Door {
    /// Whether whoever sends these headers may ask at all.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> bool {
        self.desk.recognise(headers).is_ok()
    }

    /// Answers a request.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Response<Reply> {
        let _running = self.running.take();
        let path = request.uri().path();
        // What hands on is apart, so that what a Lookup keeps while it waits is small.
        if path == grpc::LOOKUP {
            grpc::lookup(&self.desk, request).await
        } else if path == grpc::BATCH {
            Box::pin(grpc::batch(&self.desk, request)).await
        } else if let (false, face) = (is_grpc(&request), rest::face(path)) {
            match face {
                Some(face) => Box::pin(rest::answer(&self.desk, face, request)).await,
                None => Box::pin(self.hand_on_web(request)).await,
            }
        } else if path.starts_with(grpc::SERVICE) {
            grpc::refused(Refusal::unknown_method(), request.headers().get(REQUEST_ID))
        } else {
            Box::pin(self.hand_on(request)).await
        }
    }

    async fn hand_on(&self, request: Request<Incoming>) -> Response<Reply> {
        let id = request.headers().get(REQUEST_ID).cloned();
        let place = self.place(request.headers(), for_registers(request.uri().path()));
        let answer = match (place, &self.forward) {
            (Err(refusal), _) => Err(refusal),
            (Ok(place), Some(forward)) => forward.call(request, place).await,
            (Ok(_), None) => Err(Refusal::unknown_method()),
        };
        answer.unwrap_or_else(|refusal| grpc::refused(refusal, id.as_ref()))
    }

    async fn hand_on_web(&self, request: Request<Incoming>) -> Response<Reply> {
        let id = request.headers().get(REQUEST_ID).cloned();
        let place = if for_everybody(request.uri().path()) {
            self.shares.take_for_everybody(request.headers()).ok_or_else(Refusal::too_many_handed_on)
        } else {
            self.place(request.headers(), false)
        };
        let answer = match (place, &self.web) {
            (Err(refusal), _) => Err(refusal),
            (Ok(place), Some(web)) => web.call(request, place).await,
            (Ok(_), None) => Err(Refusal::unknown_path()),
        };
        answer.unwrap_or_else(|refusal| rest::refused(&refusal, id.as_ref()))
    }

    /// A place for a call of what is not a lookup, if who calls may have it.
    fn place(&self, headers: &HeaderMap, for_registers: bool) -> Result<HandedOn, Refusal> {
        let caller = self.desk.recognise(headers)?;
        if caller.as_ref().is_some_and(|credential| !credential.everything && !for_registers) {
            return Err(Refusal::out_of_scope());
        }
        self.shares.take(caller.as_ref(), headers).ok_or_else(Refusal::too_many_handed_on)
    }
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
