//! Text of times and durations: `2026-01-01T00:00:00Z` and `1h30m`, both exact to the millisecond.
//!
//! Pure arithmetic on the proleptic Gregorian calendar in UTC; no clock, no time zones.

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Units of a duration, largest first; the order is also the order in which text must list them.
const UNITS: [(&str, i64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

/// Days since 1970-01-01 of a civil date.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date of a day number.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let next = if month == 12 { days_of(year + 1, 1, 1) } else { days_of(year, month + 1, 1) };
    next - days_of(year, month, 1)
}

/// The text of a moment; years outside 0000-9999 get a sign, as ISO 8601 extends them.
pub(crate) fn time_text(at_ms: i64) -> String {
    let (year, month, day) = date_of(at_ms.div_euclid(DAY));
    let within = at_ms.rem_euclid(DAY);
    let clock =
        format!("{:02}:{:02}:{:02}", within / HOUR, within / MINUTE % 60, within / SECOND % 60);
    let millis = within % SECOND;
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    let year = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+}") };
    format!("{year}-{month:02}-{day:02}T{clock}{fraction}Z")
}

/// Reads what [`time_text`] writes, and offsets such as `+02:00`. `None` for anything else, also
/// for dates that no calendar has.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(['T', 't'])?;
    let (sign, bare) = match date.as_bytes().first()? {
        b'-' => (-1, &date[1..]),
        b'+' => (1, &date[1..]),
        _ => (1, date),
    };
    let mut parts = bare.split('-').map(digits);
    let (year, month, day) = (parts.next()?? * sign, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || year.abs() > 200_000_000 {
        return None;
    }
    if !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone_at);
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = seconds.split(':').map(digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || fraction.len() > 3 {
        return None;
    }
    let millis = digits(fraction)? * [0, 100, 10, 1][fraction.len()];
    let offset = parse_zone(zone)?;
    let within = hour * HOUR + minute * MINUTE + second * SECOND + millis;
    days_of(year, month, day).checked_mul(DAY)?.checked_add(within)?.checked_sub(offset)
}

fn parse_zone(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then(|| sign * (hours * HOUR + minutes * MINUTE))
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The text of a duration, largest unit first, zero parts left out; zero itself is `0s`.
pub(crate) fn duration_text(span_ms: i64) -> String {
    if span_ms == 0 {
        return "0s".to_owned();
    }
    let mut text = if span_ms < 0 { "-".to_owned() } else { String::new() };
    let mut rest = span_ms.unsigned_abs();
    for (unit, size) in UNITS {
        let size = size.unsigned_abs();
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

/// Reads `1h30m`, `250ms`, `-5m`; units must fall in size and each may come once.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut total: i64 = 0;
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit_len = rest[number_end..].find(|c: char| c.is_ascii_digit());
        let unit_end = unit_len.map_or(rest.len(), |len| number_end + len);
        let unit = &rest[number_end..unit_end];
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        let count: i64 = rest[..number_end].parse().ok()?;
        let part = count.checked_mul(*size)?;
        total = if negative { total.checked_sub(part)? } else { total.checked_add(part)? };
        rest = &rest[unit_end..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        #[rustfmt::skip]
        let cases = [
            ("the epoch",          "1970-01-01T00:00:00Z",      0),
            ("a leap day",         "2024-02-29T12:00:00.250Z",  1_709_208_000_250),
            ("before the epoch",   "1969-12-31T23:59:59.999Z",  -1),
            ("a century, no leap", "2100-03-01T00:00:00Z",      4_107_542_400_000),
        ];
        for (why, text, at) in cases {
            assert_eq!(parse_time(text), Some(at), "{why}");
            assert_eq!(time_text(at), text, "{why}");
        }
        assert_eq!(parse_time("2026-06-01T02:00:00+02:00"), parse_time("2026-06-01T00:00:00Z"));
        for wrong in ["2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", "x"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn extreme_moments_read_back() {
        for at in [i64::MIN / 2, i64::MAX / 2, -1, 0, 1] {
            assert_eq!(parse_time(&time_text(at)), Some(at), "{}", time_text(at));
        }
    }

    #[test]
    fn durations_read_back() {
        for (text, span) in [("1h30m", 90 * MINUTE), ("250ms", 250), ("-5m", -5 * MINUTE)] {
            assert_eq!(parse_duration(text), Some(span));
            assert_eq!(duration_text(span), text);
        }
        for span in [0, i64::MAX, i64::MIN, DAY, 1] {
            assert_eq!(parse_duration(&duration_text(span)), Some(span));
        }
        for wrong in ["", "5", "m", "5m1h", "5m5m", "-", "99999999999999d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
