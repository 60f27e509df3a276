//! What an error advises, beside what its condition says: a stable code, and what to do next.
//!
//! Conditions have Flux's words, which name neither; answers of hence give both.

use miette::Diagnostic;

use crate::facts::Column;
use crate::facts::Statement;
use crate::facts::relation;

/// The code and the advice of a failure; empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    code: String,
    text: String,
}

impl Advice {
    /// What this error advises, or rather its innermost cause: that is what has to be mended.
    pub(super) fn of(error: &dyn Diagnostic) -> Self {
        if let Some(cause) = error.diagnostic_source() {
            return Self::of(cause);
        }
        let code = error.code().map(|code| code.to_string()).unwrap_or_default();
        let text = error.help().map(|help| help.to_string()).unwrap_or_default();
        Self { code, text }
    }

    /// This code and this advice.
    pub(super) fn new(code: &str, text: &str) -> Self {
        Self { code: code.to_owned(), text: text.to_owned() }
    }

    /// The subject's last failure advises this, and nothing else.
    pub(super) fn about(&self, subject: &impl Column) -> Statement {
        let facts = match self.code.as_str() {
            "" => Vec::new(),
            code => vec![relation::advice(&subject.column().plain(), code, &self.text)],
        };
        Statement::exactly("advice", vec![subject.column()], facts)
    }
}
