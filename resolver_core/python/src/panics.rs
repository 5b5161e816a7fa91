//! What a panic of the core shows: its place and nothing else.

use std::panic::{Location, set_hook};

/// Makes a panic report where it happened and nothing else: its message may quote the text that it failed on.
pub fn report_panics_by_place() {
    set_hook(Box::new(|panic| eprintln!("{}", report(panic.location()))));
}

/// One JSON line, as every log line is.
fn report(place: Option<&Location<'_>>) -> String {
    let place = place.map_or_else(String::new, |place| format!("{}:{}", place.file(), place.line()));
    format!(r#"{{"event": "core_panicked", "level": "error", "place": {place:?}}}"#)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::process::Command;

    use super::*;

    const CHILD: &str = "PANICS_IN_THE_CORE";

    /// The test binary runs itself, since a hook is the process's and its output is not captured.
    #[test]
    fn a_panic_shows_its_place_and_not_its_message() {
        if std::env::var_os(CHILD).is_some() {
            report_panics_by_place();
            let _ = catch_unwind(|| panic!("canary {}", "jennifer"));
            return;
        }
        let this = std::env::current_exe().expect("the test binary has a path");
        let output = Command::new(this)
            .args(["--exact", "panics::tests::a_panic_shows_its_place_and_not_its_message", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("the test binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert!(errors.contains(r#""event": "core_panicked""#) && errors.contains("panics.rs:"), "{errors}");
        assert!(!errors.contains("canary") && !errors.contains("jennifer"), "{errors}");
    }
}
