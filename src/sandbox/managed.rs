//! Managed fields: which manager owns which fields, and how writes move ownership.
//!
//! In: the live object, a new object or an applied configuration, and `metadata.managedFields`.
//! Out: the object to store and the new entries, or the conflicts.
//!
//! ```text
//! Update: what the write changed is taken from all others and given to the writer
//! Apply:  what the configuration names is the applier's; what it named before and nobody else
//!         owns is removed; a changed value that another owns is a conflict unless forced
//! ```
//!
//! Pure but for the time, which is handed in. Facts about the behaviour: Kubernetes
//! `apimachinery/pkg/util/managedfields` and structured-merge-diff `merge`.
//! Not here: field sets of values (`typed.rs`).

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::fields::FieldSet;
use super::typed::Comparison;
use super::typed::Typed;
use super::typed::same;

/// Most Update managers that an object keeps; older ones are merged into `ancient-changes`.
const UPDATE_MANAGERS_MAX: usize = 10;

/// Who writes, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) apply: bool,
    /// Set for updates only: an applier is the same one in every version.
    pub(crate) version: String,
    pub(crate) subresource: String,
}

/// One manager's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    version: String,
    set: FieldSet,
    time: Option<String>,
}

/// The entries of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Managed {
    entries: BTreeMap<Manager, Owned>,
}

/// A field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// As messages name the manager: `"name" using v1`.
    pub(crate) manager: String,
    /// The field's path.
    pub(crate) path: String,
}

/// What a write means for ownership: its type, its fields that never count, and the time.
pub(crate) struct Context<'t> {
    pub(crate) typed: Typed<'t>,
    /// Paths that this endpoint resets, such as `status` of the main resource.
    pub(crate) ignored: FieldSet,
    pub(crate) now: String,
}

/// Metadata that the server owns: in no manager's set.
const STRIPPED: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.selfLink",
    "metadata.uid",
    "metadata.clusterName",
    "metadata.generation",
    "metadata.managedFields",
    "metadata.resourceVersion",
];

impl Managed {
    /// Reads `metadata.managedFields`; an entry that makes no sense makes the whole list empty.
    pub(crate) fn parse(object: &Value) -> Self {
        let Some(list) = object.pointer("/metadata/managedFields").and_then(Value::as_array) else {
            return Self::default();
        };
        let entries = list.iter().map(parse_entry).collect::<Option<BTreeMap<_, _>>>();
        Self { entries: entries.unwrap_or_default() }
    }

    /// Whether nobody owns anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether somebody owns the field at a dotted path.
    pub(crate) fn owns(&self, path: &str) -> bool {
        let wanted = FieldSet::of_fields(&[path]);
        self.entries.values().any(|owned| !owned.set.intersection(&wanted).is_empty())
    }

    /// Writes `metadata.managedFields` into `object`, or takes it away when there are none.
    pub(crate) fn write(&self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        if self.entries.is_empty() {
            metadata.remove("managedFields");
            return;
        }
        let mut sorted: Vec<(&Manager, &Owned)> = self.entries.iter().collect();
        sorted.sort_by(|(m, o), (n, p)| {
            let left = (!m.apply, &o.time, &m.name, &o.version, &m.subresource);
            left.cmp(&(!n.apply, &p.time, &n.name, &p.version, &n.subresource))
        });
        let list = sorted.into_iter().map(|(manager, owned)| encode_entry(manager, owned));
        metadata.insert("managedFields".to_owned(), list.collect());
    }

    /// Drops entries of versions that `served` does not know.
    pub(crate) fn retain_versions(&mut self, served: impl Fn(&str) -> bool) {
        self.entries.retain(|_, owned| served(&owned.version));
    }

    /// Records a write that is not an apply.
    pub(crate) fn update(&mut self, cx: &Context<'_>, live: &Value, new: &Value, who: &Manager) {
        let change = self.take(cx, live, new, None, true).unwrap_or_default();
        let set = change.modified.union(&change.added);
        let set = set.without_trees(&cx.ignored).difference(&FieldSet::of_fields(STRIPPED));
        if let Some(owned) = self.entries.get_mut(who) {
            owned.set = owned.set.difference(&change.removed);
        }
        if !set.is_empty() {
            let version = who.version.clone();
            let entry = self.entries.entry(who.clone()).or_insert_with(|| Owned {
                version,
                set: FieldSet::default(),
                time: None,
            });
            entry.set = entry.set.union(&set);
            // The real server forgets the time of writes through the scale subresource.
            entry.time = Some(cx.now.clone()).filter(|_| who.subresource != "scale");
        }
        self.entries.retain(|_, owned| !owned.set.is_empty());
        self.cap_updates();
    }

    /// Applies `config`: gives the new object, or `None` when it equals `live`.
    pub(crate) fn apply(
        &mut self,
        cx: &Context<'_>,
        live: &Value,
        config: &Value,
        who: &Manager,
        force: bool,
    ) -> Result<Option<Value>, Vec<Conflict>> {
        let merged = cx.typed.merge(live, config);
        let last = self.entries.get(who).map(|owned| owned.set.clone());
        let set = cx.typed.field_set(config).without_trees(&cx.ignored);
        let time = self.entries.get(who).and_then(|owned| owned.time.clone());
        let version = text(config, "apiVersion");
        self.entries.insert(who.clone(), Owned { version, set, time });
        let new = self.prune(cx.typed, merged, last.as_ref());
        self.take(cx, live, &new, Some(who), force)?;
        let changed = !same(live, &new);
        let stripped = FieldSet::of_fields(STRIPPED);
        if let Some(owned) = self.entries.get_mut(who) {
            owned.set = owned.set.difference(&stripped);
            if changed {
                owned.time = Some(cx.now.clone());
            }
        }
        self.entries.retain(|_, owned| !owned.set.is_empty());
        Ok(changed.then_some(new))
    }

    /// Takes from all but `but` what changed; without `force` that is a conflict.
    fn take(
        &mut self,
        cx: &Context<'_>,
        live: &Value,
        new: &Value,
        but: Option<&Manager>,
        force: bool,
    ) -> Result<Comparison, Vec<Conflict>> {
        let whole = cx.typed.compare(live, new);
        let seen = Comparison {
            added: whole.added.without_trees(&cx.ignored),
            modified: whole.modified.without_trees(&cx.ignored),
            removed: whole.removed.without_trees(&cx.ignored),
        };
        let touched = seen.modified.union(&seen.added);
        let others = |entry: &(&Manager, &mut Owned)| Some(entry.0) != but;
        if !force {
            let mut conflicts = Vec::new();
            for (manager, owned) in self.entries.iter_mut().filter(others) {
                let paths = owned.set.intersection(&touched).paths();
                let shown = shown(manager, owned);
                conflicts
                    .extend(paths.into_iter().map(|path| (manager.clone(), shown.clone(), path)));
            }
            if !conflicts.is_empty() {
                let plain = |(_, manager, path)| Conflict { manager, path };
                return Err(conflicts.into_iter().map(plain).collect());
            }
        }
        for (_, owned) in self.entries.iter_mut().filter(others) {
            owned.set = owned.set.difference(&touched).difference(&seen.removed);
        }
        self.entries.retain(|_, owned| !owned.set.is_empty());
        Ok(whole)
    }

    /// Removes what the applier owned before, names no more, and nobody else owns.
    fn prune(&self, typed: Typed<'_>, merged: Value, last: Option<&FieldSet>) -> Value {
        let Some(last) = last.filter(|last| !last.is_empty()) else { return merged };
        let named = |set: &FieldSet| set.with_named_fields(typed.types, Some(typed.ty));
        let last = named(last);
        let all = named(&typed.field_set(&merged));
        let left = |value: &Value| named(&typed.field_set(value));
        let owned = self.entries.values().fold(FieldSet::default(), |all, o| all.union(&o.set));
        let pruned = typed.remove(&merged, &last);
        let gone = all.difference(&left(&pruned).union(&named(&owned)));
        let pruned = typed.remove(&merged, &gone);
        let gone = all.difference(&left(&pruned)).intersection(&last);
        typed.remove(&merged, &gone)
    }

    /// Merges the oldest Update entries of each version while there are too many.
    fn cap_updates(&mut self) {
        let mut updates: Vec<Manager> =
            self.entries.keys().filter(|manager| !manager.apply).cloned().collect();
        let mut count = updates.len();
        updates.sort_by_key(|manager| (self.entries[manager].time.clone(), manager.clone()));
        let mut first: BTreeMap<String, Manager> = BTreeMap::new();
        for manager in updates {
            if count <= UPDATE_MANAGERS_MAX {
                return;
            }
            let version = self.entries[&manager].version.clone();
            let Some(oldest) = first.get(&version).cloned() else {
                first.insert(version, manager);
                continue;
            };
            let bucket = Manager {
                name: "ancient-changes".to_owned(),
                apply: false,
                version: version.clone(),
                subresource: String::new(),
            };
            if !self.entries.contains_key(&bucket)
                && let Some(owned) = self.entries.remove(&oldest)
            {
                self.entries.insert(bucket.clone(), owned);
            }
            if let Some(newer) = self.entries.remove(&manager)
                && let Some(into) = self.entries.get_mut(&bucket)
            {
                into.set = into.set.union(&newer.set);
                into.time = newer.time;
                count -= 1;
            }
        }
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn parse_entry(entry: &Value) -> Option<(Manager, Owned)> {
    let version = text(entry, "apiVersion");
    let apply = match text(entry, "operation").as_str() {
        "Apply" => true,
        "Update" => false,
        _ => return None,
    };
    if version.is_empty() || text(entry, "fieldsType") != "FieldsV1" {
        return None;
    }
    let manager = Manager {
        name: text(entry, "manager"),
        apply,
        version: if apply { String::new() } else { version.clone() },
        subresource: text(entry, "subresource"),
    };
    let set = FieldSet::parse(entry.get("fieldsV1").unwrap_or(&Value::Null));
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    Some((manager, Owned { version, set, time }))
}

fn encode_entry(manager: &Manager, owned: &Owned) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| {
        if value != "" {
            entry.insert(name.to_owned(), value);
        }
    };
    put("manager", json!(manager.name));
    put("operation", json!(if manager.apply { "Apply" } else { "Update" }));
    put("apiVersion", json!(owned.version));
    put("fieldsType", json!("FieldsV1"));
    put("fieldsV1", owned.set.to_json());
    put("subresource", json!(manager.subresource));
    if let Some(time) = &owned.time {
        put("time", json!(time));
    }
    Value::Object(entry)
}

/// As conflict messages name a manager.
fn shown(manager: &Manager, owned: &Owned) -> String {
    let mut name = format!("{:?}", manager.name);
    if !manager.subresource.is_empty() {
        name = format!("{name} with subresource {:?}", manager.subresource);
    }
    if manager.apply { name } else { format!("{name} using {}", owned.version) }
}

/// The message of a refused apply.
pub(crate) fn conflict_text(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        let Conflict { manager, path } = only;
        return format!("Apply failed with 1 conflict: conflict with {manager}: {path}");
    }
    let mut by_manager: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for conflict in conflicts {
        by_manager.entry(&conflict.manager).or_default().push(&conflict.path);
    }
    let mut lines = Vec::new();
    for (manager, paths) in by_manager {
        lines.push(format!("conflicts with {manager}:"));
        lines.extend(paths.into_iter().map(|path| format!("- {path}")));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

#[cfg(test)]
#[path = "managed_tests.rs"]
mod tests;
