//! An export verifies by itself, and no change to it goes unseen.

use super::filled;
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
    let (storage, _) = filled(5);
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
    let (storage, ids) = filled(6);
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
    let (storage, _) = filled(6);
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
    let (storage, _) = filled(3);
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
