//! The books against the till: the journal's intents and outcomes against the API server's audit
//! log. Ids are compared in full.

use crate::reconcile::world::World;
use crate::support::audit::Request;
use hence::audit::Body;
use hence::audit::OutcomeKind;
use hence::model::Timestamp;
use std::collections::BTreeMap;

/// The id in `hence/1.0 (intent ID)`.
fn intent_of(request: &Request) -> Option<&str> {
    request.user_agent.split_once("(intent ")?.1.strip_suffix(')')
}

/// What the journal says of one intent.
struct Intended {
    kind: String,
    at: Timestamp,
    outcome: Option<OutcomeKind>,
}

fn intended(world: &World) -> BTreeMap<String, Intended> {
    let mut intents: BTreeMap<String, Intended> = BTreeMap::new();
    for item in world.site.journal() {
        if let Body::Intent(intent) = item.record.body {
            let outcome = item.outcome.map(|(_, outcome)| outcome.result);
            let new = Intended { kind: intent.action.kind, at: item.record.at, outcome };
            let before = intents.insert(item.id.to_string(), new);
            assert!(before.is_none(), "{} stands twice in the journal", item.id);
        }
    }
    intents
}

/// Checks that every write in the audit log has exactly one earlier intent of its own, that every
/// intent has exactly one outcome, and that what the journal calls done was done. Call it after the
/// daemon ended in good order and its journal was verified. Gives the number of writes.
pub(super) async fn add_up(world: &World) -> usize {
    let intents = intended(world);
    for (id, intent) in &intents {
        // A second outcome of one intent cannot be written, and `audit verify` reports one.
        assert!(intent.outcome.is_some(), "{} {id} has no outcome", intent.kind);
    }
    let requests = world.site.cluster.audit().settled(&world.site.cluster).await;
    let ours = requests.iter().filter(|r| r.user_agent.starts_with("hence/") && r.is_write());
    let mut writes: BTreeMap<&str, &Request> = BTreeMap::new();
    for request in ours {
        let id = intent_of(request).unwrap_or_else(|| panic!("no intent: {request:?}"));
        let intent = intents.get(id).unwrap_or_else(|| panic!("not in the journal: {request:?}"));
        let received: jiff::Timestamp = request.received.parse().expect("the log has RFC 3339");
        assert!(intent.at.millis() <= received.as_millisecond(), "sent before {id}: {request:?}");
        let before = writes.insert(id, request);
        assert!(before.is_none(), "two writes under {id}: {request:?} and {before:?}");
    }
    for (id, intent) in &intents {
        let done = intent.outcome == Some(OutcomeKind::Done);
        if done && ["apply", "delete"].contains(&intent.kind.as_str()) {
            let write = writes.get(id.as_str());
            let code = write.and_then(|request| request.code);
            let answered = code.is_some_and(|code| (200..300).contains(&code));
            // A delete of what is gone already is done too, and the server says 404.
            let gone = intent.kind == "delete" && code == Some(404);
            assert!(answered || gone, "{} {id} is said to be done: {write:?}", intent.kind);
        }
    }
    writes.len()
}
