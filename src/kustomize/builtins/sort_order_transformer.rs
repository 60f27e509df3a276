//! `sortOptions:`, and the order in which `kustomize build` prints.

use std::collections::HashMap;

use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::gvk::Gvk;
use crate::kustomize::gvk::ResId;
use crate::kustomize::gvk::default_order;
use crate::kustomize::kustomization::LegacySortOptions;
use crate::kustomize::kustomization::SortOptions;
use crate::kustomize::resmap::ResMap;

/// Sorts `map` as `options` say; `None` is the legacy order, in which no id may be there `twice`.
pub(crate) fn sort(map: &mut ResMap, options: Option<&SortOptions>, twice: bool) -> Result<()> {
    let wrong = |words: String| BuildError::new(ErrorKind::InvalidKustomization, words);
    let default_lists = || {
        let (order_first, order_last) = default_order();
        LegacySortOptions { order_first, order_last }
    };
    let lists = match options {
        None => default_lists(),
        Some(options) => match (options.order.as_str(), &options.legacy_sort_options) {
            ("legacy", Some(lists)) => lists.clone(),
            ("legacy", None) => default_lists(),
            ("fifo", None) => return Ok(()),
            ("fifo", Some(_)) => {
                return Err(wrong(
                    "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'".into(),
                ));
            }
            _ => {
                return Err(wrong(
                    "the field 'sortOptions.order' must be one of [fifo, legacy]".into(),
                ));
            }
        },
    };
    let mut ranks: HashMap<&str, i64> = HashMap::new();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    for (i, kind) in lists.order_first.iter().enumerate() {
        ranks.insert(kind, count(i) - count(lists.order_first.len()));
    }
    for (i, kind) in lists.order_last.iter().enumerate() {
        ranks.insert(kind, 1 + count(i));
    }
    map.objects_mut().sort_by_cached_key(|object| {
        let id = object.id();
        let rank = ranks.get(&*id.gvk.kind).copied().unwrap_or_default();
        (rank, Reversed::of(&id.gvk), id_text(id))
    });
    if twice {
        let appended = ResMap::default().append_all(map.objects().iter().cloned());
        let words = "SortOrderTransformer: Failed to append to resources";
        appended.map_err(|error| error.wrap(words))?;
    }
    Ok(())
}

/// The type's text; namespaces are in the opposite order, so that those of a group come first.
#[derive(PartialEq, Eq)]
struct Reversed(String, bool);

impl Reversed {
    fn of(gvk: &Gvk) -> Self {
        let or = |text: &str, absent: &str| {
            if text.is_empty() { absent.to_owned() } else { text.to_owned() }
        };
        let group = or(gvk.group(), "~G");
        let text = format!("{group}_{}_{}", or(gvk.version(), "~V"), or(&gvk.kind, "~K"));
        Self(text, &*gvk.kind == "Namespace")
    }
}

impl PartialOrd for Reversed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reversed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self.1 && other.1 { other.0.cmp(&self.0) } else { self.0.cmp(&other.0) }
    }
}

fn id_text(id: &ResId) -> String {
    let or = |text: &str, absent: &str| {
        if text.is_empty() { absent.to_owned() } else { text.to_owned() }
    };
    format!("{}|{}|{}", id.gvk, or(&id.namespace, "~X"), or(&id.name, "~N"))
}
