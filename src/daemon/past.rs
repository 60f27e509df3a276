//! What the journal tells of revisions and objects that the facts tell of no more.
//!
//! Read-only. Cost: pages of the journal, newest first, until what is asked for is found.

use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Intent;
use crate::audit::Item;
use crate::audit::JournalReader;
use crate::audit::Object;
use crate::audit::Order;
use crate::audit::OutcomeKind;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::explain::Deed;
use crate::explain::Done;
use crate::explain::Once;
use crate::explain::names_revision;
use crate::model::ObjectRef;

/// Records of one page.
const PAGE: usize = 1_000;
/// Most pages that are looked at.
const PAGES_MAX: usize = 50;

/// The last time at which `unit` had the revision that `wanted` names, and the manifest of `object`
/// that was applied by then.
pub(super) fn once(
    journal: &JournalReader<DiskStorage>,
    unit: &str,
    object: &ObjectRef,
    wanted: &str,
) -> Option<Once> {
    let view = journal.view();
    let mut query = Query {
        unit: Some(unit.to_owned()),
        kind: Some(RecordKind::Intent),
        order: Order::NewestFirst,
        limit: PAGE,
        ..Query::default()
    };
    let object = Object::from(object);
    let mut found: Option<Once> = None;
    for _ in 0..PAGES_MAX {
        let Ok(page) = view.list(&query) else { break };
        for item in &page.items {
            let Some(intent) = done(item) else { continue };
            let is_apply =
                intent.action.kind == "apply" && intent.action.object.as_ref() == Some(&object);
            if found.is_none() {
                let revision = had(intent, is_apply).filter(|text| names_revision(text, wanted));
                found = revision.map(|revision| Once {
                    revision: revision.to_owned(),
                    at: item.record.at.to_string(),
                    manifest: None,
                });
            }
            if let Some(once) = found.as_mut().filter(|_| is_apply) {
                once.manifest = intent.action.fields.get("manifest").cloned();
                return found;
            }
        }
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }
    found
}

/// What was done to the object and is worth telling, newest first.
pub(super) fn deeds(journal: &JournalReader<DiskStorage>, object: &ObjectRef) -> Vec<Deed> {
    let view = journal.view();
    let query = Query {
        object: Some(Object::from(object)),
        kind: Some(RecordKind::Intent),
        order: Order::NewestFirst,
        limit: PAGE,
        ..Query::default()
    };
    let items = view.list(&query).map(|page| page.items).unwrap_or_default();
    let deed = |item: &Item| {
        let intent = done(item)?;
        let told = |field: &str| intent.action.fields.get(field).cloned().unwrap_or_default();
        let done = match intent.action.kind.as_str() {
            "apply" => Done::Applied,
            "delete" => Done::Pruned,
            "forget" => Done::LetGo(told("reason")),
            _ => return None,
        };
        Some(Deed {
            done,
            unit: intent.action.unit.clone().unwrap_or_default(),
            at: item.record.at.to_string(),
            proof_id: view.short_id(&item.id),
        })
    };
    items.iter().filter_map(deed).collect()
}

/// The revision that the unit had when this was done for it, as far as that tells it.
fn had(intent: &Intent, is_apply: bool) -> Option<&String> {
    match intent.action.kind.as_str() {
        "apply" if is_apply => intent.action.fields.get("revision"),
        "status" => intent.action.fields.get("lastAppliedRevision"),
        _ => None,
    }
}

/// The intent of an action that was carried out.
fn done(item: &Item) -> Option<&Intent> {
    let Body::Intent(intent) = &item.record.body else { return None };
    let (_, outcome) = item.outcome.as_ref()?;
    matches!(outcome.result, OutcomeKind::Done | OutcomeKind::Unchanged).then_some(intent)
}
