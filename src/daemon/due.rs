//! Which derived actions still have to be planned: the bridge from deltas to plans.
//!
//! In: deltas of `act_*`, and which actions have begun and ended. Out: the rows to plan next. Cost
//! follows the change: a turn looks only at rows that are new or whose action has just ended.
//!
//! What tells of the world, statuses and events, is taken a slice at a time, after all that changes
//! it: proving and journalling a thousand statuses takes a second, and no apply is to wait for
//! that.
//!
//! An action that ended and is derived again from the very same rows was in vain. That is said as a
//! fact; whether and how long it is held back is for the rules (`paused`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use crate::actions::Action;
use crate::actions::ActionError;
use crate::actions::RELATIONS;
use crate::datalog::Delta;
use crate::datalog::Fact;
use crate::datalog::Row;
use crate::datalog::Value;
use crate::executor::Urgency;
use crate::facts::Statement;
use crate::facts::relation;
use crate::model::Timestamp;

/// Most statuses and events that are planned at once.
const TELLING_MAX: usize = 64;

type Rows = BTreeSet<(String, Row)>;

/// The keys of the writes that are derived at present, for those who carry them out: between plan
/// and request others may stand in line, and a delete whose reasons are gone meanwhile is not sent.
#[derive(Clone, Default)]
pub(super) struct Standing(Arc<RwLock<BTreeSet<String>>>);

impl Standing {
    /// Whether the rules want the action with this key still, if it is one that changes objects.
    pub(super) fn allows(&self, action: &Action) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        !changes_objects(action) || keys.contains(&action.key())
    }

    fn set(&self, key: &str, derived: bool) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match derived {
            true => keys.insert(key.to_owned()),
            false => keys.remove(key),
        };
    }
}

fn changes_objects(action: &Action) -> bool {
    matches!(action, Action::Apply { .. } | Action::Claim { .. } | Action::Delete { .. })
}

/// Derived actions by key, and their state.
#[derive(Default)]
pub(super) struct Due {
    standing: Standing,
    rows: BTreeMap<String, Rows>,
    fresh: BTreeSet<String>,
    underway: BTreeMap<String, Rows>,
    vain: BTreeMap<String, Vain>,
    paused: BTreeSet<String>,
    statements: Vec<Statement>,
}

/// An action that was done so many times in a row because of the same rows.
struct Vain {
    rows: Rows,
    times: i64,
    at: Timestamp,
}

impl Vain {
    fn fact(&self, key: &str) -> Fact {
        relation::vain(key, &self.times, &self.at)
    }
}

impl Due {
    /// Nothing is derived yet; `standing` tells others what is.
    pub(super) fn new(standing: Standing) -> Self {
        Self { standing, ..Self::default() }
    }

    /// Takes over what a commit changed.
    ///
    /// # Errors
    /// A row does not have the shape of its action.
    pub(super) fn update(&mut self, delta: &Delta) -> Result<(), ActionError> {
        for relation in RELATIONS {
            for row in delta.removed.get(*relation).into_iter().flatten() {
                self.remove(relation, row)?;
            }
        }
        for relation in RELATIONS {
            for row in delta.added.get(*relation).into_iter().flatten() {
                let action = Action::from_row(relation, row)?;
                let key = action.key();
                if changes_objects(&action) {
                    self.standing.set(&key, true);
                }
                let rows = self.rows.entry(key.clone()).or_default();
                rows.insert(((*relation).to_owned(), row.clone()));
                self.fresh.insert(key);
            }
        }
        self.follow_pauses(delta);
        Ok(())
    }

    fn follow_pauses(&mut self, delta: &Delta) {
        let keys = |rows: Option<&Vec<Row>>| -> Vec<String> {
            let keys = rows.into_iter().flatten().filter_map(|row| match row.first() {
                Some(Value::Symbol(key)) => Some(key.to_string()),
                _ => None,
            });
            keys.collect()
        };
        let began = keys(delta.added.get("paused"));
        for key in keys(delta.removed.get("paused")) {
            self.paused.remove(&key);
            if self.rows.contains_key(&key) {
                self.fresh.insert(key);
            } else if !began.contains(&key) {
                self.forget_vain(&key);
            }
        }
        self.paused.extend(began);
    }

    fn forget_vain(&mut self, key: &str) {
        if let Some(vain) = self.vain.remove(key) {
            self.statements.push(Statement::Fails(vain.fact(key)));
        }
    }

    fn remove(&mut self, relation: &str, row: &Row) -> Result<(), ActionError> {
        let key = Action::from_row(relation, row)?.key();
        let Some(rows) = self.rows.get_mut(&key) else { return Ok(()) };
        rows.remove(&(relation.to_owned(), row.clone()));
        if rows.is_empty() {
            self.rows.remove(&key);
            self.fresh.remove(&key);
            self.standing.set(&key, false);
        } else {
            self.fresh.insert(key);
        }
        Ok(())
    }

    /// The rows to plan now. Those of actions that are underway or paused stay for later, and so
    /// does what tells of the world beyond a slice: [`Due::has_more`].
    pub(super) fn take(&mut self) -> Vec<(String, Row)> {
        let mut keys: Vec<String> = std::mem::take(&mut self.fresh).into_iter().collect();
        keys.sort_by_key(|key| urgency(key));
        let acting = keys.partition_point(|key| urgency(key) == Urgency::World);
        self.fresh.extend(keys.split_off(keys.len().min(acting + TELLING_MAX)));
        let mut taken = Vec::new();
        for key in keys {
            if self.underway.contains_key(&key) {
                continue;
            }
            let Some(rows) = self.rows.get(&key) else { continue };
            let same = self.vain.get(&key).is_some_and(|vain| vain.rows == *rows);
            if !(same && self.paused.contains(&key)) {
                taken.extend(rows.iter().cloned());
            }
        }
        taken
    }

    /// Whether [`Due::take`] left something that could be planned at once.
    pub(super) fn has_more(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// The action with this key begins, because of the rows that it has now.
    pub(super) fn begin(&mut self, key: &str) {
        let rows = self.rows.get(key).cloned().unwrap_or_default();
        self.underway.insert(key.to_owned(), rows);
    }

    /// The action with this key ended. Call it after the commit of its outcome, and commit what it
    /// has to say ([`Due::statements`]) before the next [`Due::take`].
    pub(super) fn end(&mut self, key: &str, now: Timestamp) {
        let Some(begun) = self.underway.remove(key) else { return };
        match self.rows.get(key) {
            Some(rows) if *rows == begun => {
                let before = self.vain.get(key).filter(|vain| vain.rows == begun);
                let times = before.map_or(1, |vain| vain.times.saturating_add(1));
                let vain = Vain { rows: begun, times, at: now };
                self.statements.push(Statement::Holds(vain.fact(key)));
                self.vain.insert(key.to_owned(), vain);
            }
            Some(_) => {
                self.forget_vain(key);
                self.fresh.insert(key.to_owned());
            }
            None => self.forget_vain(key),
        }
    }

    /// What became known by ends of actions since this was last asked.
    pub(super) fn statements(&mut self) -> Vec<Statement> {
        std::mem::take(&mut self.statements)
    }

    /// Whether an action is underway whose key begins so.
    pub(super) fn is_underway(&self, beginning: &str) -> bool {
        let first = self.underway.range(beginning.to_owned()..).next();
        first.is_some_and(|(key, _)| key.starts_with(beginning))
    }

    /// How many actions are underway.
    pub(super) fn underway(&self) -> usize {
        self.underway.len()
    }
}

/// How urgent the action with this key is: a key begins with the verb.
fn urgency(key: &str) -> Urgency {
    Urgency::of(key.split(' ').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(added: &[&str], removed: &[&str]) -> Delta {
        let rows = |objects: &[&str]| {
            let row = |object: &&str| vec![Value::from(*object)];
            [("act_observe".into(), objects.iter().map(row).collect())].into()
        };
        Delta { added: rows(added), removed: rows(removed), ..Delta::default() }
    }

    #[test]
    fn an_action_is_planned_once_until_it_ends() {
        let mut due = Due::default();
        due.update(&delta(&["ConfigMap/a/b"], &[])).expect("a well-formed row");
        assert_eq!(due.take().len(), 1);
        due.begin("observe ConfigMap/a/b");
        assert!(due.take().is_empty());
        due.update(&delta(&[], &["ConfigMap/a/b"])).expect("a well-formed row");
        due.end("observe ConfigMap/a/b", Timestamp(0));
        assert!(due.take().is_empty());
    }

    #[test]
    fn a_write_stands_for_as_long_as_it_is_derived() {
        let standing = Standing::default();
        let mut due = Due::new(standing.clone());
        let columns = ["n/u", "ConfigMap/n/a", "uid", "7", ""];
        let row: Row = columns.into_iter().map(Value::from).collect();
        let delete = Action::from_row("act_delete", &row).expect("a well-formed row");
        let rows = || [("act_delete".into(), vec![row.clone()])].into();
        assert!(!standing.allows(&delete));
        due.update(&Delta { added: rows(), ..Delta::default() }).expect("a well-formed row");
        assert!(standing.allows(&delete));
        due.update(&Delta { removed: rows(), ..Delta::default() }).expect("a well-formed row");
        assert!(!standing.allows(&delete));
        let seen = Action::from_row("act_observe", &vec!["ConfigMap/n/a".into()]);
        assert!(standing.allows(&seen.expect("a well-formed row")));
    }

    #[test]
    fn statuses_wait_for_what_changes_the_world_and_come_in_slices() {
        let mut due = Due::default();
        let status = |n: usize| vec![format!("n/u{n:03}").into(), "Ready".into(), "True".into()];
        let statuses = (0..TELLING_MAX + 1).map(|n: usize| -> Row { status(n) }).collect();
        let mut all = delta(&["ConfigMap/a/b"], &[]);
        all.added.insert("act_status".into(), statuses);
        due.update(&all).expect("well-formed rows");
        let first = due.take();
        assert_eq!((first[0].0.as_str(), first.len()), ("act_observe", 1 + TELLING_MAX));
        assert!(due.has_more());
        assert_eq!(due.take().len(), 1);
        assert!(!due.has_more());
    }

    #[test]
    fn an_outcome_that_changes_nothing_is_counted_and_waits_while_the_rules_say_so() {
        let key = "observe ConfigMap/a/b";
        let vain = |times, at| relation::vain(key, &times, &Timestamp(at));
        let paused = |until| -> Row { vec![key.into(), Value::Time(until)] };
        let mut due = Due::default();
        due.update(&delta(&["ConfigMap/a/b"], &[])).expect("a well-formed row");
        for (times, at) in [(1, 1_000), (2, 3_000)] {
            assert_eq!(due.take().len(), 1, "time {times}");
            due.begin(key);
            due.end(key, Timestamp(at));
            assert_eq!(due.statements(), [Statement::Holds(vain(times, at))]);
            let began = [("paused".into(), vec![paused(at + 1_000)])].into();
            due.update(&Delta { added: began, ..Delta::default() }).expect("no action");
            assert!(due.take().is_empty(), "time {times}");
            let over = [("paused".into(), vec![paused(at + 1_000)])].into();
            due.update(&Delta { removed: over, ..Delta::default() }).expect("no action");
        }
        due.take();
        due.begin(key);
        due.update(&delta(&[], &["ConfigMap/a/b"])).expect("a well-formed row");
        due.end(key, Timestamp(9_000));
        assert_eq!(due.statements(), [Statement::Fails(vain(2, 3_000))]);
    }
}
