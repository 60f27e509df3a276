//! Complaints about rules and facts as JSON: the same fields whoever complains.

use std::error::Error as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::rules::RulesError;
use crate::datalog::CheckError;
use crate::datalog::Place;

/// A program or facts that were refused, as JSON (`schemas/rules-refused.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Refused {
    /// Everything that is wrong, in the order of files and lines.
    pub(super) diagnostics: Vec<Complaint>,
}

/// What `hence rules check` found, as JSON (`schemas/rules-check.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RulesCheck {
    /// Always `rules-check.v1`.
    pub(super) version: &'static str,
    /// How many files of yours were read.
    pub(super) files: usize,
    /// How many strata the whole program has; absent when it was refused.
    pub(super) strata: Option<usize>,
    /// Mistakes, or warnings when there is no mistake.
    pub(super) diagnostics: Vec<Complaint>,
}

/// One complaint.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Complaint {
    /// Its stable code, such as `rules::unknown_relation`.
    code: String,
    /// `error` or `warning`.
    severity: &'static str,
    /// What is wrong.
    message: String,
    /// What helps, if anything is known to.
    help: Option<String>,
    /// Where, the place of the mistake first.
    places: Vec<Place>,
}

impl Complaint {
    /// A mistake in, or a warning about, the text of a rule or a fact.
    pub(super) fn of(error: &CheckError) -> Self {
        Self {
            code: error.code_str().to_owned(),
            severity: if error.is_warning() { "warning" } else { "error" },
            message: error.to_string(),
            help: error.advice().map(str::to_owned),
            places: error.places(),
        }
    }

    /// A file that cannot be read.
    pub(super) fn unreadable(error: &RulesError) -> Self {
        let cause = error.source().map(ToString::to_string);
        let message = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        Self {
            code: "rules::read".to_owned(),
            severity: "error",
            message,
            help: None,
            places: Vec::new(),
        }
    }
}
