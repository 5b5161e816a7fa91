//! The vocabulary that Python, SQL and protobuf share: attributes, comparisons, identifier types and forms.

use crate::error::{CoreError, CoreResult};

/// The eight attributes of a claim, in their order.
pub const ATTRIBUTES: [&str; 8] =
    ["given_name", "middle_name", "family_name", "name_suffix", "birth_date", "street", "city", "postcode"];

/// Position of `given_name` in [`ATTRIBUTES`].
pub const GIVEN_NAME: usize = 0;
/// Position of `middle_name` in [`ATTRIBUTES`].
pub const MIDDLE_NAME: usize = 1;
/// Position of `family_name` in [`ATTRIBUTES`].
pub const FAMILY_NAME: usize = 2;
/// Position of `name_suffix` in [`ATTRIBUTES`].
pub const NAME_SUFFIX: usize = 3;
/// Position of `birth_date` in [`ATTRIBUTES`].
pub const BIRTH_DATE: usize = 4;
/// Position of `street` in [`ATTRIBUTES`].
pub const STREET: usize = 5;
/// Position of `city` in [`ATTRIBUTES`].
pub const CITY: usize = 6;
/// Position of `postcode` in [`ATTRIBUTES`].
pub const POSTCODE: usize = 7;

/// Names of the identifier types; type number `n` stands at `n - 1`.
pub const IDENTIFIER_TYPES: [&str; 8] =
    ["email", "phone", "loyalty_card", "crm_number", "webshop_number", "device", "cookie", "customer_number"];

/// The fifteen comparisons that every model has, in their order: the identifier types, then the attributes. A model's extras follow.
pub const COMPARISONS: [&str; 15] = [
    "email",
    "phone",
    "loyalty_card",
    "crm_number",
    "webshop_number",
    "device",
    "cookie",
    "customer_number",
    "given_name",
    "family_name",
    "middle_name",
    "name_suffix",
    "birth_date",
    "street",
    "place",
];

/// Extra columns a model may compare beside them.
pub const MOST_EXTRAS: usize = 16;

/// Most comparisons a model can have.
pub const MOST_COMPARISONS: usize = COMPARISONS.len() + MOST_EXTRAS;

/// Whether an extra column may be called so: 1 to 64 of `a-z 0-9 _`, a letter first, and not the name of a comparison.
#[must_use]
pub fn is_extra_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !COMPARISONS.contains(&name)
}

/// Identifier type number of e-mail addresses.
pub const EMAIL: u8 = 1;
/// Identifier type number of phone numbers.
pub const PHONE: u8 = 2;
/// Identifier type number of loyalty cards.
pub const LOYALTY_CARD: u8 = 3;
/// Identifier type number of CRM numbers.
pub const CRM_NUMBER: u8 = 4;
/// Identifier type number of web-shop numbers.
pub const WEBSHOP_NUMBER: u8 = 5;
/// Identifier type number of devices.
pub const DEVICE: u8 = 6;
/// Identifier type number of cookies.
pub const COOKIE: u8 = 7;
/// Identifier type number of a source's own customer numbers.
pub const CUSTOMER_NUMBER: u8 = 8;

/// Form number of the canonical digest.
pub const FORM_CANONICAL: u8 = 1;
/// Form number of the gmail-folded digest.
pub const FORM_FOLDED: u8 = 2;
/// Form number of a digest made by somebody else.
pub const FORM_ANCHOR: u8 = 3;

/// A type number from the boundary, checked.
pub(crate) fn identifier_type(number: i64) -> CoreResult<u8> {
    u8::try_from(number)
        .ok()
        .filter(|kind| (1..=8).contains(kind))
        .ok_or_else(|| CoreError::input("types", format!("{number} is not an identifier type")))
}

/// A form number from the boundary, checked.
pub(crate) fn form(number: i64) -> CoreResult<u8> {
    u8::try_from(number)
        .ok()
        .filter(|form| (FORM_CANONICAL..=FORM_ANCHOR).contains(form))
        .ok_or_else(|| CoreError::input("forms", format!("{number} is not a form")))
}
