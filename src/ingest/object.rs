//! Live objects: a watch event or a response, reduced to statements. No object is kept.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::api::keys;
use crate::cluster::fields;
use crate::cluster::fields::Difference;
use crate::cluster::health;
use crate::cluster::health::Health;
use crate::datalog::Fact;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::model::GroupKind;
use crate::model::ObjectRef;
use crate::model::Timestamp;
use crate::model::UnitName;

/// Relations whose rows begin with a live object.
const OBSERVED: &[&str] = &[
    "live",
    "absent",
    "live_owner",
    "live_toggle",
    "live_health",
    "live_deleting",
    "scaled_down",
    "own_part",
    "applier_manages",
    "overridden",
    "legacy",
    "drifted",
];

/// Group and kind of objects that define kinds.
const DEFINITION: (&str, &str) = ("apiextensions.k8s.io", "CustomResourceDefinition");

/// Who changed a path when managedFields do not tell.
const UNNAMED: &str = "an unnamed manager";

/// What is needed to reduce an object.
pub(super) struct Lens<'a> {
    /// Managers whose fields are taken over.
    pub overridden: &'a [String],
    /// How the object differs from what we recorded after our last apply.
    pub differences: &'a [Difference],
    /// The time of the observation: stands in for a manager without a time.
    pub now: Timestamp,
}

/// The object exists and looks like this.
pub(super) fn present(object: &ObjectRef, live: &Json, lens: &Lens<'_>) -> Vec<Statement> {
    let text = |pointer: &str| live.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let mut facts =
        vec![relation::live(object, text("/metadata/uid"), text("/metadata/resourceVersion"))];
    facts.extend(owner(live).map(|unit| relation::live_owner(object, &unit)));
    facts.extend(
        toggles(live).into_iter().map(|(name, value)| relation::live_toggle(object, name, &value)),
    );
    let health = health::status(live);
    facts.push(relation::live_health(object, health.status.as_str(), &health.message));
    if is_ending(live) {
        facts.push(relation::live_deleting(object));
    }
    if is_scaled_down(object, live) {
        facts.push(relation::scaled_down(object));
    }
    if part_of(live) == Some("hence") {
        facts.push(relation::own_part(object));
    }
    if fields::applies(live, keys::FIELD_MANAGER) {
        facts.push(relation::applier_manages(object));
    }
    let managers = fields::overridden_managers(live, lens.overridden);
    facts.extend(managers.iter().map(|manager| relation::overridden(object, manager)));
    facts.extend(legacy(live).map(|name| relation::legacy(object, name)));
    facts.extend(lens.differences.iter().map(|difference| {
        let at = difference.at.unwrap_or(lens.now);
        let named = Some(&*difference.manager).filter(|manager| !manager.is_empty());
        relation::drifted(object, &difference.path, named.unwrap_or(UNNAMED), &at)
    }));
    let mut said = about(object, facts);
    // With the object itself comes what it defines: the watch of definitions may be behind.
    let defined = defined(object, live);
    said.extend(
        defined.map(|fact| Statement::exactly("defines", vec![object.column()], vec![fact])),
    );
    said
}

/// What the object says that it is part of.
fn part_of(live: &Json) -> Option<&str> {
    live.pointer("/metadata/labels/app.kubernetes.io~1part-of")?.as_str()
}

/// A Deployment of a controller of Flux with no replicas.
fn is_scaled_down(object: &ObjectRef, live: &Json) -> bool {
    (&*object.group, &*object.kind) == ("apps", "Deployment")
        && part_of(live) == Some("flux")
        && live.pointer("/spec/replicas").is_some_and(|count| count == 0)
}

/// The object defines a kind of Flux.
fn defines_flux(object: &ObjectRef) -> bool {
    (&*object.group, &*object.kind) == DEFINITION && object.name.ends_with(".toolkit.fluxcd.io")
}

fn is_ending(live: &Json) -> bool {
    live.pointer("/metadata/deletionTimestamp").is_some()
}

/// All definitions of kinds, from a complete list: which of Flux's are being deleted.
pub(super) fn definitions(all: &[(ObjectRef, Arc<Json>)]) -> Vec<Statement> {
    let ending = all.iter().filter(|(object, live)| defines_flux(object) && is_ending(live));
    let facts = ending.map(|(object, _)| relation::definition_ending(object)).collect();
    let defined = all.iter().filter_map(|(object, live)| defined(object, live)).collect();
    vec![
        Statement::exactly("definition_ending", Vec::new(), facts),
        Statement::exactly("defines", Vec::new(), defined),
    ]
}

/// Which kind a definition defines.
fn defined(object: &ObjectRef, live: &Json) -> Option<Fact> {
    if (&*object.group, &*object.kind) != DEFINITION {
        return None;
    }
    let text = |pointer| live.pointer(pointer).and_then(Json::as_str);
    let (group, kind) = (text("/spec/group")?.to_owned(), text("/spec/names/kind")?.to_owned());
    Some(relation::defines(object, &GroupKind { group, kind }.to_string()))
}

/// The definition of a kind exists, or not any more.
pub(super) fn definition(object: &ObjectRef, live: Option<&Json>) -> Vec<Statement> {
    let ending = defines_flux(object) && live.is_some_and(is_ending);
    let facts = ending.then(|| relation::definition_ending(object)).into_iter().collect();
    let defined = live.and_then(|live| defined(object, live)).into_iter().collect();
    vec![
        Statement::exactly("definition_ending", vec![object.column()], facts),
        Statement::exactly("defines", vec![object.column()], defined),
    ]
}

/// The server answered that this object exists: what that says of a definition of Flux's kinds.
pub(super) fn asked(object: &ObjectRef, live: &Json, now: Timestamp) -> Vec<Statement> {
    match defines_flux(object) {
        false => Vec::new(),
        true if is_ending(live) => vec![Statement::Holds(relation::definition_ending(object))],
        true => vec![Statement::Holds(relation::definition_stood(object, &now))],
    }
}

/// The object is watched by its name, for its health alone.
pub(super) fn health_of(object: &ObjectRef, health: Option<&Health>) -> Vec<Statement> {
    let fact = |h: &Health| relation::named_health(object, h.status.as_str(), &h.message);
    let facts = health.map(fact).into_iter().collect();
    vec![Statement::exactly("named_health", vec![object.column()], facts)]
}

/// The server says that the object does not exist.
pub(super) fn absent(object: &ObjectRef) -> Vec<Statement> {
    about(object, vec![relation::absent(object)])
}

/// The object left the watch: whether it exists is not known.
pub(super) fn unseen(object: &ObjectRef) -> Vec<Statement> {
    about(object, Vec::new())
}

fn about(object: &ObjectRef, facts: Vec<Fact>) -> Vec<Statement> {
    Statement::about(OBSERVED, &object.column(), &facts)
}

/// The unit that both owner labels name.
fn owner(live: &Json) -> Option<UnitName> {
    let labels = live.pointer("/metadata/labels")?;
    let label = |key: &str| labels.get(key).and_then(Json::as_str);
    Some(UnitName::new(label(keys::OWNER_NAMESPACE)?, label(keys::OWNER_NAME)?))
}

/// Annotations and labels of kubectl and of earlier releases that Flux removes.
pub(super) fn legacy(object: &Json) -> impl Iterator<Item = &'static str> {
    let carries = |place: &str, name: &str| {
        object.pointer(place).and_then(|map| map.get(name)).is_some_and(Json::is_string)
    };
    let annotations = keys::LEGACY_ANNOTATIONS.map(|name| ("/metadata/annotations", name));
    let labels = keys::LEGACY_LABELS.map(|name| ("/metadata/labels", name));
    let found = annotations.into_iter().chain(labels);
    found.filter(move |(place, name)| carries(place, name)).map(|(_, name)| name)
}

/// A Secret that SOPS encrypted and nobody decrypted, unless it says that it is meant so.
pub(super) fn is_encrypted(object: &Json) -> bool {
    let secret = object["apiVersion"] == "v1" && object["kind"] == "Secret";
    let annotations = object.pointer("/metadata/annotations");
    let toggle = annotations.and_then(|map| map.get(keys::DECRYPT)).and_then(Json::as_str);
    secret
        && object.get("sops").is_some()
        && !toggle.is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
}

/// A Job that the cluster removes once it is done.
pub(super) fn expires(object: &Json) -> bool {
    let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/'));
    let ttl = object.pointer("/spec/ttlSecondsAfterFinished");
    group.is_some_and(|(group, _)| group == "batch")
        && object["kind"] == "Job"
        && ttl.is_some_and(|ttl| !ttl.is_null())
}

/// Toggles among labels and annotations, values in lower case (features 0.3).
pub(super) fn toggles(object: &Json) -> Vec<(&'static str, String)> {
    let known = [
        ("reconcile", keys::RECONCILE),
        ("ssa", keys::SSA),
        ("force", keys::FORCE),
        ("prune", keys::PRUNE),
    ];
    let mut found = Vec::new();
    for (name, key) in known {
        for place in ["/metadata/labels", "/metadata/annotations"] {
            let value = object.pointer(place).and_then(|map| map.get(key)).and_then(Json::as_str);
            let value = value.map(str::to_lowercase).filter(|value| !value.is_empty());
            found.extend(value.map(|value| (name, value)));
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_no_entry_is_an_unnamed_manager() {
        let object = ObjectRef::new("", "ConfigMap", "n", "a");
        let difference = |path: &str, manager: &str| Difference {
            path: path.to_owned(),
            missing: true,
            manager: manager.to_owned(),
            operation: String::new(),
            at: None,
        };
        let differences = [difference("data.x", ""), difference("data.y", "kubectl-edit")];
        let lens = Lens { overridden: &[], differences: &differences, now: Timestamp(0) };
        let told = present(&object, &serde_json::json!({}), &lens);
        let drifted = told.iter().find_map(|statement| match statement {
            Statement::Exactly { relation, rows, .. } if &**relation == "drifted" => Some(rows),
            _ => None,
        });
        let expected = [("data.x", UNNAMED), ("data.y", "kubectl-edit")]
            .map(|(path, manager)| relation::drifted(&object, path, manager, &Timestamp(0)).row);
        assert_eq!(drifted.map(Vec::as_slice), Some(&expected[..]));
    }
}
