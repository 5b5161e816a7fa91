//! Python binding of the matching core. Without the `python` feature this crate is empty; the core is `goldthread-matching`.

#[cfg(feature = "python")]
mod py;
