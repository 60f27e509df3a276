//! `$patch`: what a patch says about the map or list that it stands in.

use super::arena::Arena;
use super::arena::Id;
use super::elements;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::path::Kind;

const KEY: &str = "$patch";

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Replace,
    Delete,
    Merge,
}

fn parse(word: &str) -> Result<Directive> {
    match word {
        "delete" => Ok(Directive::Delete),
        "replace" => Ok(Directive::Replace),
        "merge" => Ok(Directive::Merge),
        _ => Err(BuildError::new(
            ErrorKind::InvalidPatch,
            format!("unknown patch strategy '{word}'"),
        )
        .says("`$patch` is none of delete, replace and merge")),
    }
}

/// What `patch` says; the directive itself is taken out of it.
pub(super) fn take(arena: &mut Arena, patch: Option<Id>) -> Result<Directive> {
    let Some(patch) = patch else { return Ok(Directive::Merge) };
    match arena.kind(patch) {
        Kind::Mapping => take_from_map(arena, patch),
        Kind::Sequence => take_from_list(arena, patch),
        Kind::Scalar => {
            let words = format!(
                "no implemented strategic merge patch strategy for '{:?}' ('{}')",
                arena.node(patch).effective_tag(),
                arena.text(patch)
            );
            let says = "a scalar stands where the target has a map or a list";
            Err(BuildError::new(ErrorKind::InvalidPatch, words).says(says))
        }
    }
}

fn take_from_map(arena: &mut Arena, patch: Id) -> Result<Directive> {
    let Some(value) = arena.field(patch, KEY) else { return Ok(Directive::Merge) };
    let directive = parse(arena.text(value))?;
    arena.remove_field(patch, KEY);
    Ok(directive)
}

fn take_from_list(arena: &mut Arena, patch: Id) -> Result<Directive> {
    let items = arena.items(patch);
    let is_map = |arena: &Arena, id: Id| arena.kind(id) == Kind::Mapping;
    let found = items.into_iter().find(|&id| is_map(arena, id) && arena.field(id, KEY).is_some());
    let Some(item) = found.filter(|&id| arena.len(id) == 1) else { return Ok(Directive::Merge) };
    let Some(value) = arena.field(item, KEY) else { return Ok(Directive::Merge) };
    let word = arena.text(value).to_owned();
    let directive = parse(&word)?;
    elements::set(arena, patch, None, &[KEY.to_owned()], &[word])?;
    Ok(directive)
}
