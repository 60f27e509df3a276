//! The merge key `<<`, spelt out as soon as a map is whole.
//!
//! For resources a map's own keys win wherever they stand (kyaml: `mergeAll`). For the
//! kustomization file what stands later wins (go-yaml v2). In both, the first map of a list of maps
//! wins.

use super::error::YamlError;
use super::node::Dialect;
use super::node::Entry;
use super::node::Node;
use super::node::Tag;

/// `entries` with what `<<` names put in: own keys first, in their order.
pub(super) fn expand(entries: Vec<Entry>, dialect: Dialect) -> Result<Vec<Entry>, YamlError> {
    if !entries.iter().any(|entry| entry.key.text() == Some("<<")) {
        return Ok(entries);
    }
    match dialect {
        Dialect::V3 => own_keys_win(entries),
        Dialect::V2 => later_wins(entries),
    }
}

fn is_merge(entry: &Entry) -> bool {
    entry.key.tag() == Tag::Merge
}

fn own_keys_win(mut entries: Vec<Entry>) -> Result<Vec<Entry>, YamlError> {
    // kyaml takes the first `<<` away, though it be quoted and merge nothing.
    let first = entries.iter().position(|entry| entry.key.text() == Some("<<"));
    if let Some(first) = first.filter(|&first| !is_merge(&entries[first])) {
        entries.remove(first);
    }
    let (merges, mut own): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_merge);
    if let Some(second) = merges.get(1) {
        return Err(YamlError::Merge { at: second.key.place() });
    }
    let own_count = own.len();
    for map in merges.iter().map(maps).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        for entry in map {
            match own.iter().position(|known| known.key.text() == entry.key.text()) {
                Some(index) if index < own_count => {}
                Some(index) => own[index] = entry.clone(),
                None => own.push(entry.clone()),
            }
        }
    }
    Ok(own)
}

fn later_wins(entries: Vec<Entry>) -> Result<Vec<Entry>, YamlError> {
    let mut result: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut put = |entry: &Entry| match result
        .iter_mut()
        .find(|known| known.key.text() == entry.key.text())
    {
        Some(known) => *known = entry.clone(),
        None => result.push(entry.clone()),
    };
    for entry in &entries {
        if is_merge(entry) {
            maps(entry)?.into_iter().flatten().for_each(&mut put);
        } else {
            put(entry);
        }
    }
    Ok(result)
}

/// The maps that a merge entry names, weakest first.
fn maps(entry: &Entry) -> Result<Vec<&[Entry]>, YamlError> {
    let wrong = || YamlError::Merge { at: entry.key.place() };
    if let Some(map) = entry.value.entries() {
        return Ok(vec![map]);
    }
    let items = entry.value.items().ok_or_else(wrong)?;
    items.iter().rev().map(|item: &Node| item.entries().ok_or_else(wrong)).collect()
}
