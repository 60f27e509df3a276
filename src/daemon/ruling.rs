//! Which rules are in force: a checked set takes effect as one generation; a set that does not
//! check, or whose conclusions fault, leaves the one before it in force and is told about.

use std::collections::BTreeSet;
use std::sync::Arc;

use miette::Diagnostic;

use crate::audit;
use crate::daemon::DaemonError;
use crate::daemon::rule_files::RuleFilesError;
use crate::daemon::rule_files::RuleSet;
use crate::daemon::step::StepLoop;
use crate::datalog::CheckError;
use crate::datalog::Delta;
use crate::datalog::Fault;
use crate::datalog::FileOrigin;
use crate::datalog::Reader;
use crate::datalog::RuleFile;
use crate::facts::DeclaredInput;
use crate::facts::Statement;
use crate::facts::relation;
use crate::model::Digest;
use crate::model::Timestamp;
use crate::rules;

/// Longest text of a rejection among the facts, in bytes; the log has all of it.
const REJECTION_BYTES_MAX: usize = 1000;

/// The rules in force, and those before them.
pub(super) struct Ruling {
    /// Names the set in force in the journal.
    pub(super) digest: Digest,
    in_force: RuleSet,
    before: Option<RuleSet>,
    /// Relations whose fault was logged.
    faulted: BTreeSet<Arc<str>>,
}

impl Ruling {
    /// This set is in force from the start.
    pub(super) fn new(digest: Digest, in_force: RuleSet) -> Self {
        Self { digest, in_force, before: None, faulted: BTreeSet::new() }
    }

    /// Logs faults that are new, and forgets those that are over.
    fn log(&mut self, faults: &[Fault], reader: &Reader) {
        for fault in faults.iter().filter(|fault| !self.faulted.contains(&fault.relation)) {
            let clause = fault.clause.as_deref().unwrap_or_default();
            tracing::error!(relation = %fault.relation, cause = %fault.cause, clause,
                file = %fault.file, "rules fault: {}", reader.fault_message(fault));
        }
        self.faulted = faults.iter().map(|fault| Arc::clone(&fault.relation)).collect();
    }
}

/// All files of a set, for the journal.
pub(super) fn texts(user: &[RuleFile]) -> audit::RuleSet {
    let mut files = rules::built_in_files();
    files.extend(user.iter().cloned());
    let texts: Vec<(&str, &str)> = files.iter().map(|f| (f.name.as_str(), &*f.text)).collect();
    audit::RuleSet::of(&texts)
}

impl StepLoop {
    /// Takes over rule files that changed; the statements say whether they are in force.
    ///
    /// # Errors
    /// Fact log or journal failed.
    pub(super) fn take_rules(
        &mut self,
        loaded: Result<RuleSet, RuleFilesError>,
        now: Timestamp,
    ) -> Result<Vec<Statement>, DaemonError> {
        match loaded {
            Err(error) => Ok(rejected(&error)),
            Ok(set) if set.program.hash() == self.ruling.in_force.program.hash() => {
                Ok(vec![Statement::nothing("rules_rejected", Vec::new())])
            }
            Ok(set) => {
                let before = self.ruling.in_force.clone();
                let mut said = self.put_in_force(set, now)?;
                self.ruling.before = Some(before);
                tracing::info!(rules = %self.ruling.digest, "rules are in force");
                said.push(Statement::nothing("rules_rejected", Vec::new()));
                Ok(said)
            }
        }
    }

    /// Looks at the faults of a commit: one in a user's file puts the rules before it back.
    ///
    /// # Errors
    /// Fact log or journal failed.
    pub(super) fn judge_faults(
        &mut self,
        delta: &Delta,
        now: Timestamp,
    ) -> Result<Vec<Statement>, DaemonError> {
        self.ruling.log(&delta.faults, &self.facts.reader());
        let is_users = |fault: &&Fault| fault.origin == FileOrigin::User;
        let Some(fault) = delta.faults.iter().find(is_users) else { return Ok(Vec::new()) };
        let text = format!("{}: {}", fault.file, self.facts.reader().fault_message(fault));
        let text = match &fault.clause {
            Some(clause) => format!("{text} (clause {clause})"),
            None => text,
        };
        let before = match self.ruling.before.take() {
            Some(before) => before,
            None => {
                let user = Vec::new();
                let shipped = rules::load(Vec::new());
                let program = shipped.map_err(|errors| RuleFilesError::Mistakes { errors })?;
                RuleSet { program, user }
            }
        };
        let mut said = self.put_in_force(before, now)?;
        tracing::error!(fault = text, "the rules before are in force again");
        said.push(rejection(&text));
        Ok(said)
    }

    /// The statements say what the fields are that these rules ask for.
    fn put_in_force(
        &mut self,
        set: RuleSet,
        now: Timestamp,
    ) -> Result<Vec<Statement>, DaemonError> {
        self.ruling.digest = self.journal.append_rules(now, texts(&set.user))?;
        let delta = self.facts.replace_program(set.program.clone(), rules::builtins(), now)?;
        let (old, new) = (&self.ruling.in_force.program, &set.program);
        let (old, new) = (DeclaredInput::all(old), DeclaredInput::all(new));
        self.ruling.in_force = set;
        self.follow(&delta)?;
        if old == new {
            return Ok(Vec::new());
        }
        let said = self.ingest.declare(new);
        if self.ingest.declares_live() {
            self.outlets.observe_again();
        }
        Ok(said)
    }
}

/// Rule files that are not taken: logged whole, told in short.
fn rejected(error: &RuleFilesError) -> Vec<Statement> {
    let report = diagnostic(error);
    tracing::error!(%error, "rule files are not taken; the rules before stay in force\n{report}");
    let first = match error {
        RuleFilesError::Mistakes { errors } => errors.iter().find(|error| !error.is_warning()),
        RuleFilesError::Read { .. } => None,
    };
    let text = first.map_or_else(|| error.to_string(), |first| format!("{error}: {}", said(first)));
    vec![rejection(&text)]
}

/// A mistake in one line: code, where, what, and what next.
fn said(mistake: &CheckError) -> String {
    let places = mistake.places();
    let place = places.first().map(|at| format!("{}:{}: ", at.file, at.line)).unwrap_or_default();
    let advice = mistake.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("{place}{mistake} [{}]{advice}", mistake.code_str())
}

fn rejection(text: &str) -> Statement {
    let mut end = text.len().min(REJECTION_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let facts = vec![relation::rules_rejected(&text[..end])];
    Statement::exactly("rules_rejected", Vec::new(), facts)
}

/// The whole diagnostic as text, with excerpts of the files.
fn diagnostic(error: &dyn Diagnostic) -> String {
    let mut text = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    match miette::GraphicalReportHandler::new_themed(theme).render_report(&mut text, error) {
        Ok(()) => text,
        Err(_) => error.to_string(),
    }
}
