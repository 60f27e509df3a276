//! What a scalar means: tags and values by the rules of go-yaml v3 and v2.
//!
//! The rules were found by asking the official program: see `tests/kustomize/README.md`.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;

use super::error::YamlError;
use super::node::Content;
use super::node::Dialect;
use super::node::Node;
use super::node::Style;
use super::node::Tag;
use super::node::Value;
use super::timestamp;

/// Go's `base64.StdEncoding`: padding required, stray bits at the end allowed.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The tag of an untagged scalar with this text and style (go-yaml v3).
pub(super) fn implicit_tag(text: &str, style: Style) -> Tag {
    match style {
        Style::Plain | Style::Flow => plain(text, Tag::Unset, Dialect::V3).0,
        _ => Tag::Str,
    }
}

/// What `node` means. Errors: not a scalar, text that its tag forbids, broken base64.
pub(super) fn resolve(node: &Node, dialect: Dialect) -> Result<Value, YamlError> {
    let at = node.place();
    let Content::Scalar(text) = node.content() else {
        return Err(YamlError::WrongTag { at, text: String::new(), tag: "!!str" });
    };
    let quoted = !matches!(node.style(), Style::Plain | Style::Flow);
    let tag = match (dialect, node.is_tagged()) {
        // v2 looks at the text anew unless the tag is written out.
        (Dialect::V2, false) if quoted => Tag::Str,
        (Dialect::V2, false) if !matches!(node.tag(), Tag::Str | Tag::Custom) => Tag::Unset,
        _ if node.tag() == Tag::Unset && quoted => Tag::Str,
        _ => node.tag(),
    };
    match tag {
        Tag::Str | Tag::Custom | Tag::Merge | Tag::Map | Tag::Seq => {
            return Ok(Value::Str(text.clone()));
        }
        Tag::Binary => {
            let base64: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            return match BASE64.decode(base64) {
                Ok(bytes) => Ok(Value::Bytes(bytes.into())),
                Err(_) => Err(YamlError::WrongTag { at, text: excerpt(text), tag: "!!binary" }),
            };
        }
        _ => {}
    }
    let (found, value) = plain(text, tag, dialect);
    if tag == Tag::Unset || tag == found {
        return Ok(value.unwrap_or_else(|| Value::Str(text.clone())));
    }
    match (tag, value) {
        (Tag::Float, Some(Value::Int(number))) => Ok(Value::Float(number as f64)),
        _ => Err(YamlError::WrongTag { at, text: excerpt(text), tag: tag_name(tag) }),
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

fn tag_name(tag: Tag) -> &'static str {
    match tag {
        Tag::Null => "!!null",
        Tag::Bool => "!!bool",
        Tag::Int => "!!int",
        Tag::Float => "!!float",
        Tag::Timestamp => "!!timestamp",
        _ => "!!str",
    }
}

/// Tag and value of plain text; no value means a string. `wanted` is an explicit tag or `Unset`:
/// times are looked for only when none, or `!!timestamp`, was asked for.
pub(super) fn plain(text: &str, wanted: Tag, dialect: Dialect) -> (Tag, Option<Value>) {
    let string = (Tag::Str, None);
    let Some(&first) = text.as_bytes().first() else {
        return (Tag::Null, Some(Value::Null));
    };
    match first {
        b'0'..=b'9' | b'+' | b'-' => {
            if let Some(float) = special_float(text) {
                return (Tag::Float, Some(Value::Float(float)));
            }
            if matches!(wanted, Tag::Unset | Tag::Timestamp)
                && let Some(time) = timestamp::parse(text)
            {
                return (Tag::Timestamp, Some(Value::Time(time.unwrap_or_default())));
            }
            number(text, dialect).unwrap_or(string)
        }
        b'.' => match special_float(text).or_else(|| float_with_underscores(text)) {
            Some(float) => (Tag::Float, Some(Value::Float(float))),
            None => string,
        },
        _ => match word(text, dialect) {
            Some(Value::Null) => (Tag::Null, Some(Value::Null)),
            Some(value) => (Tag::Bool, Some(value)),
            None => string,
        },
    }
}

/// Whether plain text means a string. A time is one to readers of the kustomization file.
pub(crate) fn is_plain_string(text: &str, dialect: Dialect) -> bool {
    match plain(text, Tag::Unset, dialect).1 {
        None => true,
        Some(value) => dialect == Dialect::V2 && matches!(value, Value::Time(_)),
    }
}

/// Words that mean null or a boolean.
fn word(text: &str, dialect: Dialect) -> Option<Value> {
    match text {
        "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ if dialect == Dialect::V3 => None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Value::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn number(text: &str, dialect: Dialect) -> Option<(Tag, Option<Value>)> {
    let stripped: String;
    let digits = if text.contains('_') {
        stripped = text.replace('_', "");
        stripped.as_str()
    } else {
        text
    };
    let int = |value| Some((Tag::Int, Some(value)));
    if let Some(number) = parse_i64(digits) {
        return int(Value::Int(number));
    }
    if let Some(number) = parse_u64(digits) {
        return int(Value::Uint(number));
    }
    if is_float(digits)
        && let Some(number) = float(digits)
    {
        return Some((Tag::Float, Some(Value::Float(number))));
    }
    // A second sign may follow the prefix here: `0b-11` is -3.
    let radixes: &[(&str, u32)] =
        if dialect == Dialect::V3 { &[("0b", 2), ("0o", 8)] } else { &[("0b", 2)] };
    for &(prefix, radix) in radixes {
        if let Some(rest) = digits.strip_prefix(prefix)
            && let Some(number) = signed(rest, radix)
        {
            return int(Value::Int(number));
        }
    }
    None
}

/// Go's `strconv.ParseFloat`; `None` also when the number is out of range.
fn float(text: &str) -> Option<f64> {
    let all_known =
        text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    text.parse::<f64>().ok().filter(|number| all_known && number.is_finite())
}

/// Go's `strconv.ParseFloat` for text that starts with a dot: `_` may stand between digits.
fn float_with_underscores(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return float(text);
    }
    let is_digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let between_digits = |(index, _): (usize, &u8)| {
        index > 0 && is_digit(bytes.get(index - 1)) && is_digit(bytes.get(index + 1))
    };
    let fits = bytes.iter().enumerate().filter(|(_, b)| **b == b'_').all(between_digits);
    if fits { float(&text.replace('_', "")) } else { None }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(index) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_fits
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}

/// Go's `strconv.ParseInt(text, 0, 64)` for text without underscores.
fn parse_i64(text: &str) -> Option<i64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_u64(unsigned)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Go's `strconv.ParseUint(text, 0, 64)` for text without underscores.
fn parse_u64(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (radix, digits) = match bytes {
        [b'0', b'x' | b'X', _, ..] => (16, &text[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &text[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    unsigned(digits, radix)
}

/// Digits only: Rust's own parser would take a leading `+`.
fn unsigned(digits: &str, radix: u32) -> Option<u64> {
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}

/// Go's `strconv.ParseInt(text, radix, 64)`.
fn signed(text: &str, radix: u32) -> Option<i64> {
    i64::from_str_radix(text, radix).ok()
}
