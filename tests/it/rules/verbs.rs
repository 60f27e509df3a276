//! `hence rules`: what its tools print, and how they end.

use crate::support::schema;
use crate::support::workplace::Said;
use crate::support::workplace::Workplace;
use serde_json::Value as Json;
use serde_json::json;
use std::fs;
use std::path::Path;

const PROGRAM: &str = r#"
.input depends(a: symbol, b: symbol)
.input broken(u: symbol)
.input owner(u: symbol, team: symbol) key(u)
.input cost(u: symbol, c: decimal, at: time, v: version)
/// The unit cannot be ready.
.decl unready(u: symbol)
.output ready(u: symbol)
.output count_of(team: symbol, n: number)
.output shown(c: decimal, at: time, v: version, d: duration)
[t/cause] unready(U) :- broken(U).
[t/spread] unready(U) :- depends(U, V), unready(V).
[t/ready] ready(U) :- owner(U, _), !unready(U).
[t/count] count_of(T, N) :- owner(_, T), N = count : { owner(_, T) }.
[t/shown] shown(C, At, V, D) :- cost(_, C, At, V), D = At - t"2026-01-01T00:00:00Z".
"#;

const FACTS: &str = r#"
owner("b", "x"). owner("a", "x").
depends("a", "b").
broken("b").
cost("a", 1.5, t"2026-01-01T01:30:00Z", v"1.10.0").
cost("a", 123456789012345678.123456789, t"2026-01-01T01:30:00Z", v"v1.9").
"#;

/// A place with these files in it; nothing here talks to a server.
fn place(files: &[(&str, &str)]) -> Workplace {
    let place = Workplace::new("none");
    for (name, text) in files {
        let path = place.path(name);
        fs::create_dir_all(path.parent().expect("it is in the place")).expect("the place is ours");
        fs::write(path, text).expect("the place is ours");
    }
    place
}

/// Runs `hence rules` with the names of files made into paths.
fn rules(place: &Workplace, args: &[&str]) -> Said {
    let path = |arg: &&str| {
        let path = place.path(arg);
        if path.exists() { path.to_string_lossy().into_owned() } else { (*arg).to_owned() }
    };
    let args: Vec<String> = args.iter().map(path).collect();
    let args: Vec<&str> = ["rules"].into_iter().chain(args.iter().map(String::as_str)).collect();
    place.hence(&args)
}

/// Fails unless the document has the form that this committed schema says.
fn has_form(schema: &str, document: &Json) {
    let wrong = schema::differences(&schema::committed(schema), document);
    assert!(wrong.is_empty(), "{schema}: {wrong:#?}");
}

fn document(said: &Said) -> Json {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
fn a_program_is_evaluated_on_facts() {
    let place = place(&[
        ("p/a.dl", PROGRAM),
        ("facts", FACTS),
        ("nothing", "+broken(\"z\").\n-broken(\"z\").\n"),
        ("mended", "-broken(\"b\").\n+owner(\"a\", \"y\").\n"),
        ("key", "+owner(\"a\", \"q\").\n-owner(\"a\", \"q\").\n"),
        ("if", "+broken(\"b\").\n"),
    ]);
    let said = rules(
        &place,
        &[
            "eval",
            "p",
            "--facts",
            "facts",
            "--then",
            "nothing",
            "--then",
            "mended",
            "--then",
            "key",
            "--why",
            "ready(\"b\")",
            "--why-not",
            "ready(\"a\")",
            "--what-if",
            "if",
            "-o",
            "json",
        ],
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let out = document(&said);
    has_form("rules-eval.v1.json", &out);
    let relations = json!({
        "unready": [],
        "ready": [["b"]],
        "count_of": [["x", 1]],
        "shown": [
            [1.5, "2026-01-01T01:30:00Z", "1.10.0", "1h30m"],
            ["123456789012345678.123456789", "2026-01-01T01:30:00Z", "v1.9", "1h30m"],
        ],
    });
    assert_eq!(out["relations"], relations);
    let deltas = json!([
        { "added": {}, "removed": {} },
        {
            "added": { "ready": [["a"], ["b"]], "count_of": [["x", 1], ["y", 1]] },
            "removed": { "unready": [["a"], ["b"]], "count_of": [["x", 2]] },
        },
        { "added": {}, "removed": { "ready": [["a"]], "count_of": [["y", 1]] } },
    ]);
    assert_eq!(out["deltas"], deltas);
    assert_eq!(out["why"]["nodes"][0]["clause"]["label"], "t/ready");
    assert_eq!(out["why"]["nodes"][0]["row"], json!(["b"]));
    assert_eq!(out["why"]["complete"], true);
    assert_eq!(out["why_not"]["rules"][0]["failing"], "owner(\"a\", _)");
    assert_eq!(out["what_if"]["removed"], json!({ "ready": [["b"]] }));
    assert_eq!(out["what_if"]["added"], json!({ "unready": [["a"], ["b"]] }));
    let proof = &out["what_if"]["proofs"]["unready(\"b\")"];
    assert_eq!(proof["nodes"][0]["clause"]["label"], "t/cause");
}

#[test]
fn what_does_not_hold_has_no_proof_and_what_holds_no_excuse() {
    let place = place(&[("p/a.dl", PROGRAM), ("facts", FACTS)]);
    let ask = |fact: &str| {
        let args =
            ["eval", "p", "--facts", "facts", "-o", "json", "--why", fact, "--why-not", fact];
        document(&rules(&place, &args))
    };
    let holds = ask("unready(\"a\")");
    assert!(holds["why"].is_object() && holds["why_not"].is_null(), "{holds}");
    let fails = ask("ready(\"a\")");
    assert!(fails["why"].is_null() && fails["why_not"].is_object(), "{fails}");
    assert_eq!(fails["why_not"]["rules"][0]["failing"], "!unready(\"a\")");
    let text = rules(&place, &["eval", "p", "--facts", "facts", "--why", "unready(\"a\")"]);
    assert!(text.stdout.contains("0  unready(\"a\")  [t/spread]: 1, 2\n"), "{}", text.stdout);
    assert!(text.stdout.starts_with("count_of(\"x\", 2)."), "{}", text.stdout);
}

#[test]
fn a_refused_program_or_fact_is_named_in_json() {
    let facts = "ready(\"a\").\nowner(\"a\").\nownr(\"a\", \"b\").\nbroken(1).\nbroken(X).\n";
    let place = place(&[
        ("p/a.dl", PROGRAM),
        ("bad/a.dl", ".output q(a: symbol)\nq(X) :- p(X).\nq(X Y).\n"),
        ("facts", facts),
    ]);
    let codes = |args: &[&str]| -> Vec<String> {
        let said = rules(&place, args);
        assert_eq!(said.code, Some(1), "{said:?}");
        let out = document(&said);
        has_form("rules-refused.v1.json", &out);
        let found = out["diagnostics"].as_array().cloned().unwrap_or_default();
        found.iter().map(|found| found["code"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(codes(&["eval", "bad", "-o", "json"]), ["rules::unknown_relation", "rules::syntax"]);
    assert_eq!(
        codes(&["eval", "p", "--facts", "facts", "-o", "json"]),
        [
            "rules::not_an_input",
            "rules::arity",
            "rules::unknown_relation",
            "rules::type_clash",
            "rules::not_ground",
        ]
    );
    assert_eq!(
        codes(&["eval", "p", "-o", "json", "--why", "raedy(_)", "--why-not", "ready(_, _)"]),
        ["rules::unknown_relation", "rules::arity"]
    );
    assert_eq!(codes(&["eval", "p", "-o", "json", "--why", "ready(_)"]), ["rules::not_ground"]);
    assert_eq!(codes(&["eval", "absent", "-o", "json"]), ["rules::read"]);
}

#[test]
fn one_of_each_mistake_is_reported_at_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = place(&[]);
    let mut shown = String::new();
    for name in ["one_of_each", "text"] {
        let folder = place.path(name);
        fs::create_dir(&folder).expect("the place is ours");
        let file = format!("{name}.dl");
        fs::copy(root.join("tests/rules/mistakes").join(&file), folder.join(&file))
            .expect("the mistakes are there");
        let said = rules(&place, &["check", name]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let folder = format!("{}/", folder.display());
        shown.push_str(&said.stderr.replace(&folder, "rules/"));
    }
    let settings = insta::Settings::clone_current();
    settings.bind(|| insta::assert_snapshot!("mistakes", shown));
}

#[test]
fn files_get_one_shape_and_keep_what_they_say() {
    let place = place(&[("p/a.dl", PROGRAM), ("p/bad", "x"), ("broken/a.dl", "p(")]);
    let crowded = "// Why.\n.input  p( a:symbol )\n.output q(a: symbol)\nq(X):-p(X). // behind\n";
    fs::write(place.path("p/b.dl"), crowded).expect("the place is ours");
    let check = rules(&place, &["fmt", "--check", "p"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    assert_eq!(fs::read_to_string(place.path("p/b.dl")).ok().as_deref(), Some(crowded));
    rules(&place, &["fmt", "p"]).expect_success();
    let shaped = "// Why.\n.input p(a: symbol)\n.output q(a: symbol)\nq(X) :- p(X).  // behind\n";
    assert_eq!(fs::read_to_string(place.path("p/b.dl")).ok().as_deref(), Some(shaped));
    assert_eq!(rules(&place, &["fmt", "--check", "p"]).expect_success(), "");
    let refused = rules(&place, &["fmt", "p", "broken"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

#[test]
fn stories_are_told_and_judged() {
    let story = "```program\n.input p(a: symbol)\n.output q(a: symbol)\n[s/q] q(X) :- p(X).\n```\n\
                 ```facts\np(\"a\").\n```\n```expect\nq(\"a\").\n```\n```why q(\"a\")\n[s/q]\n```\n";
    let place = place(&[("good.md", story), ("bad.md", &story.replace("expect\nq", "expect\n!q"))]);
    let good = rules(&place, &["test", "good.md"]).expect_success();
    assert!(good.ends_with("good.md: 2 expectations hold\n"), "{good}");
    let bad = rules(&place, &["test", "good.md", "bad.md"]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.stdout.contains("bad.md:10: unexpected: q(\"a\")"), "{bad:?}");
}

#[test]
fn programs_are_exported() {
    let place = place(&[("p/a.dl", PROGRAM), ("facts", "broken(\"b\").\n")]);
    let clingo = rules(&place, &["export", "--to", "clingo", "p", "--facts", "facts"]);
    let clingo = clingo.expect_success();
    assert!(clingo.contains("unready(U) :- broken(U).\n"), "{clingo}");
    assert!(clingo.contains("\nbroken(\"b\").\n"), "{clingo}");
    let shipped = rules(&place, &["export", "--to", "souffle"]).expect_success();
    assert!(shipped.contains(".decl act_apply("), "{shipped}");
}

#[test]
fn what_a_check_found_is_told_in_json() {
    let place = place(&[
        ("good/a.dl", "[team/deny] deny(U, O, \"no\") :- wants(U, O, _), kind_of(O) = \"Pod\".\n"),
        ("bad/a.dl", "deny(U) :- wnts(U).\n"),
    ]);
    let check = |dir: &str| {
        let said = rules(&place, &["check", dir, "-o", "json"]);
        let found = document(&said);
        has_form("rules-check.v1.json", &found);
        (said.code, found)
    };
    let (code, good) = check("good");
    assert_eq!((code, &good["files"], &good["diagnostics"]), (Some(0), &json!(1), &json!([])));
    assert!(good["strata"].as_u64().is_some_and(|strata| strata > 1), "{good}");
    let (code, bad) = check("bad");
    assert_eq!((code, &bad["strata"]), (Some(1), &Json::Null));
    let codes: Vec<&Json> =
        bad["diagnostics"].as_array().into_iter().flatten().map(|found| &found["code"]).collect();
    assert_eq!(codes, ["rules::arity", "rules::unknown_relation"]);
    assert_eq!(bad["diagnostics"][0]["places"][0]["line"], 1);
}
