//! Tests of the journal, and the one small world that they share.

mod crash;
mod damage;
mod export;
mod query;
mod schema;

use std::collections::BTreeMap;

use serde_json::json;

use crate::audit::Action;
use crate::audit::Body;
use crate::audit::Intent;
use crate::audit::Journal;
use crate::audit::JournalOptions;
use crate::audit::Object;
use crate::audit::Outcome;
use crate::audit::OutcomeKind;
use crate::audit::Precondition;
use crate::audit::Problem;
use crate::audit::ProofId;
use crate::audit::RuleSet;
use crate::audit::faulty::FaultyStorage;
use crate::model::Digest;
use crate::model::Timestamp;

fn object(name: &str) -> Object {
    Object {
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

fn rules(version: u32) -> RuleSet {
    let prune = format!("% version {version}\n");
    RuleSet::of(&[("prune.dl", &prune), ("schema.dl", "% never changes\n")])
}

fn intent(unit: &str, name: &str, generation: u64) -> Body {
    Body::Intent(Intent {
        generation,
        fact_log: Digest::of(&generation.to_le_bytes()),
        rules: rules(1).digest,
        action: Action {
            kind: "apply".to_owned(),
            unit: Some(unit.to_owned()),
            object: Some(object(name)),
            fields: BTreeMap::from([("digest".to_owned(), "sha256:00".to_owned())]),
        },
        precondition: Precondition { uid: Some("5e".to_owned()), ..Precondition::default() },
        proof: json!({"conclusion": format!("act_apply({unit}, {name})"), "premises": []}).into(),
    })
}

fn outcome(intent: ProofId, result: OutcomeKind) -> Body {
    let observed = Default::default();
    Body::Outcome(Outcome { intent, result, detail: String::new(), observed })
}

fn at(ms: i64) -> Timestamp {
    Timestamp(1_764_000_000_000 + ms)
}

/// Small segments, so that a few records need several.
fn small() -> JournalOptions {
    JournalOptions { segment_bytes: 2000, ..JournalOptions::default() }
}

fn open(storage: &FaultyStorage) -> (Journal<FaultyStorage>, Vec<Problem>) {
    Journal::open(storage.clone(), &small()).expect("opens")
}

/// A journal with a rule set and `intents` intents, all but the last with an outcome.
fn filled(intents: u64) -> (FaultyStorage, Vec<ProofId>) {
    filled_as(intents, &small())
}

/// The same in one segment, so that nothing is stated twice.
fn filled_in_one(intents: u64) -> (FaultyStorage, Vec<ProofId>) {
    filled_as(intents, &JournalOptions::default())
}

fn filled_as(intents: u64, options: &JournalOptions) -> (FaultyStorage, Vec<ProofId>) {
    let storage = FaultyStorage::with(None);
    let (mut journal, _) = Journal::open(storage.clone(), options).expect("opens");
    journal.append_rules(at(0), rules(1)).unwrap();
    let mut ids = Vec::new();
    for i in 0..intents {
        let unit = format!("Kustomization/flux-system/u{}", i % 3);
        let id = journal.append(at(10 * i as i64), intent(&unit, &format!("o{i}"), i)).unwrap();
        if i + 1 < intents {
            journal.append(at(10 * i as i64 + 5), outcome(id, OutcomeKind::Done)).unwrap();
        }
        journal.sync().unwrap();
        ids.push(id);
    }
    (storage, ids)
}
