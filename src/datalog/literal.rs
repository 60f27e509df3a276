//! Literals: the text of one constant to its value.

use crate::datalog::decimal::Decimal;
use crate::datalog::lexer::Kind;
use crate::datalog::moment;
use crate::datalog::value::Value;
use crate::datalog::value::Version;

/// The value of a literal token, or what it should have been (empty: not a literal at all).
pub(crate) fn read(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Text => Ok(Value::Symbol(unquote(text)?.into())),
        Kind::Number => text.parse().map(Value::Number).map_err(|_| "a 64-bit number"),
        Kind::Decimal => {
            Decimal::parse(text).map(Value::Decimal).ok_or("a decimal of at most nine digits")
        }
        Kind::Duration => {
            moment::parse_duration(text).map(Value::Duration).ok_or("a duration such as 1h30m")
        }
        Kind::Version => {
            let inner = unquote(&text[1..])?;
            Version::parse(&inner).map(Value::Version).ok_or("a version such as v\"1.2.3\"")
        }
        Kind::Time => {
            let inner = unquote(&text[1..])?;
            let parsed = moment::parse_time(&inner).map(Value::Time);
            parsed.ok_or("a time such as t\"2026-01-01T00:00:00Z\"")
        }
        _ => Err(""),
    }
}

fn unquote(text: &str) -> Result<String, &'static str> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.ok_or("a text in quotes")?;
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        plain.push(match chars.next() {
            Some('"') => '"',
            Some('\\') => '\\',
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            _ => return Err("a text whose escapes are \\\" \\\\ \\n \\t \\r"),
        });
    }
    Ok(plain)
}
