//! The plan: what is to be done in one generation, in order.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::actions::Action;
use crate::actions::ActionError;
use crate::actions::lint;
use crate::actions::lint::LintError;
use crate::datalog::Fact;
use crate::datalog::Row;
use crate::model::ObjectRef;
use crate::model::kinds;

/// One action of a plan with the derived facts that demand it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What to do.
    pub action: Action,
    /// The rows that derived it; the proof of the action is the proof of these.
    pub because: Vec<Fact>,
}

/// The actions of one generation. Built only by [`Plan::build`]; immutable from then on.
#[derive(Clone, Debug)]
pub struct Plan {
    generation: u64,
    actions: Vec<Planned>,
}

impl Plan {
    /// Turns derived rows into a plan, leaving out actions whose key is in `underway`.
    ///
    /// Rows of `act_status` for one object become one action. Order: observations and records,
    /// finalizers, fetches and builds, then per unit comparisons and applies in their stages,
    /// deletes in reverse, and status and events last.
    ///
    /// # Errors
    /// A row does not have the shape of its action.
    pub fn build(
        generation: u64,
        rows: impl IntoIterator<Item = (String, Row)>,
        underway: &BTreeSet<String>,
    ) -> Result<Self, ActionError> {
        let mut by_key: BTreeMap<String, Planned> = BTreeMap::new();
        let mut actions = Vec::new();
        for (relation, row) in rows {
            let action = Action::from_row(&relation, &row)?;
            let key = action.key();
            if underway.contains(&key) {
                continue;
            }
            let because = Fact { relation: relation.into(), row };
            match (action, by_key.get_mut(&key)) {
                (Action::Status { fields, .. }, Some(planned)) => {
                    if let Action::Status { fields: known, .. } = &mut planned.action {
                        known.extend(fields);
                    }
                    planned.because.push(because);
                }
                (action @ Action::Status { .. }, None) => {
                    by_key.insert(key, Planned { action, because: vec![because] });
                }
                (action, _) => actions.push(Planned { action, because: vec![because] }),
            }
        }
        actions.extend(by_key.into_values().map(with_sorted_fields));
        actions.sort_by_cached_key(|planned| place(&planned.action));
        Ok(Self { generation, actions })
    }

    /// The generation of facts from which it follows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The actions in order.
    pub fn actions(&self) -> &[Planned] {
        &self.actions
    }

    /// The actions in order, taken out.
    pub fn into_actions(self) -> Vec<Planned> {
        self.actions
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Checks the plan as a value: what no rule set may ever ask for is refused here.
    ///
    /// # Errors
    /// Every contradiction found.
    pub fn lint(&self) -> Result<(), Vec<LintError>> {
        lint::lint(self)
    }
}

fn with_sorted_fields(mut planned: Planned) -> Planned {
    if let Action::Status { fields, .. } = &mut planned.action {
        fields.sort();
    }
    planned
}

/// Where an action stands in the plan: its class, then what orders it within the class.
fn place(action: &Action) -> (u8, String, String, String) {
    let plain = |class: u8| (class, action.key(), String::new(), String::new());
    match action {
        Action::Observe { .. } => plain(0),
        Action::Forget { .. } => plain(1),
        Action::Adopt { .. } => plain(2),
        Action::Finalizer { set: true, .. } => plain(3),
        Action::Fetch { .. } => plain(4),
        Action::Render { .. } | Action::Search { .. } => plain(5),
        Action::Compare { .. } | Action::DryRun { .. } => plain(6),
        Action::Claim { .. } => plain(7),
        Action::Apply { unit, object, stage, order, .. } => {
            (8, unit.to_string(), format!("{stage}{order}"), object.fact_text())
        }
        Action::Delete { unit, object, .. } => {
            (9, unit.to_string(), reverse_rank(object), object.fact_text())
        }
        Action::Status { .. } => plain(10),
        Action::Event { .. } => plain(11),
        Action::Pack { .. } => plain(12),
        Action::Finalizer { set: false, .. } => plain(13),
    }
}

/// Deletes run in the reverse order of applies.
fn reverse_rank(object: &ObjectRef) -> String {
    format!("{:03}", 999 - kinds::rank(&object.group_kind()).min(999))
}
