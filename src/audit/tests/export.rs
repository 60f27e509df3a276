//! An export verifies by itself, and no change to it goes unseen.

use super::filled;
use super::filled_in_one;
use super::object;
use crate::audit::AuditError;
use crate::audit::ExportOptions;
use crate::audit::Exported;
use crate::audit::Problem;
use crate::audit::Query;
use crate::audit::Verification;
use crate::audit::export;
use crate::audit::faulty::FaultyStorage;
use crate::audit::verify;
use crate::audit::verify_export;

fn written(storage: &FaultyStorage, options: &ExportOptions) -> (String, Exported) {
    let mut out = Vec::new();
    let exported = export(storage, options, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), exported)
}

fn verified(text: &str) -> Result<Verification, AuditError> {
    verify_export(&mut text.as_bytes())
}

#[test]
fn a_whole_export_equals_the_journal() {
    let (storage, _) = filled_in_one(5);
    let (text, exported) = written(&storage, &ExportOptions::default());
    let journal = verify(&storage, None).unwrap();
    assert_eq!((exported.records, exported.left_out), (10, 0));
    assert_eq!(verified(&text).unwrap(), journal);
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
    }
}

#[test]
fn a_part_brings_its_outcomes_and_rules() {
    let (storage, ids) = filled_in_one(6);
    let journal = verify(&storage, None).unwrap();
    let query = Query { unit: Some("Kustomization/flux-system/u1".to_owned()), ..Query::default() };
    for (to_head, left_out) in [(false, 4), (true, 5)] {
        let options = ExportOptions { query: query.clone(), to_head };
        let (text, exported) = written(&storage, &options);
        assert_eq!((exported.records, exported.left_out), (4, left_out));
        assert_eq!(exported.head == journal.head, to_head);
        let found = verified(&text).unwrap();
        assert_eq!(found.problems, [], "the rules stand in front though they are not in the part");
        assert_eq!((found.intents, found.left_out, found.head), (2, left_out, exported.head));
        assert_eq!(found.open, []);
        assert!(!text.contains("\"o0\""), "other units stay out");
    }
    let query = Query { object: Some(object("o5")), ..Query::default() };
    let (text, _) = written(&storage, &ExportOptions { query, to_head: false });
    assert_eq!(verified(&text).unwrap().open, [ids[5]]);
}

#[test]
fn nothing_chosen_is_an_empty_chain() {
    let (storage, _) = filled(2);
    let query = Query { unit: Some("none".to_owned()), ..Query::default() };
    let (text, exported) = written(&storage, &ExportOptions { query, to_head: false });
    assert_eq!((exported.records, text.lines().count()), (0, 1));
    assert!(verified(&text).unwrap().is_sound());
}

#[test]
fn every_changed_or_dropped_line_shows() {
    let (storage, _) = filled_in_one(6);
    let query = Query { unit: Some("Kustomization/flux-system/u2".to_owned()), ..Query::default() };
    let (text, _) = written(&storage, &ExportOptions { query, to_head: true });
    let lines: Vec<&str> = text.lines().collect();
    let join = |lines: &[&str]| format!("{}\n", lines.join("\n"));
    assert!(verified(&join(&lines)).unwrap().is_sound());
    for at in 1..lines.len() {
        let mut dropped = lines.clone();
        dropped.remove(at);
        let sound = verified(&join(&dropped)).map(|found| found.is_sound());
        assert!(!matches!(sound, Ok(true)), "line {at} dropped");
    }
    let mut tried = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !byte.is_ascii_digit() {
            continue;
        }
        let mut changed = text.clone().into_bytes();
        changed[at] = if byte == b'9' { b'0' } else { byte + 1 };
        let changed = String::from_utf8(changed).unwrap();
        let sound = verified(&changed).map(|found| found.is_sound());
        assert!(!matches!(sound, Ok(true)), "byte {at}: {}", &text[at.saturating_sub(40)..=at]);
        tried += 1;
    }
    assert!(tried > 600, "{tried}");
}

#[test]
fn a_cut_file_shows() {
    let (storage, _) = filled_in_one(3);
    let (text, exported) = written(&storage, &ExportOptions::default());
    let lines: Vec<&str> = text.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n");
    let found = verified(&cut).unwrap();
    let (seq, hash) = (exported.head.seq, exported.head.hash);
    assert_eq!(found.problems, [Problem::RolledBack { seq, hash, ends_at: seq - 1 }]);
    for (why, text) in [("empty", ""), ("another file", "{\"export\":\"x\"}\n"), ("text", "hello")]
    {
        assert!(matches!(verified(text), Err(AuditError::NotAnExport { .. })), "{why}");
    }
}

#[test]
fn one_changed_record_is_one_problem_and_what_follows_is_unverifiable() {
    let (storage, _) = filled_in_one(50);
    let (text, _) = written(&storage, &ExportOptions::default());
    let lines: Vec<&str> = text.lines().collect();
    let whole = verified(&text).unwrap();
    assert_eq!((whole.intents, whole.unverifiable, whole.open.len()), (50, 0, 1));
    // Record 1 is the rule set, then intents and outcomes take turns: intent 11 is record 22.
    let first = lines.iter().position(|line| line.starts_with("{\"seq\":1,")).unwrap();
    let with = |seq: usize, from: &str, to: &str| {
        let mut lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        let line = &mut lines[first + seq - 1];
        let changed = line.replace(from, to);
        assert_ne!(*line, changed, "{line}");
        *line = changed;
        verified(&format!("{}\n", lines.join("\n"))).unwrap()
    };
    let found = with(22, "\"o10\"", "\"o99\"");
    // The outcome of the intent before vouches for record 20, that of the next no longer fits.
    assert_eq!(found.problems, [Problem::Altered { from: 21, to: 23 }]);
    assert_eq!((found.intents, found.unverifiable, found.open), (50, 40, vec![]));
    let found = with(23, "\"done\"", "\"failed\"");
    assert_eq!(found.problems, [Problem::Altered { from: 23, to: 25 }]);
    assert_eq!(found.unverifiable, 39);

    let mut dropped = lines.clone();
    dropped.remove(first + 21);
    let found = verified(&format!("{}\n", dropped.join("\n"))).unwrap();
    assert!(matches!(found.problems[..], [Problem::ChainBroken { seq: 23, .. }]), "{found:?}");
    let cut = verified(&format!("{}\n", lines[..first + 30].join("\n"))).unwrap();
    assert!(matches!(cut.problems[..], [Problem::RolledBack { ends_at: 30, .. }]), "{cut:?}");
    assert_eq!(cut.unverifiable, 0, "what is there is proven");
}
