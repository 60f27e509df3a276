//! Decimals: fixed point, nine digits after the point, so that order and equality are exact.
//!
//! Nine digits carry every quantity of machines and money down to nano. All arithmetic is checked.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

const ONE: i128 = 1_000_000_000;
const DIGITS: usize = 9;

/// A number in units of 10⁻⁹. `1.50` and `1.5` are the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

impl Decimal {
    /// A decimal of that many 10⁻⁹ units.
    pub fn from_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    /// The value in units of 10⁻⁹.
    pub fn nanos(self) -> i128 {
        self.0
    }

    /// Reads `1.5`, `-0.25`, `3`. More than nine digits after the point, or a value that does not
    /// fit, is `None`: nothing is rounded in silence.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !only_digits(whole) || !only_digits(fraction) {
            return None;
        }
        if fraction.len() > DIGITS {
            return None;
        }
        let units = whole.parse::<i128>().ok()?.checked_mul(ONE)?;
        let parts = format!("{fraction:0<DIGITS$}").parse::<i128>().ok()?;
        let magnitude = units.checked_add(parts)?;
        Some(Self(if negative { -magnitude } else { magnitude }))
    }

    /// The sum, or `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The product, cut towards zero at nine digits, or `None` on overflow.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        self.0.checked_mul(other.0).map(|product| Self(product / ONE))
    }

    /// The quotient, cut towards zero at nine digits, or `None` on overflow and division by zero.
    pub fn checked_div(self, other: Self) -> Option<Self> {
        self.0.checked_mul(ONE)?.checked_div(other.0).map(Self)
    }

    /// The remainder, or `None` on division by zero.
    pub fn checked_rem(self, other: Self) -> Option<Self> {
        self.0.checked_rem(other.0).map(Self)
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(i128::from(number) * ONE)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let one = ONE.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{:0DIGITS$}", magnitude % one);
        let kept = fraction.trim_end_matches('0');
        write!(f, "{sign}{}.{}", magnitude / one, if kept.is_empty() { "0" } else { kept })
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a decimal"))
    }
}
