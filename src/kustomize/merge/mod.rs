//! Strategic merge: an object, a patch, and the schema that says how lists join.
//!
//! ```text
//! object ─┐
//!         ├─▶ arena ──walk──▶ arena ──close──▶ merged object, or nothing when deleted
//! patch ──┘     ▲
//!               └── merge keys and strategies of the field (`schema.rs`)
//! ```
//!
//! Upstream merges in place, on shared nodes, and its results depend on it: so both trees are put
//! into one arena whose ids are what pointers are there. Subtrees that only the object has, and that
//! a walk would leave alone, are never opened. Patch items come first in merged lists.
//! Upstream: `kyaml/yaml/merge2`, `kyaml/yaml/walk`.

mod arena;
mod directive;
mod elements;
mod list;
mod stable;
mod walk;

use super::error::Result;
use super::pen::Pen;
use super::schemas::Schemas;
use super::yaml::Node;
use arena::Arena;
use walk::Walker;

/// `object` with `patch` merged in, `None` when the patch deletes it; and the pen that wrote.
pub(crate) fn merge(object: &Node, patch: &Node, schemas: &Schemas) -> Result<(Option<Node>, Pen)> {
    let mut arena = Arena::default();
    let dest = arena.add(object.clone());
    let origin = arena.add(patch.clone());
    let mut walker = Walker { arena, schemas };
    let merged = walker.walk([Some(dest), Some(origin)], None)?;
    let merged = merged.id.map(|id| walker.arena.close(id));
    Ok((merged, walker.arena.pen))
}
