//! Runs the tests of rules that are written as prose: `tests/rules/*.md`.

use std::fs;
use std::path::Path;

use crate::rules;

#[test]
fn every_story_is_told_as_it_happens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let entries = fs::read_dir(&folder).expect("the folder of stories is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let mut unmet = Vec::new();
    for path in &paths {
        let name = path.file_name().unwrap().to_string_lossy();
        let text = fs::read_to_string(path).unwrap();
        let report = rules::run_literate(&name, &text, &[]).unwrap_or_else(|complaints| {
            let texts = complaints.into_iter().map(|c| format!("{:?}", miette::Report::new(c)));
            panic!("{}", texts.collect::<String>())
        });
        assert!(report.checked > 0, "{name} expects nothing");
        println!("{name}: {} expectations hold", report.checked);
        unmet.extend(report.unmet.iter().map(|u| format!("{name}:{}: {}", u.line, u.message)));
    }
    assert!(paths.len() >= 6, "stories are missing: {paths:?}");
    assert!(unmet.is_empty(), "{}", unmet.join("\n"));
}

#[test]
fn the_page_about_the_language_runs_as_it_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/README.md");
    let text = fs::read_to_string(path).unwrap();
    let report = rules::run_literate("rules/README.md", &text, &[]).unwrap_or_else(|complaints| {
        let texts = complaints.into_iter().map(|c| format!("{:?}", miette::Report::new(c)));
        panic!("{}", texts.collect::<String>())
    });
    let lines = report.unmet.iter().map(|u| format!("{}: {}", u.line, u.message));
    assert!(report.unmet.is_empty(), "{}", lines.collect::<Vec<_>>().join("\n"));
    assert!(report.checked >= 10);
}

/// Every block of rule text on that page that is not a step is a whole program.
#[test]
fn every_example_of_the_language_is_a_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/README.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("\n```datalog\n").skip(1);
    let mut count = 0;
    for block in blocks {
        let (example, _) = block.split_once("\n```").expect("a fence ends");
        let file = rules::own_file("example.dl", example);
        if let Err(complaints) = crate::datalog::check(&[file], &rules::builtins()) {
            panic!("{example}\n{complaints:?}");
        }
        let once = crate::datalog::format("example.dl", example).unwrap();
        assert_eq!(crate::datalog::format("example.dl", &once).unwrap(), once);
        count += 1;
    }
    assert!(count >= 3, "{count} examples");
}
