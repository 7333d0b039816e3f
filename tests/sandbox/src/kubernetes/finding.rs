//! What validation finds wrong, in the words of the API server; and the forms of names.

use serde_json::Value;

use super::error::Finding;

pub(super) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an \
    alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric \
    character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
pub(super) const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an \
    alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
pub(super) const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

pub(super) fn is_label(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 63
        && text.starts_with(ok)
        && text.ends_with(ok)
        && text.chars().all(|c| ok(c) || c == '-')
}

pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| is_label(part) || (part.len() > 63 && is_label(&part[..63])))
}

pub(super) fn is_label_value(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.starts_with(ok)
            && text.ends_with(ok)
            && text.chars().all(|c| ok(c) || matches!(c, '-' | '_' | '.')))
}

pub(super) fn required(findings: &mut Vec<Finding>, field: impl Into<String>) {
    findings.push(("FieldValueRequired", field.into(), "Required value".to_owned()));
}

pub(super) fn wrong(findings: &mut Vec<Finding>, field: impl Into<String>, value: &Value, why: &str) {
    findings.push(("FieldValueInvalid", field.into(), format!("Invalid value: {value}: {why}")));
}

pub(super) fn forbidden(findings: &mut Vec<Finding>, field: impl Into<String>, why: &str) {
    findings.push(("FieldValueForbidden", field.into(), format!("Forbidden: {why}")));
}
