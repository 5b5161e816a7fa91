//! The golden vectors that the Python tests read as well.

use std::fmt::Write as _;

use goldthread_matching::{Canonical, canonical_identifiers, sha256};
use serde_json::Value;

fn hex(text: &str) -> String {
    sha256(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[test]
fn identifiers_match_the_golden_vectors() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/identifiers.json")).expect("valid JSON");
    let vectors = file["vectors"].as_array().expect("a list");
    assert!(vectors.len() > 80);
    for vector in vectors {
        let kind = vector["type"].as_i64().expect("a type");
        let (raw, region) = (vector["raw"].as_str().expect("a text"), vector["region"].as_str().expect("a region"));
        let canonical = canonical_identifiers(&[kind], &[Some(raw)], region).expect("valid").remove(0);
        let (status, value, folded) = match canonical {
            Canonical::Ok { value, folded } => (0, Some(value), folded),
            Canonical::Missing => (1, None, None),
            Canonical::Placeholder => (2, None, None),
            Canonical::Invalid => (3, None, None),
        };
        assert_eq!(Some(status), vector["status"].as_i64(), "{vector}");
        assert_eq!(value.as_deref(), vector["canonical"].as_str(), "{vector}");
        assert_eq!(value.map(|value| hex(&value)).as_deref(), vector["digest"].as_str(), "{vector}");
        assert_eq!(folded.map(|value| hex(&value)).as_deref(), vector["folded_digest"].as_str(), "{vector}");
    }
}
