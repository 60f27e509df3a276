//! What an action brought about, as a value: the executor makes it, the journal keeps its summary,
//! and ingest turns it into facts. Live objects travel in it as the server sent them, never to
//! disk.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::model::ObjectRef;
use crate::model::UnitName;

/// The effect of one action on one object.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The unit for which it was done; absent for custom resources' own status.
    pub unit: Option<UnitName>,
    /// The object that it was done to.
    pub object: ObjectRef,
    /// What happened.
    pub result: EffectResult,
}

/// What happened to the object. Words of the closed set of Flux's change set where it has one.
#[derive(Clone, Debug)]
pub enum EffectResult {
    /// The manifest was applied; the server answered with the object.
    Applied {
        /// Digest of the manifest.
        manifest: String,
        /// Whether the object was created by it.
        created: bool,
        /// The server's answer.
        live: Arc<Json>,
    },
    /// The server refused to apply the manifest.
    ApplyRefused {
        /// Digest of the manifest.
        manifest: String,
        /// The server's reason, such as `Forbidden` or `Invalid`.
        reason: String,
        /// What Flux would show.
        message: String,
    },
    /// The object was deleted and is gone.
    Deleted,
    /// The object was deleted; finalizers keep it for now, as the server answered.
    Terminating(Arc<Json>),
    /// The server refused to delete the object.
    DeleteRefused {
        /// The server's reason.
        reason: String,
        /// What it said.
        message: String,
    },
    /// The object was read; `None` means that the server says it does not exist.
    Observed(Option<Arc<Json>>),
    /// The unit's ownership was recorded, for the object with this uid.
    Adopted {
        /// The uid that was proven.
        uid: String,
    },
    /// The record of ownership was dropped.
    Forgotten {
        /// What an event says of it: `deleted`, `skipped`, or nothing.
        word: String,
    },
    /// A dry-run of the manifest equals the live object.
    Same {
        /// Digest of the manifest.
        manifest: String,
        /// The live object.
        live: Arc<Json>,
    },
    /// A dry-run of the manifest differs from the live object.
    Differs {
        /// Digest of the manifest.
        manifest: String,
    },
    /// The server would take the manifest, as a dry-run shows.
    Accepted {
        /// Digest of the manifest.
        manifest: String,
    },
    /// Fields were taken over, or status, finalizers written; the server answered with the object.
    Written(Arc<Json>),
    /// The event was sent.
    EventSent {
        /// Its topic.
        topic: String,
        /// What it told of, as `event_due` compares it.
        about: String,
    },
    /// The world changed since the plan was made; nothing was done, observe again.
    Superseded {
        /// What did not hold any more.
        message: String,
    },
    /// It is not known whether the request took effect.
    Unknown {
        /// Why.
        message: String,
    },
    /// Nothing was sent: the lease was lost, or the daemon is stopping.
    Withheld {
        /// Why.
        message: String,
    },
}

impl EffectResult {
    /// The word for it in the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Applied { created: true, .. } => "created",
            Self::Applied { created: false, .. } => "configured",
            Self::ApplyRefused { .. } | Self::DeleteRefused { .. } => "refused",
            Self::Deleted | Self::Terminating(_) => "deleted",
            Self::Observed(_) => "observed",
            Self::Adopted { .. } => "adopted",
            Self::Forgotten { .. } => "forgotten",
            Self::Same { .. } => "unchanged",
            Self::Differs { .. } => "differs",
            Self::Accepted { .. } => "accepted",
            Self::Written(_) => "written",
            Self::EventSent { .. } => "sent",
            Self::Superseded { .. } => "superseded",
            Self::Unknown { .. } => "unknown",
            Self::Withheld { .. } => "withheld",
        }
    }

    /// What there is to say beyond the word; empty when there is nothing.
    pub fn message(&self) -> &str {
        match self {
            Self::ApplyRefused { message, .. }
            | Self::DeleteRefused { message, .. }
            | Self::Superseded { message }
            | Self::Unknown { message }
            | Self::Withheld { message } => message,
            _ => "",
        }
    }

    /// The object as the server sent it back, if it did.
    pub fn live(&self) -> Option<&Json> {
        match self {
            Self::Applied { live, .. } | Self::Same { live, .. } | Self::Written(live) => {
                Some(live)
            }
            Self::Observed(live) => live.as_deref(),
            _ => None,
        }
    }
}
