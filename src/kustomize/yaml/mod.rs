//! YAML as kustomize 5.8.1 reads and prints it: a node tree with places, and the exact emitter.
//!
//! In: the bytes of a file. Out: one [`Node`] per document, aliases and merge keys already spelt
//! out, every key and scalar with the [`Place`] that it came from; and text again.
//!
//! ```text
//! bytes ──parse──▶ Node ──edit──▶ Node ──emit──▶ text, as `kustomize build` prints it
//!                   │ ▲
//!                   ▼ │
//!                   json
//! ```
//!
//! Scalars keep their text: what `0777` means is decided when it is asked for, by the rules of
//! go-yaml v3 (resources) or v2 (the kustomization file); see [`Dialect`].
//!
//! Cloning is cheap: lists and maps are shared until written to. Pure. Limits: `limits` below.
//! Not here: comments (the official program drops them), schemas, merge strategies.

mod canonical;
mod cursor;
mod edit;
mod emit;
mod error;
mod grammar;
mod json;
mod merge;
mod node;
mod number;
mod open;
mod order;
mod parse;
mod read;
mod resolve;
mod rewrite;
mod scalar;
mod scan_scalar;
mod scan_tag;
mod scanner;
#[cfg(test)]
mod tests;
mod text;
mod timestamp;
mod token;
mod tree;
mod unicode;
mod words;

pub(crate) use canonical::check_unique;
pub use emit::to_yaml;
pub use emit::to_yaml_documents;
pub use error::YamlError;
pub use node::Dialect;
pub use node::Entry;
pub use node::FileId;
pub use node::Node;
pub use node::Place;
pub use node::Style;
pub use node::Tag;
pub use node::Text;
pub use node::Value;
pub(crate) use number::key_text as go_float_32;
pub use parse::read_document;
pub use parse::read_kustomization;
pub use parse::read_kustomization_at;
pub use parse::read_resources;
pub use parse::read_resources_at;
pub(crate) use resolve::is_plain_string;
pub(crate) use scalar::v3_style as made_style;
pub(crate) use unicode::is_go_letter_or_digit;
pub(crate) use words::shared as shared_text;

/// The limits of this module, by the names that errors report.
pub mod limits {
    /// Deepest nesting of a document.
    pub const DOCUMENT_DEPTH_MAX: usize = crate::model::limits::DOCUMENT_DEPTH_MAX;
    /// Most nodes of one document, aliases spelt out.
    pub const DOCUMENT_NODES_MAX: usize = 4_000_000;
    /// So many nodes out of aliases are never too many, nor are they in a smaller document than
    /// `ALIAS_FREE_DOCUMENT`.
    pub const ALIAS_FREE_NODES: usize = 100;
    /// See `ALIAS_FREE_NODES`.
    pub const ALIAS_FREE_DOCUMENT: usize = 1000;
    /// Up to so many nodes in a document, 99 of 100 may come out of aliases.
    const ALIAS_SMALL_DOCUMENT: usize = 400_000;

    /// Most nodes out of aliases in a document of `nodes` (go-yaml has the same bound): the share
    /// falls from 99 % in a small document to 10 % in one of `DOCUMENT_NODES_MAX`.
    pub fn alias_nodes_max(nodes: usize) -> usize {
        let above = nodes.min(DOCUMENT_NODES_MAX).saturating_sub(ALIAS_SMALL_DOCUMENT);
        let range = DOCUMENT_NODES_MAX - ALIAS_SMALL_DOCUMENT;
        let per_mille = 990 - 890 * above / range;
        (nodes / 1000).saturating_mul(per_mille) + nodes % 1000 * per_mille / 1000
    }
}
