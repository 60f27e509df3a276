//! Replacement targets inside of a text that is JSON or YAML itself, such as a ConfigMap's value.

use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::json;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::path_matcher;
use crate::kustomize::path_matcher::parse_text;
use crate::kustomize::pen::Pen;
use crate::kustomize::yaml::Node;

fn not_structured(words: &str) -> BuildError {
    BuildError::new(ErrorKind::InvalidReplacement, words)
}

/// Sets `value` where `parts` leads into the text of a scalar. An error means that it does not.
pub(super) fn set(
    node: &mut Node,
    parts: &[String],
    value: &Node,
    create: Option<Kind>,
    pen: &mut Pen,
) -> Result<()> {
    if parts.len() < 2 {
        return Err(not_structured("not a structured data path"));
    }
    for cut in 1..parts.len() {
        let (outer, inner) = parts.split_at(cut);
        let Ok(Some(scalar)) = path::lookup(node, outer) else { continue };
        if !scalar.is_scalar() {
            continue;
        }
        let text = path::text(scalar).to_owned();
        let Ok(mut document) = parse_text(&text) else { continue };
        let found = path_matcher::find(&mut document, inner, create)?;
        if found.is_empty() {
            return Err(not_structured("unable to find field in structured data"));
        }
        for at in found.into_iter().flatten() {
            if let Some(target) = path_matcher::at_mut(&mut document, &at) {
                if target.is_scalar() {
                    target.set_text(path::text(value));
                } else {
                    *target = value.clone();
                }
            }
        }
        let printed = print(&document, &text)?;
        if let Some(scalar) = path::lookup_mut(node, outer)? {
            // Whoever asks where the text comes from is to hear of what was copied into it.
            let mut new = scalar.clone().at(value.place());
            new.set_text(&printed);
            pen.write(scalar, new);
        }
        return Ok(());
    }
    Err(not_structured("no structured data found in path"))
}

/// The document as text, JSON when it was JSON.
fn print(document: &Node, original: &str) -> Result<String> {
    let mut out = String::new();
    if original.trim_start().starts_with(['{', '[']) {
        let mut compact = String::new();
        json::write(document, &mut compact)?;
        if original.contains('\n') && original.contains("  ") {
            return Ok(json::indented(&compact));
        }
        return Ok(compact);
    }
    crate::kustomize::emit::write_styled(document, 0, &mut out);
    Ok(out.trim().to_owned())
}
