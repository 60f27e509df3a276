//! Questions: every filter, paging in both directions, ids, rules.

use super::at;
use super::filled;
use super::filled_in_one;
use super::intent;
use super::object;
use super::open;
use super::outcome;
use super::rules;
use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::GroupCommit;
use crate::audit::Item;
use crate::audit::Note;
use crate::audit::NoteKind;
use crate::audit::Order;
use crate::audit::OutcomeIs;
use crate::audit::OutcomeKind;
use crate::audit::ProofId;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::audit::View;
use crate::audit::faulty::FaultyStorage;
use crate::audit::verify;
use crate::model::Digest;

/// All pages of `query`, and how many pages there were.
fn pages(view: &View<'_>, query: &Query) -> (Vec<Item>, usize) {
    let (mut items, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = view.list(&Query { after, ..query.clone() }).unwrap();
        assert!(page.items.len() <= query.limit);
        items.extend(page.items);
        pages += 1;
        match page.next {
            None => return (items, pages),
            next => after = next,
        }
    }
}

#[test]
fn filters_narrow_and_combine() {
    let (storage, _) = filled_in_one(9);
    let (journal, _) = open(&storage);
    let view = journal.view();
    let unit = |n: u32| Some(format!("Kustomization/flux-system/u{n}"));
    let done = Some(OutcomeIs::Result(OutcomeKind::Done));
    let failed = Some(OutcomeIs::Result(OutcomeKind::Failed));
    let all = Query::default;
    #[rustfmt::skip]
    let cases: &[(&str, Query, usize)] = &[
        ("everything but outcomes", all(), 10),
        ("by kind", Query { kind: Some(RecordKind::RuleSet), ..all() }, 1),
        ("outcomes never stand alone", Query { kind: Some(RecordKind::Outcome), ..all() }, 0),
        ("by object", Query { object: Some(object("o4")), ..all() }, 1),
        ("by an object never touched", Query { object: Some(object("o9")), ..all() }, 0),
        ("by unit", Query { unit: unit(1), ..all() }, 3),
        ("by unit and its object", Query { unit: unit(1), object: Some(object("o4")), ..all() }, 1),
        ("of another unit", Query { unit: unit(2), object: Some(object("o4")), ..all() }, 0),
        ("since is included", Query { since: Some(at(70)), ..all() }, 2),
        ("until is not", Query { since: Some(at(30)), until: Some(at(50)), ..all() }, 2),
        ("done", Query { outcome: done, ..all() }, 8),
        ("failed", Query { outcome: failed, ..all() }, 0),
        ("open", Query { outcome: Some(OutcomeIs::Open), ..all() }, 1),
        ("open elsewhere", Query { outcome: Some(OutcomeIs::Open), unit: unit(0), ..all() }, 0),
    ];
    for (why, query, want) in cases {
        assert_eq!(view.count(query), *want, "{why}");
        for limit in [1, 2, 100] {
            let query = Query { limit, ..query.clone() };
            let (mut forward, _) = pages(&view, &query);
            let newest = Query { order: Order::NewestFirst, ..query };
            let (backward, count) = pages(&view, &newest);
            assert_eq!(forward.len(), *want, "{why}, {limit} a page");
            assert_eq!(count, want.div_ceil(limit).max(1), "{why}, {limit} a page");
            forward.reverse();
            assert_eq!(forward, backward, "{why}");
        }
    }
}

#[test]
fn an_item_reads_back_what_was_written() {
    let (storage, ids) = filled(2);
    let (journal, _) = open(&storage);
    let item = journal.view().find(&ids[0].to_string()).unwrap();
    assert_eq!((item.seq, item.id, item.record.at), (2, ids[0], at(0)));
    assert_eq!(item.record.body, intent("Kustomization/flux-system/u0", "o0", 0));
    let (when, result) = item.outcome.unwrap();
    assert_eq!((when, Body::Outcome(result)), (at(5), outcome(ids[0], OutcomeKind::Done)));
    assert_eq!(journal.view().open_intents().unwrap().len(), 1);
    assert_eq!(journal.view().last_generation(), Some(1));
}

#[test]
fn ids_are_found_by_a_unique_beginning() {
    let storage = FaultyStorage::with(None);
    let (mut journal, _) = open(&storage);
    let note = |n: i64| {
        let text = n.to_string();
        Body::Note(Note { about: NoteKind::Lease, text, fields: Default::default() })
    };
    // Enough records that some pair shares its first four digits.
    let ids: Vec<ProofId> = (0..600).map(|n| journal.append(at(n), note(n)).unwrap()).collect();
    let view = journal.view();
    let mut ambiguous = 0;
    for id in &ids {
        assert_eq!(view.find(&id.to_string()).unwrap().id, *id);
        assert_eq!(view.find(&id.to_string().to_uppercase()).unwrap().id, *id);
        assert_eq!(view.find(&view.short_id(id)).unwrap().id, *id);
        match view.find(&id.with_digits(4)) {
            Ok(item) => assert_eq!(item.id, *id),
            Err(AuditError::AmbiguousId { candidates, .. }) => {
                assert!(candidates.contains(&view.short_id(id)), "{candidates:?}");
                ambiguous += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(ambiguous > 0, "the test has a pair that shares four digits");
    let stranger = ProofId::new(Digest::of(b"?")).to_string();
    assert!(matches!(view.find(&stranger), Err(AuditError::UnknownId { .. })));
    for bad in ["", "P-", "P-123", "7f3a", "P-7f3g", "P-7F3G", &format!("{stranger}0")] {
        assert!(matches!(view.find(bad), Err(AuditError::BadId { .. })), "{bad}");
    }
}

#[test]
fn an_outcomes_id_leads_to_its_intent() {
    let storage = FaultyStorage::with(None);
    let (mut journal, _) = open(&storage);
    let id = journal.append(at(0), intent("u", "o", 1)).unwrap();
    let end = journal.append(at(1), outcome(id, OutcomeKind::Refused)).unwrap();
    assert_eq!(journal.view().find(&end.short()).unwrap().id, id);
}

#[test]
fn rule_texts_are_stored_once_a_segment() {
    let storage = FaultyStorage::with(None);
    let (mut journal, _) = open(&storage);
    for version in [1, 2, 1, 2] {
        journal.append_rules(at(0), rules(version)).unwrap();
    }
    journal.sync().unwrap();
    let verified = verify(&storage, None).unwrap();
    assert_eq!((verified.records, verified.rule_sets), (4, 2));
    assert!(verified.is_sound());
    let whole = storage.bytes("000001.seg").unwrap();
    let whole = String::from_utf8_lossy(&whole);
    assert_eq!(whole.matches("never changes").count(), 1, "the unchanged file");
    for version in [1, 2] {
        let texts = journal.view().rules(&rules(version).digest).unwrap().unwrap();
        let texts: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let prune = format!("% version {version}\n");
        assert_eq!(texts, [("prune.dl", prune.as_str()), ("schema.dl", "% never changes\n")]);
    }
    assert_eq!(journal.view().rules(&Digest::of(b"?")).unwrap(), None);
}

#[test]
fn threads_share_syncs_and_each_gets_its_own_ids() {
    let storage = FaultyStorage::with(None);
    let (journal, _) = open(&storage);
    let shared = GroupCommit::new(journal);
    let ids: Vec<Vec<ProofId>> = std::thread::scope(|scope| {
        let write = |thread: usize| {
            let shared = &shared;
            scope.spawn(move || {
                let mut mine = Vec::new();
                for n in 0..50 {
                    let bodies = vec![intent("u", &format!("{thread}-{n}"), 1)];
                    let (ids, head) = shared.commit(at(0), bodies).unwrap();
                    assert!(shared.lock().head().seq >= head.seq, "durable when it returns");
                    mine.extend(ids);
                }
                mine
            })
        };
        let threads: Vec<_> = (0..4).map(write).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let journal = shared.lock();
    for (thread, ids) in ids.iter().enumerate() {
        for (n, id) in ids.iter().enumerate() {
            let item = journal.view().find(&id.to_string()).unwrap();
            assert_eq!(item.record.body, intent("u", &format!("{thread}-{n}"), 1));
        }
    }
    assert_eq!(verify(&storage, None).unwrap().intents, 200);
}
