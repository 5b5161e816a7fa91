//! Python binding of the matching core. Without the `python` feature this crate only knows what a panic shows and how rows are copied; the core is
//! `goldthread-matching`.

pub mod copying;
pub mod panics;
#[cfg(feature = "python")]
mod py;
#[cfg(feature = "python")]
mod tables;
