//! Status of units and sources: the texts that rules derived, as the JSON that Flux's clients read.
//!
//! Conditions keep Flux's order (Stalled, Reconciling, Ready, then the others by generation and
//! name) and move `lastTransitionTime` when status, reason or message change (features 0.4).

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

use crate::api::keys;
use crate::executor::Act;
use crate::executor::plain_effect;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;
use crate::model::SOURCE_GROUP;
use crate::model::Timestamp;
use crate::model::limits::CONDITION_MESSAGE_BYTES_MAX;

/// Fields that are conditions.
const CONDITIONS: &[&str] = &[
    "Ready",
    "Reconciling",
    "Stalled",
    "Healthy",
    "ArtifactInStorage",
    "FetchFailed",
    "StorageOperationFailed",
];

/// The field manager of status and finalizers (features 0.5).
pub(super) fn status_manager(object: &ObjectRef) -> &'static str {
    if object.group == SOURCE_GROUP { keys::SOURCE_STATUS_MANAGER } else { keys::STATUS_MANAGER }
}

impl Act<'_> {
    pub(super) async fn status(
        &self,
        object: &ObjectRef,
        fields: &[(String, String)],
    ) -> Vec<Effect> {
        let Some(seen) = self.executor.seen.get(object) else {
            let message = "the custom resource was not seen yet".to_owned();
            return vec![plain_effect(object, EffectResult::Superseded { message })];
        };
        let resource = match self.preferred(&object.group_kind()).await {
            Ok(resource) => resource,
            Err(message) => return vec![plain_effect(object, EffectResult::Unknown { message })],
        };
        let now = self.executor.clock.now();
        let old = seen.get("status").cloned().unwrap_or_else(|| json!({}));
        let status = status_patch(&old, fields, now);
        let target = (object.namespace.as_str(), object.name.as_str());
        let version = seen.pointer("/metadata/resourceVersion").and_then(Json::as_str);
        let written = self
            .writer
            .patch_status(&resource, target, &status, version, status_manager(object))
            .await;
        match written {
            Ok(live) => {
                let live = Arc::new(live.raw);
                self.executor.seen.put(object.clone(), Arc::clone(&live));
                vec![plain_effect(object, EffectResult::Written(live))]
            }
            Err(error) if error.status().is_some() => self.see_again(object, &error).await,
            Err(error) => vec![plain_effect(object, unanswered(&error))],
        }
    }
}

/// The merge patch that turns `old` into a status with these fields.
fn status_patch(old: &Json, fields: &[(String, String)], now: Timestamp) -> Json {
    let mut patch = Map::new();
    let mut conditions: Vec<Json> =
        old.get("conditions").and_then(Json::as_array).cloned().unwrap_or_default();
    for (field, text) in fields {
        match field.as_str() {
            name if CONDITIONS.contains(&name) => set_condition(&mut conditions, name, text, now),
            "observedGeneration" => {
                patch.insert(field.clone(), json!(text.parse::<i64>().unwrap_or(-1)));
            }
            "inventory" => {
                patch.insert(field.clone(), inventory(text));
            }
            "artifact" => {
                patch.insert(field.clone(), artifact(old, text, now));
            }
            "history" => {
                patch.insert(field.clone(), serde_json::from_str(text).unwrap_or(Json::Null));
            }
            _ if text.is_empty() => {
                patch.insert(field.clone(), Json::Null);
            }
            _ => {
                patch.insert(field.clone(), json!(text));
            }
        }
    }
    conditions.sort_by_key(place);
    patch.insert("conditions".to_owned(), Json::Array(conditions));
    Json::Object(patch)
}

/// Flux's order of conditions.
fn place(condition: &Json) -> (usize, Reverse<i64>, String) {
    let name = condition["type"].as_str().unwrap_or_default();
    let first = ["Stalled", "Reconciling", "Ready"].iter().position(|known| *known == name);
    match first {
        Some(at) => (at, Reverse(0), String::new()),
        None => {
            let generation = condition["observedGeneration"].as_i64().unwrap_or(0);
            (3, Reverse(generation), name.to_owned())
        }
    }
}

/// Sets, changes or (with an empty text) removes a condition. The text reads
/// `status reason generation: message`.
fn set_condition(conditions: &mut Vec<Json>, name: &str, text: &str, now: Timestamp) {
    let old = conditions.iter().position(|condition| condition["type"] == name);
    let old = old.map(|at| conditions.remove(at));
    let Some((head, message)) = text.split_once(": ") else { return };
    let mut words = head.split(' ');
    let (status, reason) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let generation: i64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let message = cut(message);
    let same = old.filter(|old| {
        old["status"] == status && old["reason"] == reason && old["message"] == message.as_str()
    });
    let since = same.and_then(|old| old["lastTransitionTime"].as_str().map(str::to_owned));
    conditions.push(json!({
        "type": name,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": since.unwrap_or_else(|| now.to_string()),
        "reason": reason,
        "message": message,
    }));
}

/// Flux cuts long messages and ends them with `...`.
fn cut(message: &str) -> String {
    if message.len() <= CONDITION_MESSAGE_BYTES_MAX {
        return message.to_owned();
    }
    let mut end = CONDITION_MESSAGE_BYTES_MAX - 3;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &message[..end])
}

fn inventory(text: &str) -> Json {
    let entries: Vec<Json> = text
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(id, version)| json!({"id": id, "v": version}))
        .collect();
    json!({ "entries": entries })
}

/// The text reads `revision digest url size`.
fn artifact(old: &Json, text: &str, now: Timestamp) -> Json {
    let parts: Vec<&str> = text.split(' ').collect();
    let [revision, digest, url, size] = parts[..] else { return Json::Null };
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let unchanged = old.pointer("/artifact/digest").and_then(Json::as_str) == Some(digest);
    let updated = old.pointer("/artifact/lastUpdateTime").and_then(Json::as_str);
    let updated = updated.filter(|_| unchanged).map_or_else(|| now.to_string(), str::to_owned);
    json!({
        "revision": revision, "digest": digest, "url": url, "path": path,
        "lastUpdateTime": updated, "size": size.parse::<i64>().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_764_000_000_000);

    fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn conditions_stand_in_order_and_keep_their_time() {
        let old = json!({"conditions": [
            {"type": "Healthy", "status": "True", "reason": "Succeeded", "message": "ok",
             "observedGeneration": 1, "lastTransitionTime": "2020-01-01T00:00:00Z"},
            {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded",
             "message": "Applied revision: a", "observedGeneration": 1,
             "lastTransitionTime": "2020-01-01T00:00:00Z"},
        ]});
        let patch = status_patch(
            &old,
            &fields(&[
                ("Ready", "True ReconciliationSucceeded 2: Applied revision: a"),
                ("Healthy", "True Succeeded 2: fine: again"),
                ("Reconciling", "True Progressing 2: working"),
                ("observedGeneration", "2"),
            ]),
            NOW,
        );
        let conditions = patch["conditions"].as_array().expect("a list");
        let names: Vec<&str> = conditions.iter().filter_map(|c| c["type"].as_str()).collect();
        assert_eq!(names, ["Reconciling", "Ready", "Healthy"]);
        assert_eq!(conditions[1]["lastTransitionTime"], "2020-01-01T00:00:00Z");
        assert_eq!(conditions[1]["observedGeneration"], 2);
        assert_eq!(conditions[2]["message"], "fine: again");
        assert_eq!(conditions[2]["lastTransitionTime"], NOW.to_string());
        assert_eq!(patch["observedGeneration"], 2);
    }

    #[test]
    fn an_empty_text_removes_a_condition() {
        let old = json!({"conditions": [{"type": "Stalled", "status": "True"}]});
        let patch = status_patch(&old, &fields(&[("Stalled", "")]), NOW);
        assert_eq!(patch["conditions"], json!([]));
    }

    #[test]
    fn inventories_keep_their_order() {
        let text = "b_x__ConfigMap v1\na_y_apps_Deployment v1";
        let patch = status_patch(&json!({}), &fields(&[("inventory", text)]), NOW);
        assert_eq!(patch["inventory"]["entries"][0], json!({"id": "b_x__ConfigMap", "v": "v1"}));
        assert_eq!(patch["inventory"]["entries"][1]["id"], "a_y_apps_Deployment");
    }
}
