//! Plain data shared by all modules: ids, object references, revisions, digests, file trees,
//! limits.
//!
//! Pure: no I/O, no clock. Depends on nothing else in the crate.
//! Not here: Kubernetes client types (`cluster`), custom resources (`api`).

mod digest;
mod effect;
mod field;
pub mod kinds;
pub mod limits;
mod manifest;
mod names;
mod object;
pub mod pointer;
mod secret;
mod time;
mod tree;
pub mod url;

pub use digest::Digest;
pub use digest::DigestKey;
pub use effect::Effect;
pub use effect::EffectResult;
pub use field::FieldPath;
pub use field::FieldPathError;
pub use manifest::Manifest;
pub use manifest::Manifests;
pub use names::KUSTOMIZE_GROUP;
pub use names::SOURCE_GROUP;
pub use names::SourceName;
pub use names::UnitName;
pub use object::GroupKind;
pub use object::ObjectRef;
pub use object::ParseInventoryIdError;
pub use secret::Secret;
pub use time::Clock;
pub use time::Timestamp;
pub use tree::ContentId;
pub use tree::Entry;
pub use tree::FileTree;
pub use tree::LeftOut;
pub use tree::TreeError;
