//! The built-in transformers and generators, one a file, named as upstream names them.
//!
//! Each is filled from a field of the kustomization, or from an object of a `transformers:` or
//! `generators:` entry (`plugin.rs`), and then run once.

pub(crate) mod annotations_transformer;
pub(crate) mod config_map_generator;
pub(crate) mod hash_transformer;
pub(crate) mod iam_policy_generator;
pub(crate) mod image_tag_transformer;
pub(crate) mod label_transformer;
pub(crate) mod name_reference_transformer;
pub(crate) mod namespace_transformer;
pub(crate) mod patch_json6902_transformer;
pub(crate) mod patch_strategic_merge_transformer;
pub(crate) mod patch_transformer;
pub(crate) mod prefix_transformer;
pub(crate) mod ref_var_transformer;
pub(crate) mod replacement_transformer;
pub(crate) mod replica_count_transformer;
pub(crate) mod secret_generator;
pub(crate) mod sort_order_transformer;
pub(crate) mod structured_data;
pub(crate) mod suffix_transformer;
pub(crate) mod value_add_transformer;

use super::error::BuildError;

/// Upstream names the file in errors of the YAML reader.
pub(crate) fn named_file(error: BuildError, path: &str) -> BuildError {
    if !error.upstream().contains("MalformedYAMLError") {
        return error;
    }
    let words = format!("{} in File: {path}", error.upstream());
    error.reworded(words)
}
