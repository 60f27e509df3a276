//! Why a question has no answer: with code and help also where it travels as JSON.

use std::error::Error;
use std::fmt::Display;

use miette::Diagnostic;
use serde::Deserialize;
use serde::Serialize;
use thiserror::Error;

/// Codes of what is wrong with a question itself.
const USAGE: &[&str] = &[
    "explain::object",
    "explain::field",
    "explain::no_unit",
    "explain::kind",
    "explain::which_kind",
    "audit::bad_id",
    "audit::ambiguous_id",
    "ask::question",
];
/// The code of what the journal is known not to hold.
const NOT_THERE: &str = "audit::unknown_id";

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{text}")]
pub struct Unanswered {
    /// What is wrong, and where.
    pub text: String,
    /// A stable code.
    pub code: String,
    /// What to do.
    pub help: String,
}

impl Unanswered {
    /// The reason that this error is, with its causes.
    pub fn of<E: Diagnostic>(error: &E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            text.push_str(&format!(": {deeper}"));
            cause = Error::source(deeper);
        }
        let said = |part: Option<Box<dyn Display + '_>>| part.map(|part| part.to_string());
        let code = said(error.code()).unwrap_or_default();
        Self { text, code, help: said(error.help()).unwrap_or_default() }
    }

    /// 1: it is known not to be there; 2: it cannot be told; 3: the question cannot be understood.
    pub fn exit_code(&self) -> u8 {
        let code = self.code.as_str();
        match code {
            NOT_THERE => 1,
            _ if USAGE.contains(&code) => 3,
            _ => 2,
        }
    }
}

impl Diagnostic for Unanswered {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(&self.code)).filter(|code| !code.is_empty()).map(|code| code as _)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(&self.help)).filter(|help| !help.is_empty()).map(|help| help as _)
    }
}
