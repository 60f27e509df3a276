//! Every file counts: a Rust file that no module names is compiled by nobody and tests nothing.

use crate::text::File;
use std::collections::BTreeMap;

/// Rust files below `src/` and `tests/it/` that no `mod` line names.
pub(crate) fn forgotten(files: &[File]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    let code: BTreeMap<&str, &str> = rust.map(|file| (file.path.as_str(), file.code())).collect();
    let roots = ["src/lib.rs", "src/main.rs", "tests/it/main.rs"];
    let in_modules = |path: &str| path.starts_with("src/") || path.starts_with("tests/it/");
    let modules = code.keys().filter(|path| in_modules(path) && !roots.contains(path));
    let modules = modules.filter(|path| !is_named_by_path(files, path));
    modules
        .filter(|path| !parents(path).iter().any(|(parent, name)| declares(&code, parent, name)))
        .map(|path| format!("{path}: no `mod` names it, so nobody compiles it"))
        .collect()
}

/// True when a file of the same folder names it in a `#[path = "…"]`.
fn is_named_by_path(files: &[File], path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    let attribute = format!("#[path = \"{name}\"]");
    let siblings = files
        .iter()
        .filter(|file| file.path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder));
    siblings.map(|file| &file.text).any(|text| text.contains(&attribute))
}

/// The files that may hold a module's `mod` line, each with the name that it would use.
fn parents(path: &str) -> Vec<(String, String)> {
    let inner = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let Some((folder, name)) = inner.rsplit_once('/') else { return Vec::new() };
    let places = ["mod.rs", "lib.rs", "main.rs"].map(|file| format!("{folder}/{file}"));
    let beside = std::iter::once(format!("{folder}.rs"));
    places.into_iter().chain(beside).map(|parent| (parent, name.to_owned())).collect()
}

fn declares(code: &BTreeMap<&str, &str>, parent: &str, name: &str) -> bool {
    let declared = format!("mod {name};");
    code.get(parent).is_some_and(|code| {
        code.match_indices(&declared).any(|(at, _)| !code[..at].ends_with(char::is_alphanumeric))
    })
}

#[test]
fn a_file_outside_all_modules_is_found() {
    let tree = |files: &[(&str, &str)]| -> Vec<File> {
        files.iter().map(|(path, text)| File::new(path, text)).collect()
    };
    let good = [
        ("src/lib.rs", "pub mod a;"),
        ("src/a/mod.rs", "mod b;\n#[cfg(test)]\nmod tests;"),
        ("src/a/b.rs", "mod c;\n#[path = \"b_tests.rs\"]\nmod tests;"),
        ("src/a/b_tests.rs", ""),
        ("src/a/b/c.rs", ""),
        ("src/a/tests.rs", ""),
        ("tests/it/main.rs", "mod d;"),
        ("tests/it/d.rs", ""),
        ("tests/tidy.rs", ""),
    ];
    assert_eq!(forgotten(&tree(&good)), [""; 0]);
    for (path, text) in [("src/a/e.rs", ""), ("tests/it/e.rs", "mod e;"), ("src/e/mod.rs", "")] {
        let mut files = tree(&good);
        files.push(File::new(path, text));
        assert_eq!(forgotten(&files).len(), 1, "{path}");
    }
    let commented = tree(&[("src/lib.rs", "// mod a;"), ("src/a.rs", "")]);
    assert_eq!(forgotten(&commented).len(), 1);
}
