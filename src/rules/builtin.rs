//! Built-in functions of the shipped rules: names, texts of messages, and the arithmetic of
//! waiting.
//!
//! Each is pure and total on well-formed names; a malformed argument is an error value that the
//! rule engine shows, never a panic.

use crate::datalog::Builtins;
use crate::datalog::Type;
use crate::datalog::Value;
use crate::model::Digest;
use crate::model::ObjectRef;
use crate::model::UnitName;
use crate::model::kinds;
use crate::rules::calendar;
use crate::rules::history;

/// How much of a commit's subject is shown.
const SUBJECT_CHARS: usize = 50;

/// The functions that shipped and user rules may call.
pub fn builtins() -> Builtins {
    let (symbol, number, duration) = (Type::Symbol, Type::Number, Type::Duration);
    let mut known = Builtins::new();
    known.function("kind_of", &[symbol], symbol, |args| Ok(kind_of(text(args, 0)?).into()));
    known.function("group_of", &[symbol], symbol, |args| {
        let kind = text(args, 0)?;
        Ok(kind.split_once('.').map_or("", |(_, group)| group).into())
    });
    known.function("namespace_of", &[symbol], symbol, |args| namespace_of(text(args, 0)?));
    known.function("deadline", &[symbol, symbol], symbol, |args| {
        Ok(Value::from(format!("{} {}", text(args, 0)?, text(args, 1)?)))
    });
    known.function("hold_key", &[symbol, symbol], symbol, |args| {
        Ok(Value::from(format!("hold {} {}", text(args, 0)?, text(args, 1)?)))
    });
    known.function("jittered", &[symbol, duration, number], duration, |args| {
        Ok(Value::Duration(jittered(text(args, 0)?, whole(args, 1)?, whole(args, 2)?)))
    });
    known.function("backoff", &[number, duration, duration], duration, |args| {
        Ok(Value::Duration(backoff_ms(whole(args, 0)?, whole(args, 1)?, whole(args, 2)?)))
    });
    known.function("text", &[number], symbol, |args| Ok(whole(args, 0)?.to_string().into()));
    known.function("go_duration", &[duration], symbol, |args| {
        Ok(go_duration(whole(args, 0)?).into())
    });
    known.function("condition", &[symbol, symbol, symbol, number], symbol, |args| {
        let (status, reason, message) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
        Ok(format!("{status} {reason} {}: {message}", whole(args, 3)?).into())
    });
    known.function("short", &[symbol], symbol, |args| Ok(short(text(args, 0)?).into()));
    known.function("show", &[symbol], symbol, |args| Ok(object(args, 0)?.to_string().into()));
    known.function("inventory_id", &[symbol], symbol, |args| {
        Ok(object(args, 0)?.inventory_id().into())
    });
    known.function("place", &[symbol], symbol, |args| {
        let object = object(args, 0)?;
        let stage = kinds::stage(&object.group_kind()) as i64;
        Ok(format!("{stage}{}", kinds::order_key(&object)).into())
    });
    known.function("name_of", &[symbol], symbol, |args| {
        let name = text(args, 0)?;
        Ok(name.rsplit('/').next().unwrap_or(name).into())
    });
    known.function("word", &[symbol, number], symbol, |args| {
        let at = usize::try_from(whole(args, 1)? - 1).unwrap_or(usize::MAX);
        Ok(text(args, 0)?.split(' ').nth(at).unwrap_or_default().into())
    });
    known.function("stamp", &[Type::Time], symbol, |args| {
        Ok(format!("{:020}", whole(args, 0)?.max(0)).into())
    });
    let columns = [symbol, symbol, symbol, Type::Time, duration, symbol, symbol];
    known.function("history_with", &columns, symbol, |args| history::with(args));
    known.function("self_object", &[symbol], symbol, |args| {
        let unit = text(args, 0)?;
        let unit = UnitName::parse(unit).ok_or_else(|| format!("`{unit}` is not a unit"))?;
        Ok(unit.object().fact_text().into())
    });
    let time = Type::Time;
    known.function("next_local", &[symbol, symbol, time], time, |args| {
        let (zone, when) = (text(args, 0)?, text(args, 1)?);
        calendar::next_local(zone, when, whole(args, 2)?).map(Value::Time)
    });
    known.function("weekday", &[symbol, time], symbol, |args| {
        Ok(calendar::weekday(text(args, 0)?, whole(args, 1)?)?.into())
    });
    known.test("matches", &[symbol, symbol], |args| Ok(glob(text(args, 1)?, text(args, 0)?)));
    known
}

pub(super) fn text(args: &[Value], at: usize) -> Result<&str, String> {
    let value = args.get(at).and_then(Value::as_symbol);
    value.ok_or_else(|| format!("argument {} is not a symbol", at + 1))
}

pub(super) fn whole(args: &[Value], at: usize) -> Result<i64, String> {
    match args.get(at) {
        Some(Value::Number(n) | Value::Duration(n) | Value::Time(n)) => Ok(*n),
        _ => Err(format!("argument {} is not a number", at + 1)),
    }
}

fn object(args: &[Value], at: usize) -> Result<ObjectRef, String> {
    let name = text(args, at)?;
    ObjectRef::parse_fact_text(name).ok_or_else(|| format!("`{name}` is not an object"))
}

/// What stands before the first `/`: the kind of an object or a source.
fn kind_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(kind, _)| kind)
}

/// The namespace of a unit (`namespace/name`) or of a source (`Kind/namespace/name`).
fn namespace_of(name: &str) -> Result<Value, String> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [namespace, _] | [_, namespace, _] => Ok((*namespace).into()),
        _ => Err(format!("`{name}` is neither a unit nor a source")),
    }
}

/// The interval moved by up to `percent` either way, always the same way for one key.
fn jittered(key: &str, interval_ms: i64, percent: i64) -> i64 {
    let steps = i64::from(Digest::of(key.as_bytes()).as_bytes()[0]) - 128;
    let share =
        i128::from(interval_ms) * i128::from(steps) * i128::from(percent.clamp(0, 100)) / 12_800;
    interval_ms.saturating_add(i64::try_from(share).unwrap_or(0))
}

/// The wait after the `failures`-th failure in a row: the first doubled each time, bounded.
fn backoff_ms(failures: i64, first_ms: i64, longest_ms: i64) -> i64 {
    let doublings = u32::try_from(failures.saturating_sub(1).clamp(0, 40)).unwrap_or(0);
    first_ms.saturating_mul(1 << doublings).min(longest_ms)
}

/// Go's `Duration.String`: `10m0s`, `1h0m0s`, `1.5s`, `250ms`.
pub(super) fn go_duration(ms: i64) -> String {
    let (sign, ms) = if ms < 0 { ("-", ms.unsigned_abs()) } else { ("", ms.unsigned_abs()) };
    if ms == 0 {
        return "0s".to_owned();
    }
    if ms < 1000 {
        return format!("{sign}{ms}ms");
    }
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let fraction = format!("{:03}", ms % 1000);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let seconds = format!("{}{dot}{fraction}s", ms / 1000 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
    }
}

/// The subject of a commit as Flux shows it: 50 characters, then `...`.
fn short(subject: &str) -> String {
    match subject.char_indices().nth(SUBJECT_CHARS) {
        Some((end, _)) => format!("{}...", &subject[..end]),
        None => subject.to_owned(),
    }
}

/// Whether `pattern` matches all of `name`; `*` stands for any text, everything else for itself.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(head) else { return false };
    let starts = (0..=name.len()).filter(|&at| name.is_char_boundary(at));
    starts.into_iter().any(|at| glob(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_prints_them() {
        #[rustfmt::skip]
        let cases = [
            (0, "0s"), (250, "250ms"), (1500, "1.5s"), (30_000, "30s"), (270_000, "4m30s"),
            (600_000, "10m0s"), (3_600_000, "1h0m0s"), (-1000, "-1s"),
        ];
        for (ms, want) in cases {
            assert_eq!(go_duration(ms), want);
        }
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let wait = |failures| backoff_ms(failures, 750, 900_000);
        let waits: Vec<i64> = [1, 2, 3, 20, 99].into_iter().map(wait).collect();
        assert_eq!(waits, [750, 1500, 3000, 900_000, 900_000]);
    }

    #[test]
    fn jitter_stays_within_five_percent_and_is_stable() {
        for key in ["a", "b", "c", "d", "e"] {
            let moved = jittered(key, 600_000, 5);
            assert!((570_000..=630_000).contains(&moved), "{key}: {moved}");
            assert_eq!(moved, jittered(key, 600_000, 5));
        }
    }

    #[test]
    fn globs() {
        #[rustfmt::skip]
        let cases = [
            ("a", "a", true), ("a", "ab", false), ("a*", "ab", true), ("*b", "ab", true),
            ("a*c", "abc", true), ("a*c", "abd", false), ("*", "", true), ("a*b*c", "aXbYc", true),
        ];
        for (pattern, name, want) in cases {
            assert_eq!(glob(pattern, name), want, "{pattern} on {name}");
        }
    }
}
