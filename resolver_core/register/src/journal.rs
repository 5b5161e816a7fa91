//! The few things that are said in the log: one JSON line each, as every log line of the service is.

use serde_json::{Map, Value};

/// Writes a warning. Fields never hold personal data or secrets.
pub(crate) fn warning(event: &str, fields: &[(&str, &str)]) {
    eprintln!("{}", line(event, fields));
}

fn line(event: &str, fields: &[(&str, &str)]) -> String {
    let all = [("event", event), ("level", "warning")];
    let named = all.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    Value::Object(named.collect::<Map<_, _>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let text = line("lookup_budget_spent", &[("credential", "till \"3\"\n")]);
        assert!(!text.contains('\n'));
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&read["level"], &read["credential"]), (&Value::from("warning"), &Value::from("till \"3\"\n")));
    }
}
