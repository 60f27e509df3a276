//! What the checker says: one error type with stable codes, labels in the rule text, and advice.
//!
//! A struct and not an enum: every complaint has the same shape, and labels may be many (a cycle
//! has one per edge). Labels in another file travel as related notes, since an excerpt shows one
//! file.

use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;
use miette::LabeledSpan;
use miette::NamedSource;
use miette::Severity;
use miette::SourceCode;
use schemars::JsonSchema;
use serde::Serialize;

/// A range of bytes in one rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Which of the checked files, by position.
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// From the start of this span to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.start), ..self }
    }
}

/// The kind of complaint. The codes are public: users search for them, tests match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is described by its code and message")]
pub enum Code {
    Syntax,
    UnknownType,
    UnknownRelation,
    UnknownFunction,
    UnknownColumn,
    Duplicate,
    Arity,
    TypeClash,
    Unbound,
    NegativeCycle,
    EndlessRecursion,
    NotExtensible,
    NotGround,
    NotAnInput,
    Unfillable,
    Misplaced,
    TooManyVariables,
    CrossProduct,
    Unused,
    Singleton,
    NeverFires,
    Note,
}

impl Code {
    /// The stable text, such as `rules::arity`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "rules::syntax",
            Self::UnknownType => "rules::unknown_type",
            Self::UnknownRelation => "rules::unknown_relation",
            Self::UnknownFunction => "rules::unknown_function",
            Self::UnknownColumn => "rules::unknown_column",
            Self::Duplicate => "rules::duplicate",
            Self::Arity => "rules::arity",
            Self::TypeClash => "rules::type_clash",
            Self::Unbound => "rules::unbound",
            Self::NegativeCycle => "rules::negative_cycle",
            Self::EndlessRecursion => "rules::endless_recursion",
            Self::NotExtensible => "rules::not_extensible",
            Self::NotGround => "rules::not_ground",
            Self::NotAnInput => "rules::not_an_input",
            Self::Unfillable => "rules::unfillable",
            Self::Misplaced => "rules::misplaced",
            Self::TooManyVariables => "rules::too_many_variables",
            Self::CrossProduct => "rules::cross_product",
            Self::Unused => "rules::unused",
            Self::Singleton => "rules::singleton",
            Self::NeverFires => "rules::never_fires",
            Self::Note => "rules::note",
        }
    }
}

/// A place in a text that a complaint points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// The file, as it was named to the checker.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The first byte in the line, from 1.
    pub column: usize,
    /// How many bytes.
    pub length: usize,
    /// What there is to say about it.
    pub text: String,
}

/// One complaint about rule text. Errors turn a program down; warnings are kept with it.
#[derive(Clone)]
pub struct CheckError {
    code: Code,
    severity: Severity,
    message: String,
    help: Option<String>,
    source: Arc<NamedSource<Arc<str>>>,
    labels: Vec<LabeledSpan>,
    at: Span,
    related: Vec<CheckError>,
}

impl CheckError {
    /// The stable code, such as `rules::arity`.
    pub fn code_str(&self) -> &'static str {
        self.code.as_str()
    }

    /// The kind of complaint.
    pub fn kind(&self) -> Code {
        self.code
    }

    /// True for complaints that leave the program usable.
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }

    /// Where it is about, first label.
    pub fn span(&self) -> Span {
        self.at
    }

    /// All places that it points at, those in other files last.
    pub fn places(&self) -> Vec<Place> {
        let own = self.labels.iter().map(|label| {
            let before = &self.source.inner().as_bytes()[..label.offset()];
            let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            Place {
                file: self.source.name().to_owned(),
                line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
                column: label.offset() - line_start + 1,
                length: label.len(),
                text: label.label().unwrap_or_default().to_owned(),
            }
        });
        own.chain(self.related.iter().flat_map(Self::places)).collect()
    }

    /// The advice, if there is any.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (in {})", self.code.as_str(), self.message, self.source.name())
    }
}

impl std::error::Error for CheckError {}

impl Diagnostic for CheckError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code.as_str()))
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(self.related.iter().map(|note| note as &dyn Diagnostic)))
    }
}

/// Collects complaints; knows the files, so that a complaint is made from spans alone.
pub(crate) struct Complaints {
    sources: Vec<Arc<NamedSource<Arc<str>>>>,
    found: Vec<CheckError>,
}

/// A complaint under construction.
pub(crate) struct Complaint {
    code: Code,
    severity: Severity,
    message: String,
    help: Option<String>,
    labels: Vec<(Span, String)>,
}

impl Complaint {
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, severity: Severity::Error, message, help: None, labels: Vec::new() }
    }

    pub(crate) fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    pub(crate) fn is_syntax(&self) -> bool {
        self.code == Code::Syntax
    }

    pub(crate) fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.push((span, label.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Complaints {
    pub(crate) fn new<'a>(files: impl Iterator<Item = (&'a str, &'a Arc<str>)>) -> Self {
        let sources =
            files.map(|(name, text)| Arc::new(NamedSource::new(name, Arc::clone(text)))).collect();
        Self { sources, found: Vec::new() }
    }

    pub(crate) fn push(&mut self, complaint: Complaint) {
        let at = complaint.labels.first().map(|(span, _)| *span).unwrap_or_default();
        let mut labels = Vec::new();
        let mut related = Vec::new();
        for (span, text) in complaint.labels {
            if span.file == at.file {
                let range = span.start as usize..span.end as usize;
                labels.push(LabeledSpan::at(range, text));
            } else {
                related.push(self.note(span, text));
            }
        }
        self.found.push(CheckError {
            code: complaint.code,
            severity: complaint.severity,
            message: complaint.message,
            help: complaint.help,
            source: Arc::clone(&self.sources[at.file as usize]),
            labels,
            at,
            related,
        });
    }

    fn note(&self, span: Span, text: String) -> CheckError {
        CheckError {
            code: Code::Note,
            severity: Severity::Advice,
            message: text.clone(),
            help: None,
            source: Arc::clone(&self.sources[span.file as usize]),
            labels: vec![LabeledSpan::at(span.start as usize..span.end as usize, text)],
            at: span,
            related: Vec::new(),
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|complaint| !complaint.is_warning())
    }

    /// All complaints, in text order; the same complaint is kept once.
    pub(crate) fn into_sorted(mut self) -> Vec<CheckError> {
        self.found.sort_by(|a, b| (a.at, a.code, &a.message).cmp(&(b.at, b.code, &b.message)));
        self.found.dedup_by(|a, b| (a.at, a.code, &a.message) == (b.at, b.code, &b.message));
        self.found
    }
}
