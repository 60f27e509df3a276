//! Finding, replacing and removing the items of a list by the values of their keys.
//!
//! An empty key stands for the item itself, in lists of scalars. Upstream: `ElementSetter`,
//! `ElementMatcher`, whose odd sides are kept: what follows depends on them.

use super::arena::Arena;
use super::arena::Id;
use crate::kustomize::error::Result;
use crate::kustomize::path;
use crate::kustomize::path::Kind;

/// The first item that has all of these values at these keys.
pub(super) fn find(arena: &mut Arena, list: Id, keys: &[String], values: &[String]) -> Option<Id> {
    let items = arena.items(list);
    if keys.first().is_none_or(String::is_empty) {
        let value = values.first().map(String::as_str).unwrap_or_default();
        return items.into_iter().find(|&item| arena.text(item) == value);
    }
    items.into_iter().find(|&item| {
        arena.kind(item) == Kind::Mapping
            && keys.iter().zip(values).all(|(key, value)| {
                arena.field(item, key).is_some_and(|found| arena.text(found) == value)
            })
    })
}

/// The values of each item at these keys, `""` where there is none.
pub(super) fn values(arena: &mut Arena, list: Id, keys: &[String]) -> Vec<Vec<String>> {
    let items = arena.items(list);
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        let mut row = Vec::with_capacity(keys.len());
        for key in keys {
            let found =
                if arena.kind(item) == Kind::Mapping { arena.field(item, key) } else { None };
            row.push(match found {
                Some(found) if !arena.is_null_or_empty(found) => arena.text(found).to_owned(),
                _ => String::new(),
            });
        }
        rows.push(row);
    }
    rows
}

/// Replaces the items that have these values by `element`, or removes them when it is `None`; adds
/// `element` when no item has them. Null and empty items are dropped on the way.
pub(super) fn set(
    arena: &mut Arena,
    list: Id,
    element: Option<Id>,
    keys: &[String],
    values: &[String],
) -> Result<()> {
    let whole = [String::new()];
    let keys = if keys.is_empty() { &whole[..] } else { keys };
    path::expect_kind(arena.node(list), Kind::Sequence)?;
    let by_field = keys.first().is_some_and(|key| !key.is_empty())
        && values.first().is_some_and(|value| !value.is_empty());
    let mut kept = Vec::new();
    let mut matched = false;
    for item in arena.items(list) {
        if arena.is_empty_map(item) {
            continue;
        }
        if by_field && arena.kind(item) != Kind::Mapping {
            kept.push(item);
            continue;
        }
        if !has(arena, item, keys, values)? {
            if !values.is_empty() {
                kept.push(item);
            }
            continue;
        }
        matched = true;
        kept.extend(element);
    }
    if let Some(element) = element.filter(|&element| !matched && !arena.is_null(element)) {
        kept.push(element);
    }
    arena.set_items(list, kept);
    Ok(())
}

/// Whether an item has these values. A key without a value is taken to have the one before it.
fn has(arena: &mut Arena, item: Id, keys: &[String], values: &[String]) -> Result<bool> {
    let mut found = false;
    for (i, key) in keys.iter().enumerate() {
        if let Some(value) = values.get(i) {
            found = has_value(arena, item, key, value)?;
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(found)
}

fn has_value(arena: &mut Arena, item: Id, key: &str, value: &str) -> Result<bool> {
    if arena.is_null(item) {
        return Ok(false);
    }
    if key.is_empty() {
        path::expect_kind(arena.node(item), Kind::Scalar)?;
        return Ok(arena.text(item) == value);
    }
    path::expect_kind(arena.node(item), Kind::Mapping)?;
    let Some(found) = arena.field(item, key) else { return Ok(false) };
    // An empty value to look for matches whatever stands there.
    Ok(value.is_empty() || arena.text(found) == value)
}
