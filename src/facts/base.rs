//! The fact base: engine and fact log behind one commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::Fact;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::datalog::Row;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::facts::Statement;

/// Relations that describe the moment of observation: they do not survive a restart, because nobody
/// watched while the daemon was down. Builds are listed too, since manifests live in memory only.
pub const VOLATILE: &[&str] = &[
    "elapsed",
    "reconciles",
    "switch",
    "setting",
    "listed",
    "served",
    "live",
    "absent",
    "live_owner",
    "live_toggle",
    "live_health",
    "live_deleting",
    "applier_manages",
    "overridden",
    "drifted",
    "rendered",
    "reads",
    "variables",
    "variables_missing",
    "differs",
];

/// Why facts could not be committed or recovered.
#[derive(Debug, Error, Diagnostic)]
pub enum FactsError {
    /// The fact log could not be written: no action may follow from this commit.
    #[error("cannot write the fact log")]
    #[diagnostic(code(facts::log_write), help("check the disk that holds the state directory"))]
    Log(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where transactions are kept; `store.rs` implements it on disk.
pub trait FactLog: Send {
    /// Appends one transaction. It is durable once `sync` returned.
    ///
    /// # Errors
    /// The storage failed; nothing of the transaction counts.
    fn append(&mut self, inserts: &[Fact], deletes: &[Fact]) -> Result<(), FactsError>;

    /// Makes all appended transactions durable.
    ///
    /// # Errors
    /// The storage failed; durability is unknown.
    fn sync(&mut self) -> Result<(), FactsError>;

    /// Digest of the last record, which intents name.
    fn head(&self) -> String;
}

/// The engine with its fact log.
pub struct FactBase {
    engine: Engine,
    log: Option<Box<dyn FactLog>>,
}

impl FactBase {
    /// A fact base over `engine`; without a log nothing survives the process.
    pub fn new(engine: Engine, log: Option<Box<dyn FactLog>>) -> Self {
        Self { engine, log }
    }

    /// Commits the statements as one generation.
    ///
    /// Inputs always commit (an observation cannot be refused); the delta says what changed.
    ///
    /// # Errors
    /// The fact log failed.
    pub fn commit(&mut self, statements: Vec<Statement>) -> Result<Delta, FactsError> {
        let transaction = self.resolve(statements);
        if let Some(log) = &mut self.log {
            log.append(&transaction.inserts, &transaction.deletes)?;
        }
        Ok(self.engine.transact(transaction))
    }

    /// Makes everything committed so far durable.
    ///
    /// # Errors
    /// The fact log failed.
    pub fn sync(&mut self) -> Result<(), FactsError> {
        self.log.as_mut().map_or(Ok(()), |log| log.sync())
    }

    /// Digest of the fact log's last record; empty without a log.
    pub fn log_head(&self) -> String {
        self.log.as_ref().map(|log| log.head()).unwrap_or_default()
    }

    /// A view of the present generation that later commits do not change.
    pub fn reader(&self) -> Reader {
        self.engine.reader()
    }

    /// The engine, for rule changes.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Turns statements into the rows that come and go, in order, so that the last word counts.
    fn resolve(&self, statements: Vec<Statement>) -> Transaction {
        let reader = self.engine.reader();
        let mut change = Change::default();
        for statement in statements {
            match statement {
                Statement::Holds(fact) => change.insert(fact),
                Statement::Fails(fact) => change.delete(fact),
                Statement::Exactly { relation, prefix, rows } => {
                    change.replace(&reader, &relation, &prefix, rows);
                }
            }
        }
        Transaction {
            inserts: change.inserts.into_iter().collect(),
            deletes: change.deletes.into_iter().collect(),
        }
    }
}

/// The net effect of the statements so far. No fact is in both sets.
#[derive(Default)]
struct Change {
    inserts: BTreeSet<Fact>,
    deletes: BTreeSet<Fact>,
}

impl Change {
    fn insert(&mut self, fact: Fact) {
        self.deletes.remove(&fact);
        self.inserts.insert(fact);
    }

    fn delete(&mut self, fact: Fact) {
        self.inserts.remove(&fact);
        self.deletes.insert(fact);
    }

    fn replace(&mut self, reader: &Reader, relation: &Arc<str>, prefix: &[Value], rows: Vec<Row>) {
        let columns = reader.program().relation(relation).map_or(0, |info| info.columns.len());
        let pattern = Statement::pattern(relation, prefix, columns);
        let known = reader
            .query(
                &pattern,
                &QueryOptions { limit: usize::MAX, work: u64::MAX, ..QueryOptions::default() },
            )
            .value;
        let wanted: BTreeSet<Row> = rows.into_iter().collect();
        let from = Fact { relation: relation.clone(), row: prefix.to_vec() };
        let said = self.inserts.range(from..);
        let said: Vec<Row> = said
            .take_while(|fact| fact.relation == *relation && fact.row.starts_with(prefix))
            .map(|fact| fact.row.clone())
            .collect();
        for row in known.into_iter().chain(said) {
            if !wanted.contains(&row) {
                self.delete(Fact { relation: relation.clone(), row });
            }
        }
        for row in wanted {
            self.insert(Fact { relation: relation.clone(), row });
        }
    }
}
