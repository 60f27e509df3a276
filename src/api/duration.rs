//! Durations as Go writes them: `10m0s`, `1h30m`, `1.5s`.
//!
//! Pure. Range and rounding are Go's: a signed 64-bit count of nanoseconds, about 292 years; a
//! fraction is cut to whole nanoseconds.

use std::fmt;

use miette::Diagnostic;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use thiserror::Error;

/// What the schema of most durations asks for.
pub(crate) const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
/// The same for timeouts of sources, which take no hours.
pub(crate) const PATTERN_WITHOUT_HOURS: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$";

/// A span of time, in nanoseconds; may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

/// A text that is no duration.
#[derive(Debug, Error, Diagnostic, PartialEq, Eq)]
#[error("`{text}` is not a duration")]
#[diagnostic(code(api::duration), help("write numbers with a unit of ms, s, m or h: 90s, 1h30m"))]
pub struct ParseDurationError {
    /// The text as found.
    pub text: String,
}

/// The units of Go's parser with their length in nanoseconds; `µ` may be either of two characters.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Duration {
    /// As the standard library counts; a negative duration is zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// A duration of whole milliseconds; saturates at the ends of the range.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// A duration of whole seconds; saturates at the ends of the range.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// A duration of nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Its nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Its milliseconds, rounded towards zero.
    pub const fn ms(self) -> i64 {
        self.0 / 1_000_000
    }

    /// Reads Go's form, as `time.ParseDuration` does: a sign, then numbers with units.
    pub fn parse(text: &str) -> Result<Self, ParseDurationError> {
        let wrong = || ParseDurationError { text: text.to_owned() };
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        let mut total: u64 = 0;
        while !rest.is_empty() || total == 0 && text.trim_start_matches(['+', '-']).is_empty() {
            let (nanos, after) = parse_part(rest).ok_or_else(wrong)?;
            total = total.checked_add(nanos).filter(|n| *n <= 1 << 63).ok_or_else(wrong)?;
            rest = after;
        }
        match (negative, total) {
            (true, _) => Ok(Self((total as i64).wrapping_neg())),
            (false, _) => i64::try_from(total).map(Self).map_err(|_| wrong()),
        }
    }
}

/// One number with its unit: its nanoseconds, and what follows.
fn parse_part(text: &str) -> Option<(u64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole_len = digits(text);
    let (whole, rest) = text.split_at(whole_len);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_len = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_len);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos = whole.checked_mul(*scale).filter(|n| *n <= 1 << 63)?;
    Some((nanos.checked_add(scale_fraction(fraction, *scale))?, rest))
}

/// `0.<digits>` times `scale`, in floating point as Go does it; digits past the range of `i64` are
/// dropped.
fn scale_fraction(digits: &str, scale: u64) -> u64 {
    let (mut value, mut divisor) = (0_u64, 1_f64);
    for digit in digits.bytes() {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
        let Some(next) = next.filter(|v| *v <= i64::MAX as u64) else { break };
        value = next;
        divisor *= 10.0;
    }
    (value as f64 * (scale as f64 / divisor)) as u64
}

impl fmt::Display for Duration {
    /// Go's `Duration.String`: `0s`, `1.5ms`, `10m0s`, `1h0m0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}\u{b5}s", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                write!(f, "{}s", decimal(rest, 1_000_000_000))
            }
        }
    }
}

/// `nanos / unit` in decimal, without trailing zeros.
fn decimal(nanos: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn read_and_printed_as_go_does() {
        #[rustfmt::skip]
        let cases: &[(&str, Option<&str>)] = &[
            // text                 printed by Go
            ("10m",                 Some("10m0s")),
            ("60s",                 Some("1m0s")),
            ("1h",                  Some("1h0m0s")),
            ("1h30m",               Some("1h30m0s")),
            ("90s",                 Some("1m30s")),
            ("4m30s",               Some("4m30s")),
            ("1.5s",                Some("1.5s")),
            ("100ms",               Some("100ms")),
            ("1.000000001s",        Some("1.000000001s")),
            ("1500us",              Some("1.5ms")),
            ("1ns",                 Some("1ns")),
            ("2.5\u{3bc}s",         Some("2.5\u{b5}s")),
            (".5h",                 Some("30m0s")),
            ("1.h",                 Some("1h0m0s")),
            ("0",                   Some("0s")),
            ("0s",                  Some("0s")),
            ("-1m",                 Some("-1m0s")),
            ("+5s",                 Some("5s")),
            ("2562047h47m16.854775807s", Some("2562047h47m16.854775807s")),
            ("-2562047h47m16.854775808s", Some("-2562047h47m16.854775808s")),
            ("2562047h47m16.854775808s", None),
            ("9223372036854775808ns", None),
            ("0.3333333333333333333h", Some("20m0s")),
            ("0.830103483285477580700h", Some("49m48.372539827s")),
            ("",                    None),
            ("-",                   None),
            ("5",                   None),
            ("s",                   None),
            (".s",                  None),
            ("1d",                  None),
            ("1 s",                 None),
            ("1m ",                 None),
            ("--1s",                None),
        ];
        for &(text, want) in cases {
            let got = Duration::parse(text).ok().map(|d| d.to_string());
            assert_eq!(got.as_deref(), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn printed_text_reads_back(nanos in any::<i64>()) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
        }
    }
}
