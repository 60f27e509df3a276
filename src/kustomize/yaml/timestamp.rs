//! Dates and times in plain scalars, as go-yaml finds them and Go prints them.

use super::node::Text;

/// `Some` when `text` is a date or time; inside is how Go's `time.Time` prints it in JSON (RFC 3339
/// with the fraction's trailing zeros cut), or `None` when Go refuses to print it.
pub(super) fn parse(text: &str) -> Option<Option<Text>> {
    let bytes = text.as_bytes();
    let year_only = bytes.iter().take_while(|b| b.is_ascii_digit()).count() == 4;
    if !year_only || bytes.get(4) != Some(&b'-') {
        return None;
    }
    let (month, rest) = one_or_two(&bytes[5..])?;
    let (day, rest) = one_or_two(rest.strip_prefix(b"-")?)?;
    let year = text.get(..4)?;
    if !(1..=12).contains(&month) || day == 0 || day > days_in(month, year.parse().ok()?) {
        return None;
    }
    let date = format!("{year}-{month:02}-{day:02}");
    match rest {
        [] => Some(Some(format!("{date}T00:00:00Z").into())),
        [b'T' | b't', clock @ ..] => {
            let (clock, rest) = clock_time(clock)?;
            Some(zone(rest)?.map(|zone| format!("{date}T{clock}{zone}").into()))
        }
        [b' ', ..] => {
            let blanks = rest.iter().take_while(|b| **b == b' ').count();
            let (clock, rest) = clock_time(&rest[blanks..])?;
            rest.is_empty().then(|| Some(format!("{date}T{clock}Z").into()))
        }
        _ => None,
    }
}

fn one_or_two(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', rest @ ..] => {
            Some((u32::from(a - b'0') * 10 + u32::from(b - b'0'), rest))
        }
        [a @ b'0'..=b'9', rest @ ..] => Some((u32::from(a - b'0'), rest)),
        _ => None,
    }
}

fn days_in(month: u32, year: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// `hh:mm:ss[.fraction]`; each number with one or two digits.
fn clock_time(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (hour, rest) = one_or_two(bytes)?;
    let (minute, rest) = one_or_two(rest.strip_prefix(b":")?)?;
    let (second, mut rest) = one_or_two(rest.strip_prefix(b":")?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    if let [b'.' | b',', b'0'..=b'9', ..] = rest {
        let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let nanoseconds = std::str::from_utf8(&rest[1..=digits.min(9)]).ok()?;
        let significant = nanoseconds.trim_end_matches('0');
        if !significant.is_empty() {
            text.push('.');
            text.push_str(significant);
        }
        rest = &rest[1 + digits..];
    }
    Some((text, rest))
}

/// `Z` or `±hh:mm` up to the end. Inner `None`: an offset of a day or more, which Go reads but does
/// not print.
fn zone(bytes: &[u8]) -> Option<Option<String>> {
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = bytes else {
        return (bytes == b"Z").then(|| Some("Z".to_owned()));
    };
    let two = |a: &u8, b: &u8| {
        (a.is_ascii_digit() && b.is_ascii_digit())
            .then(|| u32::from(a - b'0') * 10 + u32::from(b - b'0'))
    };
    let (hour, minute) = (two(h1, h2)?, two(m1, m2)?);
    if hour > 24 || minute > 60 {
        return None;
    }
    let total = hour * 60 + minute;
    Some(match total {
        0 => Some("Z".to_owned()),
        1..1440 => Some(format!("{}{:02}:{:02}", char::from(*sign), total / 60, total % 60)),
        _ => None,
    })
}
