//! Resource quantities: `1000m` is stored as `1`, `1.5Gi` as `1536Mi`.
//!
//! Pure. Bounds: what fits 128 bits of nano units; smaller parts round up, as the server rounds.
//! Facts: Kubernetes `apimachinery/pkg/api/resource`.

const NANO: i128 = 1_000_000_000;
const BINARY: &[&str] = &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: &[(&str, i32)] = &[
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

/// The canonical text, or `None` when `text` is no quantity.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (format, multiplier, power) = unit(suffix)?;
    let mut nanos: i128 = 0;
    for (position, digit) in whole.bytes().rev().enumerate() {
        let place = 10i128.checked_pow(u32::try_from(position).ok()?)?;
        nanos = nanos.checked_add(i128::from(digit - b'0').checked_mul(place)?)?;
    }
    nanos = nanos.checked_mul(NANO)?;
    for (position, digit) in fraction.bytes().enumerate().take(9) {
        nanos += i128::from(digit - b'0') * 10i128.pow(8 - u32::try_from(position).ok()?);
    }
    nanos = nanos.checked_mul(multiplier)?;
    let scale = 10i128.checked_pow(power.unsigned_abs())?;
    nanos = match power {
        0.. => nanos.checked_mul(scale)?,
        _ => (nanos + scale - 1) / scale,
    };
    Some(written(sign * nanos, format))
}

fn unit(suffix: &str) -> Option<(Format, i128, i32)> {
    if let Some(power) = BINARY.iter().skip(1).position(|known| *known == suffix) {
        return Some((Format::Binary, 1024i128.pow(u32::try_from(power).ok()? + 1), 0));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some((Format::Decimal, 1, *power));
    }
    let power = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((Format::Exponent, 1, power))
}

fn written(nanos: i128, format: Format) -> String {
    if nanos == 0 {
        return "0".to_owned();
    }
    if format == Format::Binary && nanos.abs() >= 1024 * NANO {
        let up = i128::from(nanos % NANO > 0);
        let (mut number, mut power) = (nanos / NANO + up, 0);
        while number % 1024 == 0 && power + 1 < BINARY.len() {
            number /= 1024;
            power += 1;
        }
        return format!("{number}{}", BINARY[power]);
    }
    let (mut number, mut power) = (nanos, -9);
    while number % 1000 == 0 && power < 18 {
        number /= 1000;
        power += 3;
    }
    if format == Format::Exponent {
        return if power == 0 { number.to_string() } else { format!("{number}e{power}") };
    }
    let suffix = DECIMAL.iter().find(|(_, known)| *known == power).map_or("", |(name, _)| name);
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_the_server_writes_them() {
        #[rustfmt::skip]
        let cases = [
            ("1000m", Some("1")),     ("0.5", Some("500m")),   ("1500m", Some("1500m")),
            ("100000", Some("100k")), ("1.5Gi", Some("1536Mi")), ("1024Mi", Some("1Gi")),
            ("0.5Ki", Some("512")),   ("1e3", Some("1e3")),    ("0", Some("0")),
            ("-5", Some("-5")),       ("128974848", Some("128974848")), ("+1", Some("1")),
            ("", None), ("1x", None), ("1.2.3", None), ("Gi", None),
        ];
        for (given, want) in cases {
            assert_eq!(canonical(given).as_deref(), want, "{given}");
        }
    }
}
