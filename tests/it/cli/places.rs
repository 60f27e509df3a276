//! State directories that are none: a mistyped path, an empty or foreign directory, another
//! version, a lost journal. No verb takes them for a daemon that did nothing.

use crate::cli::path;
use crate::support::workplace::Said;
use crate::support::workplace::Workplace;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A directory that is no state directory, how it comes to be, and the code of what is wrong.
type Place = (&'static str, fn(&Path), &'static str);

#[rustfmt::skip]
const PLACES: &[Place] = &[
    ("nowhere",  |_| (),                                                     "facts::no_state"),
    ("empty",    |at| make(at, &[]),                                         "facts::no_state"),
    ("a-file",   |at| fs::write(at, "text").expect("it is ours"),            "facts::no_state"),
    ("foreign",  |at| make(at, &[("passwd", "root")]),                       "facts::no_state"),
    ("newer",    |at| make(at, &[("VERSION", "hence state 99\n")]),          "facts::state_version"),
    ("unmarked", |at| make(at, &[("journal/000001.seg", "")]),               "facts::state_version"),
];

fn make(at: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(at).expect("it is ours");
    for (name, text) in files {
        let file = at.join(name);
        fs::create_dir_all(file.parent().expect("it is inside")).expect("it is ours");
        fs::write(file, text).expect("it is ours");
    }
}

fn ask(place: &Workplace, state: &str, typed: &str) -> Said {
    let args: Vec<&str> = typed.split(' ').chain(["--state", state]).collect();
    place.hence(&args)
}

/// Questions about a journal, and where an export would go.
fn questions(file: &str) -> Vec<String> {
    let fixed = ["audit verify", "audit list", "audit show P-7f3a12"].map(str::to_owned);
    fixed.into_iter().chain([format!("audit export {file}")]).collect()
}

#[test]
fn what_is_no_state_directory_is_told_by_every_verb() {
    let place = Workplace::new("");
    for (name, make, code) in PLACES {
        let state = place.path(name);
        make(&state);
        let file = place.path("export.jsonl");
        for typed in questions(path(&file)).iter().map(String::as_str).chain(["plan"]) {
            let said = ask(&place, path(&state), typed);
            assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{name}: {typed}: {said:?}");
            let told = said.stderr.split_whitespace().collect::<String>();
            // A journal can be read whatever the version of the facts beside it.
            let is_audit = typed.starts_with("audit") && *name == "unmarked";
            let code = if is_audit { "audit::empty" } else { code };
            for part in [code, path(&state), "help:"] {
                assert!(told.contains(part), "{name}: {typed}: no {part} in {said:?}");
            }
            assert!(!file.exists(), "{name}: nothing is exported");
        }
        let args = ["why", "cm/x", "-o", "json", "--state", path(&state)];
        let said = place.hence(&args);
        assert_eq!(said.code, Some(2), "{name}: {said:?}");
        let answer: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
        assert_eq!(answer["version"], "answer.v1");
        assert_eq!((&answer["verdict"], &answer["complete"]), (&"unknown".into(), &false.into()));
        assert!(answer["lines"].to_string().contains(code), "{name}: {answer:#}");
    }
}

#[test]
fn a_journal_that_is_lost_or_empty_is_not_verified() {
    let place = Workplace::new("");
    let state = place.path("lost");
    make(&state, &[("VERSION", "hence state 1\n")]);
    let expect = |code: &str, typed: &str| {
        let said = ask(&place, path(&state), typed);
        assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{typed}: {said:?}");
        assert!(said.stderr.contains(code), "{typed}: no {code} in {said:?}");
    };
    for typed in questions(path(&place.path("export.jsonl"))) {
        expect("audit::no_journal", &typed);
    }
    make(&state, &[("journal/000001.seg", "")]);
    expect("audit::empty", "audit verify");
}

/// A file that is no fact log is damage, not a directory that holds nothing.
#[test]
fn a_damaged_fact_log_is_told() {
    let place = Workplace::new("");
    let state = place.path("damaged");
    drop(hence::facts::store::StateDir::open(&state).expect("it is new"));
    let journal = hence::audit::DiskStorage::for_writing(&state.join("journal")).expect("ours");
    drop(journal);
    make(&state, &[("facts/db", &"no fact log ".repeat(4096))]);
    let said = ask(&place, path(&state), "plan");
    assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
    assert!(said.stderr.contains("facts::damaged"), "{said:?}");
}

#[test]
fn without_a_cluster_the_state_is_checked_all_the_same() {
    let place = Workplace::new("/nonexistent/kubeconfig");
    let state = place.path("newer");
    make(&state, &[("VERSION", "hence state 99\n")]);
    let said = ask(&place, path(&state), "check");
    assert_eq!(said.code, Some(2), "{said:?}");
    for part in ["✗ cannot use the cluster configuration", "facts::state_version", "✗ check failed"]
    {
        assert!(said.stderr.contains(part), "no {part:?} in {said:?}");
    }
    let said = ask(&place, path(&state), "check -o json");
    let checked: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
    assert_eq!(checked["findings"][0]["code"], "cluster::config", "{checked:#}");
}

/// Programs that read JSON find nothing on standard output where there is no answer.
#[test]
fn errors_leave_standard_output_empty() {
    let place = Workplace::new("");
    let state = place.path("lost");
    make(&state, &[("VERSION", "hence state 1\n")]);
    for (typed, code) in [
        ("audit show P-zzz -o json", 2),
        ("audit list -o json", 2),
        ("plan -o json", 2),
        ("why -o json", 3),
    ] {
        let said = ask(&place, path(&state), typed);
        assert_eq!((said.code, &*said.stdout), (Some(code), ""), "{typed}: {said:?}");
        assert!(!said.stderr.is_empty(), "{typed}");
    }
}

#[test]
fn an_address_that_cannot_be_bound_is_told() {
    let place = Workplace::new("");
    for (flag, address) in
        [("--listen", "foo"), ("--listen", ":99999"), ("--metrics-addr", "127.0.0.1:x")]
    {
        let state = place.path("state");
        let said = place.hence(&["run", "--state", path(&state), flag, address]);
        assert_eq!(said.code, Some(1), "{flag} {address}: {said:?}");
        for part in ["daemon::listen", &format!("cannot listen on {address}"), "help:"] {
            assert!(said.stderr.contains(part), "{address}: no {part} in {said:?}");
        }
    }
}

#[test]
fn a_daemon_that_does_not_answer_is_told() {
    let place = Workplace::new("");
    let state = place.path("busy");
    make(&state, &[("VERSION", "hence state 1\n"), ("journal/000001.seg", "")]);
    let _daemon = hence::facts::store::StateDir::open(&state).expect("nobody else uses it");
    let said = ask(&place, path(&state), "pending");
    assert_eq!(said.code, Some(2), "{said:?}");
    let busy = path(&state);
    let because = format!("  because  a daemon uses {busy} and does not answer at its socket\n");
    for part in [&*because, "  code     daemon::silent\n", "  next     hence audit list\n"] {
        assert!(said.stdout.contains(part), "no {part:?} in {said:?}");
    }
    let plan = ask(&place, path(&state), "plan");
    assert_eq!((plan.code, plan.stderr.contains("daemon::silent")), (Some(2), true), "{plan:?}");
}

#[test]
fn why_the_facts_cannot_be_read_stands_in_the_answer() {
    let place = Workplace::new("");
    let mut told = String::new();
    for name in ["nowhere", "newer"] {
        let (_, make, _) = PLACES.iter().find(|place| place.0 == name).expect("it is listed");
        let state = place.path(name);
        make(&state);
        for question in ["why cm/x", "why pruned cm/x", "why-not ready ks/x", "pending"] {
            let said = ask(&place, path(&state), question);
            let end = said.code.expect("it ends by itself");
            told.push_str(&format!("$ hence {question} --state {name}\n{}", said.stdout));
            told.push_str(&format!("{}exit {end}\n\n", said.stderr));
        }
    }
    let folder = place.path("");
    let told = told.replace(path(&folder), "");
    insta::assert_snapshot!(told);
}
