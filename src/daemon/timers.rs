//! The scheduler: knows which deadlines the rules want watched, and says when one has passed.
//!
//! In: the delta of `timer(key, at)`. Out: statements about `elapsed(key, at)`. It decides nothing:
//! which deadlines exist and what follows from their passing is the rules' business. A clock that
//! jumps back makes a deadline pending again only if the rules set it anew.
//!
//! Not here: since when something is so (`moments.rs`).

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
}

impl Timers {
    /// Takes over what a commit changed.
    pub(super) fn update(&mut self, delta: &Delta) {
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

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.pending.first().map(|(at, _)| *at)
    }

    /// The deadlines that have passed by `now`, as statements; each said once.
    pub(super) fn passed(&mut self, now: Timestamp) -> Vec<Statement> {
        let mut said = Vec::new();
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

    fn row(key: &str, at: i64) -> Row {
        vec![Value::from(key), Value::Time(at)]
    }

    fn delta(added: &[Row], removed: &[Row]) -> Delta {
        let rows = |rows: &[Row]| [("timer".into(), rows.to_vec())].into();
        Delta { added: rows(added), removed: rows(removed), ..Delta::default() }
    }

    #[test]
    fn a_deadline_is_said_once_and_not_when_it_was_moved() {
        let mut timers = Timers::default();
        timers.update(&delta(&[row("a", 5), row("b", 9)], &[]));
        assert_eq!(timers.next(), Some(Timestamp(5)));
        let passed = Statement::Holds(relation::elapsed("a", &Timestamp(5)));
        assert_eq!(timers.passed(Timestamp(7)), [passed]);
        timers.update(&delta(&[row("b", 20)], &[row("b", 9)]));
        assert!(timers.passed(Timestamp(19)).is_empty());
        assert_eq!(timers.next(), Some(Timestamp(20)));
    }
}
