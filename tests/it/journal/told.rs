//! What `hence audit` tells of a journal: what is left out is counted, a changed export is one
//! problem.

use crate::support::workplace::Said;
use crate::support::workplace::Workplace;
use hence::audit::Action;
use hence::audit::Body;
use hence::audit::DiskStorage;
use hence::audit::Intent;
use hence::audit::Journal;
use hence::audit::JournalOptions;
use hence::audit::Note;
use hence::audit::Outcome;
use hence::audit::OutcomeKind;
use hence::audit::Precondition;
use hence::audit::RuleSet;
use hence::facts::store::StateDir;
use hence::model::Digest;
use hence::model::Timestamp;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;

const SOURCE: &str = "GitRepository/flux-system/a";

/// A state directory whose journal has a fetch, and then polls that brought nothing new.
fn polled(place: &Workplace, polls: i64) {
    let state = StateDir::open(&place.state()).expect("it is ours");
    let storage = DiskStorage::for_writing(&state.journal()).expect("it is ours");
    let (mut journal, _) = Journal::open(storage, &JournalOptions::default()).expect("it is new");
    let rules = RuleSet::of(&[("sources.dl", "% how it is\n")]);
    let rules = journal.append_rules(Timestamp(0), rules).expect("it can be written");
    for poll in 0..=polls {
        let at = Timestamp(1_764_000_000_000 + poll * 60_000);
        let intent = Body::Intent(Intent {
            generation: 1,
            fact_log: Digest::of(b"facts"),
            rules,
            action: Action {
                kind: "fetch".to_owned(),
                unit: None,
                object: None,
                fields: BTreeMap::from([("key".to_owned(), format!("fetch {SOURCE}"))]),
            },
            precondition: Precondition::default(),
            proof: json!({"conclusion": "act_fetch", "premises": []}).into(),
        });
        let intent = journal.append(at, intent).expect("it can be written");
        let detail = if poll == 0 { "main@sha1:1, 3 files" } else { "unchanged" }.to_owned();
        let (result, observed) = (OutcomeKind::Done, Default::default());
        let outcome = Body::Outcome(Outcome { intent, result, detail, observed });
        journal.append(at, outcome).expect("it can be written");
    }
    journal.sync().expect("it can be written");
}

fn audit(place: &Workplace, args: &[&str]) -> Said {
    let state = place.state();
    let state = state.to_str().expect("paths here are UTF-8");
    place.hence(&[&["audit"], args, &["--state", state]].concat())
}

#[test]
fn polls_that_brought_nothing_new_are_counted_and_not_listed() {
    let place = Workplace::new("");
    polled(&place, 40);
    let listed = audit(&place, &["list"]).expect_success();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].ends_with("fetch GitRepository/flux-system/a  done: main@sha1:1, 3 files"));
    let left_out = "40 polls that brought nothing new are left out (--all lists them)";
    let as_of = "as of 2025-11-24T16:40:00Z: no daemon answers, and nothing later is known";
    assert_eq!(lines[1..], [left_out, as_of]);
    let all = audit(&place, &["list", "--all"]).expect_success();
    assert_eq!((all.lines().count(), all.contains("left out")), (42, false));
    let json = audit(&place, &["list", "-o", "json"]).expect_success();
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["polls_left_out"], 40);
    let writes = audit(&place, &["list", "--writes"]).expect_success();
    assert_eq!(writes, format!("nothing in the journal fits\n{as_of}\n"));
}

#[test]
fn a_full_list_counts_what_it_leaves_out() {
    let place = Workplace::new("");
    polled(&place, 40);
    let newest = audit(&place, &["list", "--all", "--limit", "3"]).expect_success();
    let lines: Vec<&str> = newest.lines().collect();
    assert!(lines.len() == 5 && lines[3].starts_with("38 older actions are not "), "{newest}");
    let json = audit(&place, &["list", "--all", "--limit", "3", "-o", "json"]).expect_success();
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((&json["left_out"], &json["complete"]), (&json!(38), &json!(false)));
    // The polls are of 16:00 and each minute after it.
    let between = ["--since", "2025-11-24T16:10:00Z", "--until", "2025-11-24T16:15:00Z"];
    let night = audit(&place, &[&["list", "--all"][..], &between].concat()).expect_success();
    assert_eq!((night.lines().count(), night.contains("left out")), (6, false), "{night}");
    let hour = audit(&place, &["list", "--all", "--since", "1h"]).expect_success();
    assert!(hour.starts_with("nothing in the journal fits\n"), "{hour}");
    let wrong = audit(&place, &["list", "--since", "yesterday"]);
    assert!(wrong.stderr.contains("how long ago, such as 12h"), "{wrong:?}");
}

/// A daemon noted that its journal was lost: whoever verifies what there is since is told.
#[test]
fn lost_records_are_told_by_whoever_reads_on() {
    let place = Workplace::new("");
    polled(&place, 1);
    let state = StateDir::open(&place.state()).expect("it is ours");
    let storage = DiskStorage::for_writing(&state.journal()).expect("it is ours");
    let (mut journal, _) = Journal::open(storage, &JournalOptions::default()).expect("it is whole");
    let note = Note::lost_records("record 9 is not in this journal".to_owned());
    journal.append(Timestamp(1_764_000_000_000), Body::Note(note)).expect("it can be written");
    journal.sync().expect("it can be written");
    drop((journal, state));
    let lost = "records from before 2025-11-24T16:00:00Z are lost: record 9 is not in this journal";
    let verified = audit(&place, &["verify"]);
    assert_eq!(verified.code, Some(2), "{verified:?}");
    assert!(verified.stdout.contains(&format!("  partial  {lost}\n")), "{verified:?}");
    let listed = audit(&place, &["list"]);
    assert_eq!(listed.code, Some(2), "{listed:?}");
    assert!(listed.stdout.contains(&format!("partial: {lost} ")), "{listed:?}");
}

#[test]
fn a_changed_export_is_told_in_one_line() {
    let place = Workplace::new("");
    polled(&place, 40);
    let file = place.path("export.jsonl");
    let name = file.to_str().expect("paths here are UTF-8").to_owned();
    let whole = audit(&place, &["export", &name]).expect_success();
    assert!(whole.starts_with("OK  83 records, 41 actions, 0 without outcome; "), "{whole}");
    let text = std::fs::read_to_string(&file).expect("it was exported");
    // The outcome of the first fetch is record 3.
    std::fs::write(&file, text.replacen("3 files", "4 files", 1)).expect("it is ours");
    let changed = place.hence(&["audit", "verify", "--file", &name]);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    let lines: Vec<&str> = changed.stdout.lines().collect();
    let head = "NOT SOUND  83 records, 41 actions, 0 without outcome, 40 unverifiable; ";
    assert!(lines[0].starts_with(head), "{changed:?}");
    let problem = "  problem  one of the records 3 to 5 is not the one that was exported";
    assert_eq!(lines[1..], [problem]);
}
