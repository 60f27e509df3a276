//! Rule files: short, headed, labelled; only `rules/actions.dl` decides to act.

use crate::text::File;

const FILE_LINES_MAX: usize = 150;

/// The only file that may derive `act_*`.
const ACTIONS: &str = "rules/actions.dl";

/// The file that declares the inputs and derives nothing.
const SCHEMA: &str = "rules/schema.dl";

/// A rule file against the house rules.
pub(crate) fn check(file: &File) -> Vec<String> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let mut wrong = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        wrong.push(format!("{}: {lines} lines, {FILE_LINES_MAX} at most", file.path));
    }
    if !file.text.starts_with(&format!("// {name}: ")) {
        wrong.push(file.complain(0, &format!("opens with no `// {name}: ` and what it decides")));
    }
    for (number, clause) in clauses(&file.text) {
        let (head, is_rule) = match clause.split_once(":-") {
            Some((head, _)) => (head, true),
            None => (clause.as_str(), false),
        };
        let acts = head.split(|c: char| !c.is_alphanumeric() && c != '_').any(is_action);
        if acts && file.path != ACTIONS {
            wrong.push(file.complain(number, &format!("only {ACTIONS} derives `act_*`")));
        }
        if is_rule && file.path == SCHEMA {
            wrong.push(file.complain(number, "the schema declares and derives nothing"));
        }
        if is_rule && !head.trim_start().starts_with('[') {
            wrong.push(file.complain(number, "a rule without a label cannot be named by `why`"));
        }
    }
    wrong
}

fn is_action(word: &str) -> bool {
    word.starts_with("act_")
}

/// The clauses of a rule file, each with the line that it starts on, without comments and strings.
fn clauses(text: &str) -> Vec<(usize, String)> {
    let mut clauses = Vec::new();
    let mut clause = String::new();
    let mut start = 0;
    for (number, line) in text.lines().enumerate() {
        let code = without_comment(line);
        if clause.trim().is_empty() {
            start = number;
        }
        clause.push_str(&code);
        clause.push('\n');
        // A full stop at the end of a line ends a clause, a new declaration ends what came before.
        if code.trim_end().ends_with('.') || code.trim_start().starts_with('.') {
            clauses.push((start, std::mem::take(&mut clause)));
        }
    }
    clauses.push((start, clause));
    clauses.retain(|(_, clause)| !clause.trim().is_empty());
    clauses
}

/// A line up to its comment, with its strings emptied.
fn without_comment(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if in_string => drop(rest.next()),
            '"' => in_string = !in_string,
            '/' if !in_string && rest.peek() == Some(&'/') => break,
            c if !in_string => code.push(c),
            _ => {}
        }
    }
    code
}

#[test]
fn a_rule_file_against_the_rules_is_found() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, usize)] = &[
        ("a good one",        "rules/a.dl",   "// a.dl: a.\n.decl b(c: D)\n[a/b] b(X) :- c(X).", 0),
        ("no header",         "rules/a.dl",   "[a/b] b(X) :- c(X).",                             1),
        ("no label",          "rules/a.dl",   "// a.dl: a.\nb(X) :-\n  c(X).",                   1),
        ("an action",         "rules/a.dl",   "// a.dl: a.\n[a/b]\nact_b(X) :- c(X).",           1),
        ("a declared action", "rules/a.dl",   "// a.dl: a.\n.decl act_b(c: D)",                  1),
        ("an action as fact", "rules/a.dl",   "// a.dl: a.\nact_b(1).",                          1),
        ("its own place",     ACTIONS,        "// actions.dl: a.\n[a/b] act_b(X) :- c(X).",      0),
        ("an action read",    "rules/a.dl",   "// a.dl: a.\n[a/b] b(X) :- act_c(X).",            0),
        ("only mentioned",    "rules/a.dl",   "// a.dl: act_b(X).\n[a/b] b(\"act_c\") :- c(X).", 0),
        ("a deciding schema", SCHEMA,         "// schema.dl: a.\n[a/b] b(X) :- c(X).",           1),
    ];
    for &(why, path, text, want) in cases {
        let wrong = check(&File::new(path, text));
        assert_eq!(wrong.len(), want, "{why}: {wrong:?}");
    }
    let long = format!("// a.dl: a.\n{}", "// b\n".repeat(150));
    assert_eq!(check(&File::new("rules/a.dl", &long)).len(), 1);
}
