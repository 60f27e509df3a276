//! The checker: rule files in, a [`Program`] or *all* complaints out.
//!
//! ```text
//! parse ──▶ declare ──▶ resolve (names, types) ──▶ bind (safety) ──▶ strata ──▶ lint
//! ```
//!
//! Each step goes on after a mistake, so one run shows every one. Files are taken in name order and
//! that order has no meaning. Cost: linear in the text, apart from negative cycles, which search
//! once per cycle. Not here: join order for evaluation (`compile`).

mod bind;
mod declare;
mod lint;
mod resolve;
mod strata;

pub(crate) use bind::GIVES_VALUE;
pub(crate) use bind::bind_all;
pub(crate) use bind::binds_alone;
pub(crate) use bind::order_given;
pub(crate) use bind::readiness;
pub(crate) use bind::solvable_without;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use sha2::Digest;
use sha2::Sha256;

use crate::datalog::builtins::Builtins;
use crate::datalog::check::declare::Scope;
use crate::datalog::check::resolve::Resolved;
use crate::datalog::diagnostic::CheckError;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::diagnostic::Span;
use crate::datalog::parser;
use crate::datalog::program::FileOrigin;
use crate::datalog::program::Inner;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::RelationInfo;
use crate::datalog::program::RuleFile;
use crate::datalog::syntax::Item;

/// A parsed file.
struct File {
    name: Arc<str>,
    text: Arc<str>,
    origin: FileOrigin,
    items: Vec<Item>,
}

impl File {
    fn line(&self, span: Span) -> usize {
        let before = &self.text.as_bytes()[..span.start as usize];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn excerpt(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }
}

/// Checks `files` as one program. Warnings alone do not turn it down; they are kept with it.
pub fn check(files: &[RuleFile], builtins: &Builtins) -> Result<Program, Vec<CheckError>> {
    check_inputs(files, builtins, &|_| None)
}

/// The same, and lets whoever fills the inputs refuse one, with a message and advice.
pub fn check_inputs(
    files: &[RuleFile],
    builtins: &Builtins,
    refusal: &dyn Fn(&RelationInfo) -> Option<(String, String)>,
) -> Result<Program, Vec<CheckError>> {
    let mut sorted: Vec<&RuleFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut complaints =
        Complaints::new(sorted.iter().map(|file| (file.name.as_str(), &file.text)));
    let files = parse(&sorted, &mut complaints);
    let mut scope = declare::declare(&files, &mut complaints);
    for (info, span) in scope.relations.iter().zip(&scope.spans) {
        if let Some((message, advice)) = refusal(info) {
            let complaint = Complaint::error(Code::Unfillable, message).at(*span, "declared here");
            complaints.push(complaint.help(advice));
        }
    }
    let mut resolved = resolve::resolve(&files, &scope, builtins, &mut complaints);
    label_clauses(&mut resolved, &scope, &mut complaints);
    for clause in &mut resolved.clauses {
        bind::order(clause, &scope, &mut complaints);
    }
    let strata = strata::stratify(&resolved, &mut scope, &mut complaints);
    note_writers_and_readers(&resolved, &mut scope);
    lint::lint(&files, &resolved, &scope, &mut complaints);
    if complaints.has_errors() {
        return Err(complaints.into_sorted());
    }
    let inner = Inner {
        relations: scope.relations,
        names: scope.names,
        clauses: resolved.clauses.into_iter().map(|clause| clause.clause).collect(),
        strata,
        functions: resolved.functions,
        warnings: complaints.into_sorted(),
        hash: hash(&sorted),
    };
    Ok(Program { inner: Arc::new(inner) })
}

fn parse(files: &[&RuleFile], complaints: &mut Complaints) -> Vec<File> {
    let mut parsed = Vec::new();
    for (at, file) in files.iter().enumerate() {
        parsed.push(File {
            name: file.name.as_str().into(),
            text: Arc::clone(&file.text),
            origin: file.origin,
            items: parser::parse(at as u32, &file.text, complaints),
        });
    }
    parsed
}

/// Gives unlabelled clauses a name and refuses to give two clauses the same one.
fn label_clauses(resolved: &mut Resolved, scope: &Scope, complaints: &mut Complaints) {
    let mut taken: BTreeMap<Arc<str>, Span> = BTreeMap::new();
    for clause in resolved.clauses.iter().filter(|clause| !clause.clause.label.is_empty()) {
        let label = &clause.clause.label;
        if let Some(first) = taken.get(label) {
            let message = format!("label `{label}` is used twice");
            let complaint = Complaint::error(Code::Duplicate, message);
            complaints.push(complaint.at(clause.label_span, "again here").at(*first, "first here"));
        }
        taken.insert(Arc::clone(label), clause.label_span);
    }
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for clause in resolved.clauses.iter_mut().filter(|clause| clause.clause.label.is_empty()) {
        let file = &clause.clause.file;
        let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".dl");
        let name = format!("{stem}/{}", scope.relations[clause.clause.head].name);
        let number = next.entry(name.clone()).or_default();
        loop {
            *number += 1;
            let label: Arc<str> = format!("{name}#{number}").into();
            if !taken.contains_key(&label) {
                taken.insert(Arc::clone(&label), clause.head_span);
                clause.clause.label = label;
                break;
            }
        }
    }
}

fn note_writers_and_readers(resolved: &Resolved, scope: &mut Scope) {
    for clause in &resolved.clauses {
        let label = &clause.clause.label;
        scope.relations[clause.clause.head].writers.push(Arc::clone(label));
        strata::each_read(&clause.clause.body, &mut |relation, _, _| {
            let readers = &mut scope.relations[relation].readers;
            if readers.last() != Some(label) {
                readers.push(Arc::clone(label));
            }
        });
    }
    for info in &mut scope.relations {
        info.readers.dedup();
    }
}

fn hash(files: &[&RuleFile]) -> Arc<str> {
    let mut hasher = Sha256::new();
    for file in files {
        for part in [file.name.as_str(), &file.text] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        write!(text, "{byte:02x}").expect("writing to a String never fails");
    }
    text.into()
}

/// The closest of `known`, when it is close enough to be a typing mistake.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.len() / 3).clamp(1, 3);
    let scored = known.map(|other| (distance(name, other), other));
    scored.filter(|(cost, _)| *cost <= allowed).min().map(|(_, other)| other)
}

/// Edits (insert, remove, replace, swap neighbours) between two names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// True for a literal that reads whether a fact is absent.
fn is_negated(kind: &LiteralKind) -> bool {
    matches!(kind, LiteralKind::Atom { negated: true, .. })
}

#[cfg(test)]
mod tests;
