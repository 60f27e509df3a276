//! The scheduler: knows which deadlines the rules want watched, and says when one has passed.
//!
//! In: the delta of `timer(key, at)`. Out: statements about `elapsed(key, at)`. It decides nothing:
//! which deadlines exist and what follows from their passing is the rules' business. A clock that
//! jumps back makes a deadline pending again only if the rules set it anew.
//!
//! It also notes since when something is so, for what the rules measure (`rules/time.dl`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::datalog::Delta;
use crate::datalog::Row;
use crate::datalog::Value;
use crate::facts::Statement;
use crate::facts::relation;
use crate::model::Timestamp;

/// Deadlines by key and by time.
#[derive(Default)]
pub(super) struct Timers {
    by_key: BTreeMap<String, Timestamp>,
    pending: BTreeSet<(Timestamp, String)>,
    /// What begins to be measured (true), or is over (false).
    measured: BTreeMap<String, bool>,
}

impl Timers {
    /// Takes over what a commit changed.
    pub(super) fn update(&mut self, delta: &Delta) {
        self.measure(delta);
        for row in delta.removed.get("timer").into_iter().flatten() {
            if let Some((key, at)) = timer(row) {
                self.pending.remove(&(at, key.clone()));
                if self.by_key.get(&key) == Some(&at) {
                    self.by_key.remove(&key);
                }
            }
        }
        for row in delta.added.get("timer").into_iter().flatten() {
            if let Some((key, at)) = timer(row) {
                self.pending.insert((at, key.clone()));
                self.by_key.insert(key, at);
            }
        }
    }

    fn measure(&mut self, delta: &Delta) {
        for (relation, begins) in [("stop_due", false), ("start_due", true)] {
            let keys = |rows: Option<&Vec<Row>>| -> Vec<String> {
                let texts = rows.into_iter().flatten().filter_map(|row| row.first()?.as_symbol());
                texts.map(str::to_owned).collect()
            };
            for key in keys(delta.removed.get(relation)) {
                if self.measured.get(&key) == Some(&begins) {
                    self.measured.remove(&key);
                }
            }
            let added = keys(delta.added.get(relation));
            self.measured.extend(added.into_iter().map(|key| (key, begins)));
        }
    }

    /// The next time at which there is something to say.
    pub(super) fn next(&self) -> Option<Timestamp> {
        if !self.measured.is_empty() {
            return Some(Timestamp(i64::MIN));
        }
        self.pending.first().map(|(at, _)| *at)
    }

    /// The deadlines that have passed by `now` and what begins now, as statements; each said once.
    pub(super) fn passed(&mut self, now: Timestamp) -> Vec<Statement> {
        let mut said = Vec::new();
        for (key, begins) in std::mem::take(&mut self.measured) {
            said.push(match begins {
                true => Statement::Holds(relation::started(&key, &now)),
                false => Statement::nothing("started", vec![Value::from(key)]),
            });
        }
        while let Some((at, key)) = self.pending.first().cloned() {
            if at > now {
                break;
            }
            self.pending.pop_first();
            said.push(Statement::Holds(relation::elapsed(&key, &at)));
        }
        said
    }
}

fn timer(row: &Row) -> Option<(String, Timestamp)> {
    match row.as_slice() {
        [Value::Symbol(key), Value::Time(at)] => Some((key.to_string(), Timestamp(*at))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(relation: &str, added: &[&str], removed: &[&str]) -> Delta {
        let rows = |keys: &[&str]| {
            let row = |key: &&str| vec![Value::from(*key)];
            [(relation.into(), keys.iter().map(row).collect())].into()
        };
        Delta { added: rows(added), removed: rows(removed), ..Delta::default() }
    }

    #[test]
    fn a_start_is_noted_once_and_forgotten_when_it_is_over() {
        let mut timers = Timers::default();
        timers.update(&delta("start_due", &["hold a"], &[]));
        assert!(timers.next().is_some_and(|at| at < Timestamp(0)), "at once");
        let started = Statement::Holds(relation::started("hold a", &Timestamp(7)));
        assert_eq!(timers.passed(Timestamp(7)), [started]);
        assert_eq!(timers.next(), None);
        timers.update(&delta("start_due", &[], &["hold a"]));
        assert!(timers.passed(Timestamp(8)).is_empty());
        timers.update(&delta("stop_due", &["hold a"], &[]));
        let over = Statement::nothing("started", vec![Value::from("hold a")]);
        assert_eq!(timers.passed(Timestamp(9)), [over]);
    }

    #[test]
    fn what_is_over_before_it_was_noted_is_not_said() {
        let mut timers = Timers::default();
        timers.update(&delta("start_due", &["hold a"], &[]));
        timers.update(&delta("start_due", &[], &["hold a"]));
        assert!(timers.passed(Timestamp(7)).is_empty());
    }
}
