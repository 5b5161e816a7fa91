//! Register data plane of Goldthread: answers lookups at one address, by gRPC and REST, from the cache, and asks the ledger for what the
//! cache lacks through whoever embeds it ([`Misses`]).
//!
//! Why an answer is never wrong, only older than the ledger by at most the relay's lag (a caller that wrote asks with `min_version`):
//!
//! - A cached answer carries the stamp of the ledger's snapshot it was read from (ADR 0011), and this crate never writes one.
//! - "Not found" is said only by the ledger, or by an entry that the ledger's word made. A cache that is empty, flushed, slow or down means
//!   one more question to the ledger, never an unknown customer.
//! - If the ledger cannot be asked, the caller gets an error.
//!
//! Raw identifiers live no longer than the request that brought them: what is compared, sent to the cache and asked of the ledger are tokens.

mod account;
mod answer;
mod batch;
mod cache;
mod call;
mod connection;
mod counts;
mod credentials;
mod door;
mod files;
mod forward;
mod framing;
mod grpc;
mod journal;
mod lookup;
mod misses;
mod old_face;
mod places;
mod proto;
mod refusal;
mod request;
mod rest;
mod server;
mod settings;
mod shares;
mod tls;
mod web;

pub use answer::Entry;
pub use counts::{CallCount, Counts};
pub use misses::{Fault, Miss, Misses};
pub use server::{Register, StartError, start};
pub use settings::{CacheSettings, CallLimits, Credentials, RegisterSettings, TlsFiles};
