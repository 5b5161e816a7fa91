//! Python binding of the matching core. Without the `python` feature this crate only knows what a panic shows; the core is `goldthread-matching`.

pub mod panics;
#[cfg(feature = "python")]
mod py;
