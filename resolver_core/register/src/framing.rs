//! Messages of gRPC on HTTP/2, one in and one out, as bytes: a request is read by its limits, a response was stored encoded.
//!
//! tonic's own codec takes two buffers of 8 KiB for every call, which here live as long as the call waits for the cache.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use prost::Message;
use tonic::Status;

use crate::refusal::Refusal;
use crate::shares::HandedOn;

/// A flag, and the length of the message.
pub(crate) const HEAD: usize = 5;
const NOT_COMPRESSED: u8 = 0;
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The one message of a request. One that is longer than `most` bytes is refused as soon as its head is there. O(bytes), however they come in
/// pieces.
pub(crate) async fn message<B>(headers: &HeaderMap, mut body: B, most: usize) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if headers.get(ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Refusal::compressed());
    }
    let mut all = Whole::Nothing;
    while let Some(frame) = body.frame().await {
        // A caller who breaks off hears nothing of it.
        let Ok(data) = frame.map_err(|_| Refusal::internal())?.into_data() else { break };
        all = all.with(data, most)?;
        if expected(all.bytes(), most)?.is_some_and(|length| all.bytes().len() > HEAD + length) {
            return Err(Refusal::malformed());
        }
    }
    match expected(all.bytes(), most)? {
        Some(length) if all.bytes().len() == HEAD + length => {
            let mut message = all.frozen();
            message.advance(HEAD);
            Ok(message)
        }
        _ => Err(Refusal::malformed()),
    }
}

/// What has come of a message.
enum Whole {
    Nothing,
    /// Nearly always it comes in one piece, which is then not copied.
    Piece(Bytes),
    /// Room for the whole message.
    Pieces(BytesMut),
}

impl Whole {
    fn with(self, data: Bytes, most: usize) -> Result<Self, Refusal> {
        let mut pieces = match self {
            Self::Nothing => return Ok(Self::Piece(data)),
            Self::Piece(first) => BytesMut::from(&first[..]),
            Self::Pieces(pieces) => pieces,
        };
        pieces.put_slice(&data);
        if let Some(length) = expected(&pieces, most)? {
            pieces.reserve((HEAD + length).saturating_sub(pieces.len()));
        }
        Ok(Self::Pieces(pieces))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::Piece(bytes) => bytes,
            Self::Pieces(bytes) => bytes,
        }
    }

    fn frozen(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::Piece(bytes) => bytes,
            Self::Pieces(bytes) => bytes.freeze(),
        }
    }
}

/// Length of the message, once its head is there.
fn expected(all: &[u8], most: usize) -> Result<Option<usize>, Refusal> {
    let Some((&[flag, a, b, c, d], _)) = all.split_first_chunk::<HEAD>() else { return Ok(None) };
    if flag != NOT_COMPRESSED {
        return Err(Refusal::compressed());
    }
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > most { Err(Refusal::too_large(most)) } else { Ok(Some(length)) }
}

/// What is answered.
pub(crate) enum Reply {
    /// A message with its head; after it come the trailers that say that the call went well.
    Message(Bytes),
    /// The trailers.
    Well,
    /// Nothing more.
    Said,
    /// A body of HTTP's own.
    Whole(Full<Bytes>),
    /// A refusal.
    Passed(tonic::body::Body),
    /// What another server answers, and the place that it has until its end.
    HandedOn { body: Incoming, _place: HandedOn },
}

/// The answer of a call that went well; the message has room for its head before it.
pub(crate) fn well(message: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::Message(message));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// A message with its head before it.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(HEAD + length);
    framed.put_slice(&head(length));
    message.encode_raw(&mut framed);
    framed.freeze()
}

/// The head of a message of that length.
pub(crate) fn head(length: usize) -> [u8; HEAD] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [NOT_COMPRESSED, a, b, c, d]
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let reply = self.get_mut();
        match reply {
            Self::Message(_) => {
                let Self::Message(message) = std::mem::replace(reply, Self::Well) else { return Poll::Ready(None) };
                Poll::Ready(Some(Ok(Frame::data(message))))
            }
            Self::Well => {
                *reply = Self::Said;
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(STATUS, OK);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Self::Said => Poll::Ready(None),
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Passed(body) => Pin::new(body).poll_frame(context),
            Self::HandedOn { body, .. } => {
                Pin::new(body).poll_frame(context).map_err(|error| Status::from_error(error.into()))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(_) | Self::Well => false,
            Self::Said => true,
            Self::Whole(body) => body.is_end_stream(),
            Self::Passed(body) => body.is_end_stream(),
            Self::HandedOn { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Message(_) | Self::Well | Self::Said => SizeHint::default(),
            Self::Whole(body) => body.size_hint(),
            Self::Passed(body) => body.size_hint(),
            Self::HandedOn { body, .. } => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use super::*;

    /// A body in given pieces.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.get_mut().0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn read(whole: &[u8], piece: usize) -> Result<Bytes, Refusal> {
        let pieces = whole.chunks(piece).map(Bytes::copy_from_slice).collect();
        let headers = HeaderMap::new();
        let mut work = Box::pin(message(&headers, Pieces(pieces), 100));
        match work.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(read) => read,
            Poll::Pending => panic!("every piece was there"),
        }
    }

    #[test]
    fn a_message_is_whole_in_any_number_of_pieces() {
        for length in [0, 1, 100] {
            let whole = [&head(length)[..], &vec![7; length]].concat();
            for piece in 1..=whole.len() {
                assert_eq!(read(&whole, piece).expect("whole"), vec![7; length], "{length} by {piece}");
            }
        }
    }

    #[test]
    fn what_is_not_one_message_is_refused() {
        let two = [&head(1)[..], &[7], &head(1)[..], &[7]].concat();
        let cut = [&head(2)[..], &[7]].concat();
        for piece in [1, 64] {
            assert_eq!(read(&two, piece), Err(Refusal::malformed()));
            assert_eq!(read(&cut, piece), Err(Refusal::malformed()));
            assert_eq!(read(b"\0\0", piece), Err(Refusal::malformed()));
            assert_eq!(read(b"\x01\0\0\0\x01z", piece), Err(Refusal::compressed()));
            assert_eq!(read(&[&head(101)[..], &[0; 101]].concat(), piece), Err(Refusal::too_large(100)));
        }
        assert_eq!(read(b"", 1), Err(Refusal::malformed()));
        // Nothing of the message need have come.
        assert_eq!(read(&head(101), 5), Err(Refusal::too_large(100)));
    }
}
