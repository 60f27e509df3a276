//! Kustomizations: what their spec, metadata and status say, as statements.

use serde_json::Value as Json;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::api;
use crate::api::Condition;
use crate::api::Kustomization;
use crate::api::KustomizationSpec;
use crate::api::keys;
use crate::datalog::Fact;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::kustomize::flux::UnitBuild;
use crate::kustomize::flux::UnitImage;
use crate::kustomize::flux::UnitPatch;
use crate::kustomize::flux::UnitPatchTarget;
use crate::model::Digest;
use crate::model::ObjectRef;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::model::UnitName;

/// Relations whose rows begin with a unit and come from its custom resource.
const OBSERVED: &[&str] = &[
    "unit",
    "unit_generation",
    "unit_source",
    "unit_build",
    "unit_timing",
    "unit_flag",
    "unit_policy",
    "unit_account",
    "unit_deleting",
    "unit_finalizer",
    "unit_requested",
    "unit_refused",
    "depends_on",
    "depends_place",
    "checks_health",
    "reads_values",
    "inventory",
    "unit_shown",
];

/// Relations whose rows begin with a unit and that end with it.
const RECORDED: &[&str] = &[
    "variables",
    "variables_missing",
    "reads",
    "rendered",
    "render_failed",
    "advice",
    "renders",
    "toggle",
    "declared_at",
    "mentions",
    "searched",
    "elsewhere",
    "ours",
    "unlisted",
    "moved",
    "applied",
    "differs",
    "accepted",
    "refused",
    "delete_refused",
    "changed",
    "event_sent",
    "noted",
];

/// The name of the unit that this custom resource is.
pub(super) fn name(unit: &Kustomization) -> UnitName {
    UnitName::new(&unit.metadata.namespace, &unit.metadata.name)
}

/// Everything that the custom resource says. `requested` is the reconcile request's token with the
/// time at which it was first seen.
pub(super) fn statements(
    unit: &Kustomization,
    requested: Option<(&str, Timestamp)>,
) -> Vec<Statement> {
    let name = name(unit);
    let mut facts = spec_facts(&name, unit);
    facts.extend(metadata_facts(&name, &unit.metadata));
    facts.extend(status_facts(&name, &unit.status));
    if let Some((token, seen)) = requested {
        facts.push(relation::unit_requested(&name, token, &seen));
    }
    Statement::about(OBSERVED, &name.column(), &facts)
}

/// The custom resource cannot be read: what its metadata and status say, and why not the rest.
pub(super) fn unreadable(name: &UnitName, object: &Json, message: &str) -> Vec<Statement> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let generation = object.pointer("/metadata/generation").and_then(Json::as_i64).unwrap_or(0);
    let mut facts = vec![
        relation::unit(name, text("/metadata/uid")),
        relation::unit_generation(name, &generation),
        relation::unit_refused(name, "spec", message),
    ];
    let read = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    if let Ok(metadata) = serde_json::from_value::<api::Metadata>(read("/metadata")) {
        facts.extend(metadata_facts(name, &metadata));
    }
    let status = serde_json::from_value::<api::KustomizationStatus>(read("/status"));
    facts.extend(status_facts(name, &status.unwrap_or_default()));
    Statement::about(OBSERVED, &name.column(), &facts)
}

/// The unit does not exist any more.
pub(super) fn gone(name: &UnitName) -> Vec<Statement> {
    let all = OBSERVED.iter().chain(RECORDED);
    all.map(|relation| Statement::nothing(relation, vec![name.column()])).collect()
}

/// The source that the unit's sourceRef names.
pub(super) fn source(name: &UnitName, spec: &KustomizationSpec) -> SourceName {
    let reference = &spec.source_ref;
    let namespace = namespace_or_own(name, reference.namespace.as_deref());
    SourceName::new(reference.kind.as_str(), namespace, &reference.name)
}

/// The namespace that a reference names; without one, or with an empty one, the unit's own, as in
/// Flux.
fn namespace_or_own<'a>(name: &'a UnitName, given: Option<&'a str>) -> &'a str {
    given.filter(|given| !given.is_empty()).unwrap_or(&name.namespace)
}

/// Digest of the fields that a build reads.
pub(super) fn build_digest(spec: &KustomizationSpec) -> String {
    let post_build = spec.post_build.as_ref();
    let read = json!({
        "path": spec.path,
        "targetNamespace": spec.target_namespace,
        "namePrefix": spec.name_prefix,
        "nameSuffix": spec.name_suffix,
        "commonMetadata": spec.common_metadata,
        "patches": spec.patches,
        "images": spec.images,
        "components": spec.components,
        "ignoreMissingComponents": spec.ignore_missing_components,
        "buildMetadata": spec.build_metadata,
        "substitute": post_build.map(|post| &post.substitute),
        "strategy": post_build.and_then(|post| post.substitute_strategy),
    });
    Digest::of(read.to_string().as_bytes()).to_string()
}

/// The spec's fields that shape the unit's objects, for the build; variables come apart.
pub(super) fn build_fields(spec: &KustomizationSpec) -> UnitBuild {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let target = |selector: &api::Selector| UnitPatchTarget {
        group: text(&selector.group),
        version: text(&selector.version),
        kind: text(&selector.kind),
        name: text(&selector.name),
        namespace: text(&selector.namespace),
        annotation_selector: text(&selector.annotation_selector),
        label_selector: text(&selector.label_selector),
    };
    let patch = |patch: &api::Patch| UnitPatch {
        patch: patch.patch.clone(),
        target: patch.target.as_ref().map(target),
    };
    let image = |image: &api::Image| UnitImage {
        name: image.name.clone(),
        new_name: text(&image.new_name),
        new_tag: text(&image.new_tag),
        digest: text(&image.digest),
    };
    let metadata = |word: &api::BuildMetadata| match word {
        api::BuildMetadata::OriginAnnotations => "originAnnotations".to_owned(),
        api::BuildMetadata::TransformerAnnotations => "transformerAnnotations".to_owned(),
    };
    let strategy = spec.post_build.as_ref().and_then(|post| post.substitute_strategy);
    UnitBuild {
        target_namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        patches: spec.patches.iter().map(patch).collect(),
        images: spec.images.iter().map(image).collect(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
        build_metadata: spec.build_metadata.iter().map(metadata).collect(),
        substitute: None,
        strict: true,
        always: strategy == Some(api::SubstituteStrategy::Always),
    }
}

fn spec_facts(name: &UnitName, unit: &Kustomization) -> Vec<Fact> {
    let spec = &unit.spec;
    let interval = spec.interval.to_std();
    let retry = spec.retry_interval.map_or(interval, |retry| retry.to_std());
    let mut facts = vec![
        relation::unit(name, &unit.metadata.uid),
        relation::unit_generation(name, &unit.metadata.generation),
        relation::unit_source(name, &source(name, spec)),
        relation::unit_build(name, &build_digest(spec)),
        relation::unit_timing(name, &interval, &retry, &timeout(spec, interval)),
        relation::unit_policy(name, policy(spec)),
    ];
    let account = spec.service_account_name.as_deref().filter(|account| !account.is_empty());
    facts.extend(account.map(|account| relation::unit_account(name, account)));
    let flags = [
        ("suspend", spec.suspend),
        ("prune", spec.prune),
        ("wait", spec.wait),
        ("force", spec.force),
    ];
    let set = flags.into_iter().filter(|(_, on)| *on);
    facts.extend(set.map(|(flag, _)| relation::unit_flag(name, flag)));
    facts.extend(dependency_facts(name, spec));
    facts.extend(spec.health_checks.iter().map(|check| {
        // An empty apiVersion means apps/v1 (Flux's legacy default).
        let version = check.api_version.as_deref().filter(|version| !version.is_empty());
        let group = version.unwrap_or("apps/v1").split_once('/').map_or("", |(group, _)| group);
        let namespace = namespace_or_own(name, check.namespace.as_deref());
        relation::checks_health(name, &ObjectRef::new(group, &check.kind, namespace, &check.name))
    }));
    facts.extend(value_sources(name, spec).map(|object| relation::reads_values(name, &object)));
    if let Some((field, message)) = refused_field(spec) {
        facts.push(relation::unit_refused(name, field, &message));
    }
    facts
}

/// The units that the spec depends on, each at the first place that names it.
fn dependency_facts(name: &UnitName, spec: &KustomizationSpec) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut seen = BTreeSet::new();
    for (place, reference) in (0..).zip(&spec.depends_on) {
        let namespace = namespace_or_own(name, reference.namespace.as_deref());
        let other = UnitName::new(namespace, &reference.name);
        if seen.insert(other.clone()) {
            facts.push(relation::depends_on(name, &other));
            facts.push(relation::depends_place(name, &other, &place));
        }
    }
    facts
}

/// The ConfigMaps and Secrets that substitution reads, in order.
pub(super) fn value_sources(
    name: &UnitName,
    spec: &KustomizationSpec,
) -> impl Iterator<Item = ObjectRef> {
    let from = spec.post_build.iter().flat_map(|post| post.substitute_from.clone());
    let namespace = name.namespace.clone();
    from.map(move |reference| {
        let kind = match reference.kind {
            api::SubstituteKind::Secret => "Secret",
            api::SubstituteKind::ConfigMap => "ConfigMap",
        };
        ObjectRef::new("", kind, &namespace, &reference.name)
    })
}

/// Health timeout: spec.timeout, else the interval less 30 s; never below 30 s (features 1.1).
fn timeout(spec: &KustomizationSpec, interval: Duration) -> Duration {
    let least = Duration::from_secs(30);
    let default = interval.saturating_sub(least);
    spec.timeout.map_or(default, |timeout| timeout.to_std()).max(least)
}

fn policy(spec: &KustomizationSpec) -> &'static str {
    match spec.deletion_policy.unwrap_or_default() {
        api::DeletionPolicy::MirrorPrune => "MirrorPrune",
        api::DeletionPolicy::Delete => "Delete",
        api::DeletionPolicy::WaitForTermination => "WaitForTermination",
        api::DeletionPolicy::Orphan => "Orphan",
    }
}

/// The first field that asks for something that this version does not do.
fn refused_field(spec: &KustomizationSpec) -> Option<(&'static str, String)> {
    let used = [
        ("spec.decryption", spec.decryption.is_some()),
        ("spec.kubeConfig", spec.kube_config.is_some()),
        ("spec.healthCheckExprs", !spec.health_check_exprs.is_empty()),
        ("spec.ignore", !spec.ignore.is_empty()),
        ("spec.dependsOn[].readyExpr", spec.depends_on.iter().any(|d| d.ready_expr.is_some())),
        ("spec.sourceRef.kind", spec.source_ref.kind == api::SourceKind::ExternalArtifact),
    ];
    let (field, _) = used.into_iter().find(|(_, used)| *used)?;
    Some((field, format!("{field} is not supported by this version of hence")))
}

fn metadata_facts(name: &UnitName, metadata: &api::Metadata) -> Vec<Fact> {
    let mut facts = Vec::new();
    if metadata.deletion_timestamp.is_some() {
        facts.push(relation::unit_deleting(name));
    }
    if metadata.finalizers.iter().any(|finalizer| finalizer == keys::FINALIZER) {
        facts.push(relation::unit_finalizer(name));
    }
    facts
}

fn status_facts(name: &UnitName, status: &api::KustomizationStatus) -> Vec<Fact> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let observed = status.observed_generation.unwrap_or(keys::NEVER_OBSERVED).to_string();
    let entries = status.inventory.iter().flat_map(|inventory| &inventory.entries);
    let lines: Vec<String> =
        entries.clone().map(|entry| format!("{} {}", entry.id, entry.v)).collect();
    let mut shown = vec![
        ("observedGeneration", observed),
        ("lastAppliedRevision", text(&status.last_applied_revision)),
        ("lastAppliedOriginRevision", text(&status.last_applied_origin_revision)),
        ("lastAttemptedRevision", text(&status.last_attempted_revision)),
        ("lastHandledReconcileAt", text(&status.last_handled_reconcile_at)),
        ("inventory", status.inventory.as_ref().map_or("-".to_owned(), |_| lines.join("\n"))),
        ("history", history_text(&status.history)),
    ];
    for kind in ["Ready", "Reconciling", "Stalled", "Healthy"] {
        shown.push((kind, condition_text(&status.conditions, kind)));
    }
    let mut facts: Vec<Fact> =
        shown.iter().map(|(field, value)| relation::unit_shown(name, field, value)).collect();
    facts.extend(entries.filter_map(|entry| {
        let object = ObjectRef::parse_inventory_id(&entry.id).ok()?;
        Some(relation::inventory(name, &object, &entry.v))
    }));
    facts
}

/// The objects that the unit's inventory names.
pub(super) fn inventory(unit: &Kustomization) -> BTreeSet<ObjectRef> {
    let entries = unit.status.inventory.iter().flat_map(|inventory| &inventory.entries);
    let ids = entries.map(|entry| ObjectRef::parse_inventory_id(&entry.id));
    ids.filter_map(Result::ok).collect()
}

/// The history as the rules' `history_with` writes it; empty when there is none.
fn history_text(history: &[api::Snapshot]) -> String {
    match serde_json::to_value(history) {
        Ok(entries) if !history.is_empty() => entries.to_string(),
        _ => String::new(),
    }
}

/// A condition as rules write it: `status reason generation: message`; empty when absent.
pub(super) fn condition_text(conditions: &[Condition], kind: &str) -> String {
    let Some(found) = conditions.iter().find(|condition| condition.type_ == kind) else {
        return String::new();
    };
    let generation = found.observed_generation.unwrap_or(0);
    format!("{} {} {generation}: {}", found.status.as_str(), found.reason, found.message)
}

/// The reconcile request on an object, if any.
pub(super) fn requested_token(metadata: &api::Metadata) -> Option<&str> {
    metadata.annotations.get(keys::REQUESTED_AT).map(String::as_str)
}

/// All units that a complete list showed: the others are gone.
pub(super) fn exactly_these(
    names: &[UnitName],
    known: impl Iterator<Item = UnitName>,
) -> Vec<Statement> {
    known.filter(|name| !names.contains(name)).flat_map(|name| gone(&name)).collect()
}
