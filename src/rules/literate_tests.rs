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
