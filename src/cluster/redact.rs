//! Secret values in messages of the server: found and blotted out.
//!
//! A server that refuses an object may quote it. In: a message, and the values that must not be
//! seen. Out: the message without them. Quotes of raw JSON, which may cut a value in two, go
//! altogether.
//!
//! Pure. Not here: where the values come from (`SecretTexts::of_object`, or the caller's taint).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use zeroize::Zeroize;

use super::error::Status;

const BLOT: &str = "[redacted]";
/// Shorter values are too common as words: blotting them out would say nothing and hide all.
const BYTES_MIN: usize = 3;
/// The same for words of a value.
const WORD_BYTES_MIN: usize = 4;

/// Values that must not be seen. Erased from memory when dropped, never printed.
#[derive(Clone, Default)]
pub struct SecretTexts(Vec<String>);

impl SecretTexts {
    /// No values.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a value, and the forms in which a server may quote it.
    pub fn add(&mut self, value: &str) {
        let mut forms = vec![value.to_owned(), BASE64_STANDARD.encode(value)];
        if let Ok(quoted) = serde_json::to_string(value) {
            forms.push(quoted.trim_matches('"').to_owned());
        }
        if let Some(text) =
            BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())
        {
            forms.push(text);
        }
        forms.extend(value.lines().map(str::to_owned));
        forms.push(percent_encoded(value));
        forms.extend(quoted_by_go(value));
        for form in forms {
            if form.len() >= BYTES_MIN && !self.0.contains(&form) {
                self.0.push(form);
            }
        }
        // The longest first, so that no part of one is left after a shorter one is gone.
        self.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    /// Adds a value of which a secret is a part: a server may quote any word of it.
    pub fn add_with_words(&mut self, value: &str) {
        self.add(value);
        let words = value.split(|c: char| !c.is_alphanumeric());
        words.filter(|word| word.len() >= WORD_BYTES_MIN).for_each(|word| self.add(word));
    }

    /// The values of a core `Secret`: everything below `data` and `stringData`.
    pub fn of_object(object: &Value) -> Self {
        let mut texts = Self::none();
        if object["kind"] == "Secret" && object["apiVersion"] == "v1" {
            for part in ["data", "stringData"] {
                texts.add_leaves(&object[part]);
            }
        }
        texts
    }

    /// All values of both.
    pub fn join(mut self, other: &Self) -> Self {
        other.0.iter().for_each(|value| self.add(value));
        self
    }

    /// Adds every scalar in `value`.
    pub fn add_leaves(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(flag) => self.add(&flag.to_string()),
            Value::Number(number) => self.add(&number.to_string()),
            Value::String(text) => self.add(text),
            Value::Array(list) => list.iter().for_each(|value| self.add_leaves(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.add_leaves(value)),
        }
    }

    /// `message` without the values.
    pub fn blot(&self, message: &str) -> String {
        let mut text = cut_quotes(message);
        for value in &self.0 {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), BLOT);
            }
        }
        text
    }

    /// `status` without the values.
    pub(super) fn blot_status(&self, mut status: Status) -> Status {
        status.message = self.blot(&status.message);
        for cause in &mut status.causes {
            cause.message = self.blot(&cause.message);
        }
        status
    }
}

/// `value` as Go's encoding/json and strconv.Quote print it, where that differs from other JSON.
fn quoted_by_go(value: &str) -> [String; 2] {
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.trim_matches('"');
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => escaped.push(c),
        }
    }
    let plain = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    [escaped, plain.replace('\t', "\\t").replace('\r', "\\r")]
}

/// `value` as the path of a URL shows it (RFC 3986, unreserved characters).
fn percent_encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Go's JSON decoder quotes the bytes around an error; such a quote starts with `error found in #`
/// and goes to the end, across newlines.
fn cut_quotes(message: &str) -> String {
    match message.find("error found in #") {
        Some(start) => format!("{}{BLOT}", &message[..start]),
        None => message.to_owned(),
    }
}

impl Drop for SecretTexts {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for SecretTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretTexts({} redacted)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_a_value_is_blotted_out() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "data": {"a": "aHVudGVyMg==", "n": 123456},
            "stringData": {"b": "tab\there", "c": "first\nsecond-line"},
        });
        let texts = SecretTexts::of_object(&secret);
        #[rustfmt::skip]
        let cases: &[(&str, &str)] = &[
            ("bad aHVudGVyMg== here",   "bad [redacted] here"),
            ("bad hunter2 here",        "bad [redacted] here"),
            ("Value:123456}",           "Value:[redacted]}"),
            ("got tab\there",           "got [redacted]"),
            (r"got tab\there",          "got [redacted]"),
            ("only second-line leaks",  "only [redacted] leaks"),
            ("json: x, error found in #10 byte of ...|\"hunt|..., bigger context ...|..|...",
                                        "json: x, [redacted]"),
            ("nothing to see",          "nothing to see"),
        ];
        for &(message, want) in cases {
            assert_eq!(texts.blot(message), want, "{message}");
        }
        let mut texts = SecretTexts::none();
        texts.add_with_words("0 0 * * CANARYone-CANARYtwo");
        texts.add_with_words("four<&>\"q five");
        let cases = [
            (
                r#"Invalid value: "four\u003c\u0026\u003e\"q five""#,
                r#"Invalid value: "[redacted]""#,
            ),
            ("cannot parse CANARYone at all", "cannot parse [redacted] at all"),
            ("the URL (four%3C%26%3E%22q%20five)", "the URL ([redacted])"),
        ];
        for (message, want) in cases {
            assert_eq!(texts.blot(message), want, "{message}");
        }
        assert!(!format!("{texts:?}").contains("hunter2"));
    }

    #[test]
    fn other_kinds_hold_no_secrets_of_their_own() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "plain"}});
        assert_eq!(SecretTexts::of_object(&map).blot("is plain"), "is plain");
    }
}
