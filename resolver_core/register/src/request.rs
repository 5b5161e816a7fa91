//! What only the wire can get wrong in a request, with the paths and words of `wire/rules.py`; and the tokens of what is right.

use goldthread_matching::words::{CUSTOMER_NUMBER, EMAIL, FORM_FOLDED, IDENTIFIER_TYPES};
use goldthread_matching::{Digest32, IdentifierValue, LookupTokens, TokenMaker};

use crate::proto::identifier::Value;
use crate::proto::{Identifier, LookupRequest};
use crate::refusal::{Refusal, Violation};

const MAX_RAW: usize = 512;
const MAX_NAMESPACE: usize = 64;

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Tokens in order of priority; none for a blank or placeholder.
    pub(crate) tokens: Option<(Digest32, Option<Digest32>)>,
    pub(crate) min_version: i64,
}

/// Reads a request; every broken field at once.
pub(crate) fn read(request: &LookupRequest, maker: &TokenMaker) -> Result<Wanted, Refusal> {
    let nothing = Identifier::default();
    let identifier = request.identifier.as_ref().unwrap_or(&nothing);
    let mut violations = Vec::new();
    if request.min_version < 0 {
        violations.push(Violation::new("min_version", "must not be negative"));
    }
    let value = checked(identifier, &mut violations);
    let (Some((path, value)), true) = (value, violations.is_empty()) else { return Err(Refusal::fields(violations)) };
    let tokens = maker.tokens(i64::from(identifier.r#type), &identifier.namespace, value);
    match tokens.map_err(|_| Refusal::internal())? {
        LookupTokens::Known(first, second) => Ok(Wanted { tokens: Some((first, second)), min_version: request.min_version }),
        LookupTokens::Nobody => Ok(Wanted { tokens: None, min_version: request.min_version }),
        LookupTokens::Invalid => {
            let label = type_index(identifier).map_or("identifier", |index| IDENTIFIER_TYPES[index]);
            Err(Refusal::fields(vec![Violation::new(path, format!("is not a valid {label}"))]))
        }
    }
}

fn type_index(identifier: &Identifier) -> Option<usize> {
    let number = usize::try_from(identifier.r#type).ok()?;
    (1..=IDENTIFIER_TYPES.len()).contains(&number).then(|| number - 1)
}

/// The value with its path, unless it is broken; what is broken is added to the violations.
fn checked<'a>(identifier: &'a Identifier, violations: &mut Vec<Violation>) -> Option<(&'static str, IdentifierValue<'a>)> {
    let kind = identifier.r#type;
    let namespace = &identifier.namespace;
    if type_index(identifier).is_none() {
        violations.push(Violation::new("identifier.type", "required: a known identifier type"));
    } else if kind == i32::from(CUSTOMER_NUMBER) && namespace.is_empty() {
        violations.push(Violation::new("identifier.namespace", "required for a customer number: its source"));
    }
    if !is_namespace(namespace) {
        violations.push(Violation::new("identifier.namespace", "at most 64 bytes of [a-z0-9_.-]"));
    }
    match &identifier.value {
        None => {
            violations.push(Violation::new("identifier", "required: exactly one of raw and digest"));
            None
        }
        Some(Value::Raw(raw)) if raw.len() > MAX_RAW => {
            violations.push(Violation::new("identifier.raw", format!("at most {MAX_RAW} bytes")));
            None
        }
        Some(Value::Raw(raw)) => Some(("identifier.raw", IdentifierValue::Raw(raw))),
        Some(Value::Digest(digest)) => {
            if !(1..=3).contains(&digest.form) {
                violations.push(Violation::new("identifier.digest.form", "required: a known digest form"));
            } else if digest.form == i32::from(FORM_FOLDED) && kind != i32::from(EMAIL) {
                let words = "gmail-folded is a form of e-mail addresses only";
                violations.push(Violation::new("identifier.digest.form", words));
            }
            let Ok(bytes) = <&Digest32>::try_from(&digest.sha256[..]) else {
                violations.push(Violation::new("identifier.digest.sha256", "exactly 32 bytes"));
                return None;
            };
            Some(("identifier.digest", IdentifierValue::Digest(i64::from(digest.form), bytes)))
        }
    }
}

/// Empty is the default namespace.
fn is_namespace(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    name.len() <= MAX_NAMESPACE && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::IdentifierDigest;

    fn refused(identifier: Identifier, min_version: i64) -> Vec<String> {
        let maker = TokenMaker::new(&[7; 32], "US").expect("a key and a region");
        let request = LookupRequest { identifier: Some(identifier), min_version };
        let Err(refusal) = read(&request, &maker) else { return vec![] };
        refusal.failure().violations.into_iter().map(|one| one.field).collect()
    }

    fn given(kind: i32, namespace: &str, value: Value) -> Identifier {
        Identifier { r#type: kind, namespace: namespace.to_owned(), value: Some(value) }
    }

    fn digest(form: i32, bytes: usize) -> Value {
        Value::Digest(IdentifierDigest { form, sha256: vec![1; bytes] })
    }

    #[test]
    fn every_broken_field_is_named_at_once() {
        let empty = refused(Identifier::default(), -1);
        assert_eq!(empty, ["min_version", "identifier.type", "identifier"]);
        let digest_of_nothing = refused(given(9, "Ä", digest(0, 31)), 0);
        let named = ["identifier.type", "identifier.namespace", "identifier.digest.form", "identifier.digest.sha256"];
        assert_eq!(digest_of_nothing, named);
        assert_eq!(refused(given(2, "", digest(2, 32)), 0), ["identifier.digest.form"]);
        assert_eq!(refused(given(8, "", Value::Raw("7".into())), 0), ["identifier.namespace"]);
        assert_eq!(refused(given(3, &"n".repeat(65), Value::Raw("7".into())), 0), ["identifier.namespace"]);
        assert_eq!(refused(given(1, "", Value::Raw("x".repeat(513))), 0), ["identifier.raw"]);
        assert_eq!(refused(given(1, "", Value::Raw("no address".into())), 0), ["identifier.raw"]);
        assert!(refused(given(1, "", Value::Raw("a@b.de".into())), 0).is_empty());
        assert!(refused(given(2, "", digest(3, 32)), 7).is_empty());
        assert!(refused(given(1, "", Value::Raw("n/a".into())), 0).is_empty());
    }
}
