//! The clock of the rules: notes when a state began to hold.
//!
//! In: the delta of `moment(s, what, about)`. Out: statements `noted(s, what, about, at)`. It decides
//! nothing: which states are worth a time, and what follows from it, is the rules' business. What
//! was noted stays when the state ends, so that rules can tell how long something took.

use crate::datalog::Delta;
use crate::datalog::Fact;
use crate::datalog::Value;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::model::Timestamp;

/// The states that began with this commit, with the time.
pub(super) fn noted(delta: &Delta, now: Timestamp) -> Vec<Statement> {
    let began = delta.added.get("moment").into_iter().flatten();
    let note = |row: &Vec<Value>| {
        let mut row = row.clone();
        row.push(now.column());
        Statement::Holds(Fact::new("noted", row))
    };
    began.map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_is_noted_and_what_ends_is_not() {
        let row = |what: &str| vec!["shop/web".into(), what.into(), "1".into()];
        let delta = Delta {
            added: [("moment".into(), vec![row("run")])].into(),
            removed: [("moment".into(), vec![row("end")])].into(),
            ..Delta::default()
        };
        let said = noted(&delta, Timestamp(1_500));
        let [Statement::Holds(fact)] = &said[..] else { panic!("{} statements", said.len()) };
        assert_eq!(
            fact.to_string(),
            r#"noted("shop/web", "run", "1", t"1970-01-01T00:00:01.500Z")"#
        );
    }
}
