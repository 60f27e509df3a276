//! One action as a typed value, read from the row that derived it.

use miette::Diagnostic;
use thiserror::Error;

use crate::datalog::Row;
use crate::datalog::Value;
use crate::model::ObjectRef;
use crate::model::SourceName;
use crate::model::UnitName;

/// The relations that derive actions.
pub const RELATIONS: &[&str] = &[
    "act_observe",
    "act_adopt",
    "act_forget",
    "act_finalizer",
    "act_fetch",
    "act_render",
    "act_search",
    "act_compare",
    "act_dry_run",
    "act_claim",
    "act_apply",
    "act_delete",
    "act_status",
    "act_source_status",
    "act_event",
    "act_pack",
];

/// Something to be done. Digests stand for content: no action carries bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Ask the server for one object.
    Observe {
        /// The object.
        object: ObjectRef,
    },
    /// Record that a unit owns what its inventory names and the live object proves.
    Adopt {
        /// The owner.
        unit: UnitName,
        /// The object.
        object: ObjectRef,
        /// The uid that was seen.
        uid: String,
    },
    /// Drop the record of ownership.
    Forget {
        /// The former owner.
        unit: UnitName,
        /// The object.
        object: ObjectRef,
        /// Why it is no business of the unit.
        reason: String,
        /// What an event says of it: `deleted`, `skipped`, or nothing.
        word: String,
    },
    /// Set or remove the finalizer of a unit or a source.
    Finalizer {
        /// The custom resource.
        object: ObjectRef,
        /// True to set, false to remove.
        set: bool,
    },
    /// Fetch a source from its remote, or load its artifact.
    Fetch {
        /// The source.
        source: SourceName,
        /// What decides the result: digest of the spec, or of the artifact.
        spec: String,
        /// Why now.
        reason: String,
    },
    /// Build a unit.
    Render {
        /// The unit.
        unit: UnitName,
        /// The revision that it is built from.
        revision: String,
        /// The file tree of that revision.
        tree: String,
        /// What the build depends on.
        key: [String; 3],
    },
    /// Look up which objects the files of a unit name that is not built.
    Search {
        /// The unit.
        unit: UnitName,
        /// The file tree.
        tree: String,
    },
    /// Compare an adopted object with its manifest by a dry-run.
    Compare {
        /// The owner.
        unit: UnitName,
        /// The object.
        object: ObjectRef,
        /// Digest of the manifest.
        manifest: String,
        /// The user in whose name it is done; empty for ourselves.
        user: String,
    },
    /// Ask by a dry-run whether the server would take a manifest.
    DryRun {
        /// The owner.
        unit: UnitName,
        /// The object.
        object: ObjectRef,
        /// Digest of the manifest.
        manifest: String,
        /// The user in whose name it is done; empty for ourselves.
        user: String,
    },
    /// Take over fields of managers that Flux overrides.
    Claim {
        /// The owner.
        unit: UnitName,
        /// The object.
        object: ObjectRef,
        /// The uid that was seen.
        uid: String,
        /// The resourceVersion that was seen.
        resource_version: String,
        /// The user in whose name it is done; empty for ourselves.
        user: String,
    },
    /// Apply a manifest.
    Apply {
        /// The owner.
        unit: UnitName,
        /// The object.
        object: ObjectRef,
        /// Digest of the manifest.
        manifest: String,
        /// The stage: 1 definitions, 2 classes, 3 custom, 4 the rest.
        stage: i64,
        /// The place within the stage.
        order: String,
        /// Why now.
        reason: String,
        /// The uid of the object that it is meant for; empty when none is known to exist.
        uid: String,
        /// The user in whose name it is done; empty for ourselves.
        user: String,
    },
    /// Delete an object, if it still is the one observed.
    Delete {
        /// The owner.
        unit: UnitName,
        /// The object.
        object: ObjectRef,
        /// The uid that was seen.
        uid: String,
        /// The resourceVersion that was seen.
        resource_version: String,
        /// The user in whose name it is done; empty for ourselves.
        user: String,
    },
    /// Write fields of the status of a unit or a source.
    Status {
        /// The custom resource.
        object: ObjectRef,
        /// Field and text, by field name.
        fields: Vec<(String, String)>,
    },
    /// Send an event.
    Event {
        /// The custom resource that it is about.
        object: ObjectRef,
        /// What kind of news it is; one event per topic is remembered.
        topic: String,
        /// What it tells of: an event about the same is not sent again.
        about: String,
        /// `Normal` or `Warning`.
        kind: String,
        /// The reason.
        reason: String,
        /// The message.
        message: String,
        /// Its annotations, `key value` a line; may be empty.
        notes: String,
    },
    /// Pack a source's tree into the artifact that others load.
    Pack {
        /// The source.
        source: SourceName,
        /// The tree.
        tree: String,
        /// The revision.
        revision: String,
    },
}

/// A derived row that is no action: the rules and this table disagree.
#[derive(Debug, Error, Diagnostic)]
#[error("row of `{relation}` is not an action: {problem}")]
#[diagnostic(code(actions::row), help("rules/actions.dl and src/actions/action.rs must agree"))]
pub struct ActionError {
    /// The relation.
    pub relation: String,
    /// What does not fit.
    pub problem: String,
}

impl Action {
    /// Reads a row of an `act_*` relation.
    ///
    /// # Errors
    /// The relation is unknown, or the row does not have its shape.
    pub fn from_row(relation: &str, row: &Row) -> Result<Self, ActionError> {
        let fields = Fields { relation, row };
        Ok(match relation {
            "act_observe" => Self::Observe { object: fields.object(0)? },
            "act_adopt" => Self::Adopt {
                unit: fields.unit(0)?,
                object: fields.object(1)?,
                uid: fields.text(2)?,
            },
            "act_forget" => Self::Forget {
                unit: fields.unit(0)?,
                object: fields.object(1)?,
                reason: fields.text(2)?,
                word: fields.text(3)?,
            },
            "act_finalizer" => {
                Self::Finalizer { object: fields.owner(0)?, set: fields.text(1)? == "add" }
            }
            "act_compare" => Self::Compare {
                unit: fields.unit(0)?,
                object: fields.object(1)?,
                manifest: fields.text(2)?,
                user: fields.text(3)?,
            },
            "act_dry_run" => Self::DryRun {
                unit: fields.unit(0)?,
                object: fields.object(1)?,
                manifest: fields.text(2)?,
                user: fields.text(3)?,
            },
            "act_claim" => Self::Claim {
                unit: fields.unit(0)?,
                object: fields.object(1)?,
                uid: fields.text(2)?,
                resource_version: fields.text(3)?,
                user: fields.text(4)?,
            },
            "act_apply" => fields.apply()?,
            "act_delete" => Self::Delete {
                unit: fields.unit(0)?,
                object: fields.object(1)?,
                uid: fields.text(2)?,
                resource_version: fields.text(3)?,
                user: fields.text(4)?,
            },
            "act_status" | "act_source_status" => Self::Status {
                object: fields.owner(0)?,
                fields: vec![(fields.text(1)?, fields.text(2)?)],
            },
            "act_event" => fields.event()?,
            _ => fields.of_source()?,
        })
    }

    /// Names what is acted upon: two actions with equal keys must not run at the same time.
    pub fn key(&self) -> String {
        let verb = self.verb();
        match self {
            Self::Observe { object } => format!("{verb} {}", object.fact_text()),
            Self::Adopt { unit, object, .. }
            | Self::Forget { unit, object, .. }
            | Self::Compare { unit, object, .. }
            | Self::DryRun { unit, object, .. }
            | Self::Claim { unit, object, .. }
            | Self::Apply { unit, object, .. }
            | Self::Delete { unit, object, .. } => {
                format!("{verb} {unit} {}", object.fact_text())
            }
            Self::Finalizer { object, .. } | Self::Status { object, .. } => {
                format!("{verb} {}", object.fact_text())
            }
            Self::Event { object, topic, .. } => format!("{verb} {} {topic}", object.fact_text()),
            Self::Fetch { source, .. } | Self::Pack { source, .. } => format!("{verb} {source}"),
            Self::Render { unit, .. } | Self::Search { unit, .. } => format!("{verb} {unit}"),
        }
    }

    /// The word for it in plans, journal and messages.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Observe { .. } => "observe",
            Self::Adopt { .. } => "adopt",
            Self::Forget { .. } => "forget",
            Self::Finalizer { .. } => "finalizer",
            Self::Fetch { .. } => "fetch",
            Self::Render { .. } => "render",
            Self::Search { .. } => "search",
            Self::Compare { .. } => "compare",
            Self::DryRun { .. } => "dry-run",
            Self::Claim { .. } => "claim",
            Self::Apply { .. } => "apply",
            Self::Delete { .. } => "delete",
            Self::Status { .. } => "status",
            Self::Event { .. } => "event",
            Self::Pack { .. } => "pack",
        }
    }

    /// Whether it changes a cluster or a repository; the others only observe or keep records.
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Self::Finalizer { .. }
                | Self::Claim { .. }
                | Self::Apply { .. }
                | Self::Delete { .. }
                | Self::Status { .. }
                | Self::Event { .. }
        )
    }

    /// The object that it is about, when it is about one managed object.
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::Observe { object }
            | Self::Adopt { object, .. }
            | Self::Forget { object, .. }
            | Self::Compare { object, .. }
            | Self::DryRun { object, .. }
            | Self::Claim { object, .. }
            | Self::Apply { object, .. }
            | Self::Delete { object, .. }
            | Self::Finalizer { object, .. }
            | Self::Status { object, .. }
            | Self::Event { object, .. } => Some(object),
            Self::Fetch { .. } | Self::Render { .. } | Self::Search { .. } | Self::Pack { .. } => {
                None
            }
        }
    }

    /// The user in whose name it is done; empty for ourselves.
    pub fn user(&self) -> &str {
        match self {
            Self::Compare { user, .. }
            | Self::DryRun { user, .. }
            | Self::Claim { user, .. }
            | Self::Apply { user, .. }
            | Self::Delete { user, .. } => user,
            _ => "",
        }
    }

    /// The unit that it is done for.
    pub fn unit(&self) -> Option<&UnitName> {
        match self {
            Self::Adopt { unit, .. }
            | Self::Forget { unit, .. }
            | Self::Compare { unit, .. }
            | Self::DryRun { unit, .. }
            | Self::Claim { unit, .. }
            | Self::Apply { unit, .. }
            | Self::Delete { unit, .. }
            | Self::Render { unit, .. }
            | Self::Search { unit, .. } => Some(unit),
            _ => None,
        }
    }
}

/// Typed access to the columns of a row.
struct Fields<'a> {
    relation: &'a str,
    row: &'a Row,
}

impl Fields<'_> {
    fn wrong(&self, problem: String) -> ActionError {
        ActionError { relation: self.relation.to_owned(), problem }
    }

    fn text(&self, at: usize) -> Result<String, ActionError> {
        let text = self.row.get(at).and_then(Value::as_symbol).map(str::to_owned);
        text.ok_or_else(|| self.wrong(format!("column {at} is not a symbol")))
    }

    fn number(&self, at: usize) -> Result<i64, ActionError> {
        let number = self.row.get(at).and_then(Value::as_number);
        number.ok_or_else(|| self.wrong(format!("column {at} is not a number")))
    }

    fn unit(&self, at: usize) -> Result<UnitName, ActionError> {
        let text = self.text(at)?;
        UnitName::parse(&text).ok_or_else(|| self.wrong(format!("`{text}` is not a unit")))
    }

    fn source(&self, at: usize) -> Result<SourceName, ActionError> {
        let text = self.text(at)?;
        SourceName::parse(&text).ok_or_else(|| self.wrong(format!("`{text}` is not a source")))
    }

    fn object(&self, at: usize) -> Result<ObjectRef, ActionError> {
        let text = self.text(at)?;
        let object = ObjectRef::parse_fact_text(&text);
        object.ok_or_else(|| self.wrong(format!("`{text}` is not an object")))
    }

    /// The custom resource of the unit or source in this column, or another object.
    fn owner(&self, at: usize) -> Result<ObjectRef, ActionError> {
        let text = self.text(at)?;
        if let Some(object) = text.strip_prefix("object:").and_then(ObjectRef::parse_fact_text) {
            return Ok(object);
        }
        let unit = UnitName::parse(&text).map(|unit| unit.object());
        let owner = unit.or_else(|| SourceName::parse(&text).map(|source| source.object()));
        owner.ok_or_else(|| self.wrong(format!("`{text}` is neither a unit nor a source")))
    }

    fn apply(&self) -> Result<Action, ActionError> {
        Ok(Action::Apply {
            unit: self.unit(0)?,
            object: self.object(1)?,
            manifest: self.text(2)?,
            stage: self.number(3)?,
            order: self.text(4)?,
            reason: self.text(5)?,
            uid: self.text(6)?,
            user: self.text(7)?,
        })
    }

    fn event(&self) -> Result<Action, ActionError> {
        Ok(Action::Event {
            object: self.owner(0)?,
            topic: self.text(1)?,
            about: self.text(2)?,
            kind: self.text(3)?,
            reason: self.text(4)?,
            message: self.text(5)?,
            notes: self.text(6)?,
        })
    }

    fn of_source(&self) -> Result<Action, ActionError> {
        match self.relation {
            "act_fetch" => Ok(Action::Fetch {
                source: self.source(0)?,
                spec: self.text(1)?,
                reason: self.text(2)?,
            }),
            "act_pack" => Ok(Action::Pack {
                source: self.source(0)?,
                tree: self.text(1)?,
                revision: self.text(2)?,
            }),
            "act_render" => Ok(Action::Render {
                unit: self.unit(0)?,
                revision: self.text(1)?,
                tree: self.text(2)?,
                key: [self.text(3)?, self.text(4)?, self.text(5)?],
            }),
            "act_search" => Ok(Action::Search { unit: self.unit(0)?, tree: self.text(1)? }),
            _ => Err(self.wrong("no such action".to_owned())),
        }
    }
}
