//! The history of a Kustomization's status: the last runs, newest first (features 1.2).
//!
//! In: the history as the status has it, and how a run ended. Out: the history with that run in it.
//! A run that stands at the front already changes nothing, so that the status comes to rest.

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

use crate::datalog::Value;
use crate::model::Timestamp;
use crate::rules::builtin::go_duration;
use crate::rules::builtin::text;
use crate::rules::builtin::whole;

/// How many entries Flux keeps.
const ENTRIES_MAX: usize = 5;

/// `history_with(history, digest, status, at, took, revision, origin)`.
pub(super) fn with(args: &[Value]) -> Result<Value, String> {
    let old = text(args, 0)?;
    let mut entries: Vec<Json> = match old {
        "" => Vec::new(),
        old => serde_json::from_str(old).map_err(|error| format!("not a history: {error}"))?,
    };
    let (digest, status) = (text(args, 1)?, text(args, 2)?);
    let at = Timestamp(whole(args, 3)?).to_string();
    let took = go_duration(whole(args, 4)?);
    let (revision, origin) = (text(args, 5)?, text(args, 6)?);
    let alike = |entry: &Json| entry["digest"] == digest && entry["lastReconciledStatus"] == status;
    let is_this_run = |entry: &Json| {
        alike(entry)
            && entry["lastReconciled"] == at.as_str()
            && entry["lastReconciledDuration"] == took.as_str()
            && entry["metadata"]["revision"] == revision
    };
    if entries.first().is_some_and(is_this_run) {
        return Ok(old.into());
    }
    let known = entries.iter().position(alike).map(|place| entries.remove(place));
    let first = known.as_ref().and_then(|entry| entry["firstReconciled"].as_str());
    let total = known.as_ref().and_then(|entry| entry["totalReconciliations"].as_i64());
    let mut metadata = Map::new();
    metadata.insert("revision".to_owned(), json!(revision));
    if !origin.is_empty() {
        metadata.insert("originRevision".to_owned(), json!(origin));
    }
    let entry = json!({
        "digest": digest,
        "firstReconciled": first.unwrap_or(&at),
        "lastReconciled": at,
        "lastReconciledDuration": took,
        "lastReconciledStatus": status,
        "totalReconciliations": total.unwrap_or(0) + 1,
        "metadata": metadata,
    });
    entries.insert(0, entry);
    entries.truncate(ENTRIES_MAX);
    Ok(Json::Array(entries).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(old: &str, digest: &str, status: &str, at: i64) -> String {
        let columns = [old, digest, status].map(Value::from);
        let mut args = columns.to_vec();
        args.extend([Value::Time(at), Value::Duration(1500)]);
        args.extend(["main@sha1:1", ""].map(Value::from));
        with(&args).expect("a history").plain()
    }

    fn digests(history: &str) -> Vec<(String, i64)> {
        let entries: Vec<Json> = serde_json::from_str(history).expect("JSON");
        let digest = |entry: &Json| entry["digest"].as_str().unwrap_or_default().to_owned();
        let total = |entry: &Json| entry["totalReconciliations"].as_i64().unwrap_or_default();
        entries.iter().map(|entry| (digest(entry), total(entry))).collect()
    }

    #[test]
    fn runs_of_one_digest_and_status_are_counted_in_front() {
        let one = run("", "a", "ReconciliationSucceeded", 1_000);
        assert_eq!(run(&one, "a", "ReconciliationSucceeded", 1_000), one, "the same run");
        let two = run(&one, "b", "ReconciliationSucceeded", 2_000);
        let three = run(&two, "a", "ReconciliationSucceeded", 3_000);
        assert_eq!(digests(&three), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        let entries: Vec<Json> = serde_json::from_str(&three).expect("JSON");
        assert_eq!(entries[0]["firstReconciled"], "1970-01-01T00:00:01Z");
        assert_eq!(entries[0]["lastReconciled"], "1970-01-01T00:00:03Z");
        let failed = run(&three, "a", "HealthCheckFailed", 4_000);
        assert_eq!(digests(&failed).len(), 3, "another status is another entry");
    }

    #[test]
    fn five_are_kept() {
        let mut history = String::new();
        for (at, digest) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
            history = run(&history, digest, "ReconciliationSucceeded", at as i64 * 1_000);
        }
        let kept: Vec<String> = digests(&history).into_iter().map(|(digest, _)| digest).collect();
        assert_eq!(kept, ["f", "e", "d", "c", "b"]);
    }

    #[test]
    fn what_is_no_history_is_an_error() {
        let mut args = ["{", "a", "s"].map(Value::from).to_vec();
        args.extend([Value::Time(0), Value::Duration(0)]);
        args.extend(["r", ""].map(Value::from));
        assert!(with(&args).is_err());
    }
}
