use proptest::prelude::*;

use super::*;

fn rules(files: &[(&str, &str)]) -> IgnoreRules {
    let mut rules = IgnoreRules::new();
    files.iter().for_each(|(directory, text)| rules.collect(directory, text));
    rules.finish()
}

fn excludes(rules: &IgnoreRules, path: &str) -> bool {
    let is_directory = path.ends_with('/');
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    rules.excludes(&segments, is_directory)
}

/// Rules as `directory: line` (`: line` for the root), then paths: a case of one behaviour.
struct Case {
    why: &'static str,
    rules: &'static [&'static str],
    excluded: &'static [&'static str],
    kept: &'static [&'static str],
}

const fn case(
    why: &'static str,
    rules: &'static [&'static str],
    excluded: &'static [&'static str],
    kept: &'static [&'static str],
) -> Case {
    Case { why, rules, excluded, kept }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("the defaults", &[],
        &[".git/x", "a/b.jpg", ".github/w.yaml", "a/.sops.yaml", ".travis.yml", "a/.gitignore"],
        &["a.yaml", "README.md", "github/x"]),
    case("only comments: the defaults", &[": # a", ":  "], &["b.jpg"], &["a.yaml"]),
    case("own rules end the defaults", &[": *.md"],
        &["a.md", ".gitmodules"], &["b.jpg", ".travis.yml"]),
    case("anchored is a prefix", &[": /a"], &["a", "a/", "a/b/c"], &["b/a", "ab"]),
    case("a plain name at any depth", &[": a"], &["a", "x/a/y", "x/a"], &["ab"]),
    case("directories only", &[": a/"], &["a/", "a/b", "x/a/y"], &["a", "x/a"]),
    case("back inside an excluded one", &[": /*", ": !/deploy"],
        &["src", "src/x"], &["deploy/", "deploy/a/b"]),
    case("the last match decides", &[": *.yaml", ": !a.yaml", ": /x/a.yaml"],
        &["b.yaml", "x/a.yaml"], &["a.yaml", "y/a.yaml"]),
    case("only in its directory", &["sub: *.yaml"],
        &["sub/a.yaml", "sub/x/a.yaml"], &["a.yaml", "sub"]),
    case("any depth in between", &[": a/**/b"], &["a/b", "a/x/y/b", "a/b/c"], &["b", "a/x"]),
    case("everything below", &[": a/**"], &["a/b", "a/b/c", "a/", "a"], &["b"]),
    case("stars in a segment", &[": a*/b"], &["ax/b", "a/b/c"], &["b", "x/a/b"]),
    case("a double star is a whole segment", &[": x/a**b"], &[], &["x/ab", "x/aab"]),
    case("classes and escapes", &[": [a-c]?.y", ": \\!z"], &["b1.y", "!z"], &["d1.y", "z", "b.y"]),
    case("malformed matches nothing", &[": [a", ": x\\"], &[], &["[a", "a", "x", "x\\"]),
    case("trailing blanks go", &[": a  "], &["a"], &["a  "]),
    case("escaped blanks stay", &[": a\\ "], &["a "], &["a"]),
    case("leading blanks stay", &[":  a"], &[" a"], &["a"]),
    case("carriage returns go", &[": a\r", ": b\r"], &["a", "b"], &["c"]),
    case("a later file adds", &[": a", "x: !a"], &["a", "y/a"], &["x/a"]),
];

#[test]
fn rules_as_flux_reads_them() {
    for Case { why, rules: lines, excluded, kept } in CASES {
        let files: Vec<(&str, &str)> =
            lines.iter().map(|line| line.split_once(": ").expect("a directory")).collect();
        let rules = rules(&files);
        for path in *excluded {
            assert!(excludes(&rules, path), "{why}: {path} is excluded by {lines:?}");
        }
        for path in *kept {
            assert!(!excludes(&rules, path), "{why}: {path} is kept by {lines:?}");
        }
    }
}

#[test]
fn digests_name_rules() {
    assert_eq!(rules(&[("", "a")]).digest(), rules(&[("", "# x\na\n")]).digest());
    assert_ne!(rules(&[("", "a")]).digest(), rules(&[("b", "a")]).digest());
}

/// The slow, obvious way: a shell pattern by trying every split.
fn slow_shell(pattern: &[char], name: &[char]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some('*'), _) => (0..=name.len()).any(|n| slow_shell(&pattern[1..], &name[n..])),
        (Some('?'), Some(_)) => slow_shell(&pattern[1..], &name[1..]),
        (Some('\\'), Some(c)) => pattern[1] == *c && slow_shell(&pattern[2..], &name[1..]),
        (Some(p), Some(c)) => p == c && slow_shell(&pattern[1..], &name[1..]),
        _ => false,
    }
}

fn slow_name(pattern: &str, name: &str) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<char>>();
    slow_shell(&chars(pattern), &chars(name))
}

/// go-git's walk over a pattern's segments, written down again from its description: recursive, on
/// whole texts, without the representation under test.
fn slow_anchored(pattern: &[&str], path: &[&str], matched: bool) -> Option<(bool, usize)> {
    let Some((first, rest)) = pattern.split_first() else { return Some((matched, path.len())) };
    match *first {
        "" => slow_anchored(rest, path, matched),
        "**" if rest.is_empty() => Some((matched, path.len())),
        // What follows `**` is sought from here on; an empty segment forgets the `**`.
        "**" => match rest {
            ["" | "**", ..] => slow_anchored(rest, path, matched),
            [next, ..] if next.contains("**") || path.is_empty() => None,
            [next, after @ ..] => match path.iter().position(|name| slow_name(next, name)) {
                Some(at) => slow_anchored(after, &path[at + 1..], true),
                None => slow_anchored(after, &[], false),
            },
            [] => None,
        },
        text if text.contains("**") || path.is_empty() || !slow_name(text, path[0]) => None,
        _ => slow_anchored(rest, &path[1..], true),
    }
}

fn slow_excludes(lines: &[String], path: &[&str], is_directory: bool) -> bool {
    let matches = |line: &str| {
        let line = line.strip_prefix('!').unwrap_or(line);
        let (only_directories, text) =
            line.strip_suffix('/').map_or((false, line), |text| (true, text));
        let left = if text.contains('/') {
            let segments: Vec<&str> = text.split('/').collect();
            match slow_anchored(&segments, path, false) {
                Some((true, left)) => left,
                _ => return false,
            }
        } else {
            match path.iter().position(|name| slow_name(text, name)) {
                Some(at) => path.len() - at - 1,
                None => return false,
            }
        };
        !(only_directories && !is_directory && left == 0)
    };
    let vcs = [".git/", ".gitignore", ".gitmodules", ".gitattributes"].map(str::to_owned);
    let all: Vec<&String> = vcs.iter().chain(lines).collect();
    let last = all.into_iter().rev().find(|line| matches(line));
    last.is_some_and(|line| !line.starts_with('!'))
}

fn line() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[abc]",
        2 => "[abc*?]{1,3}",
        1 => Just("**".to_owned()),
        1 => Just(String::new()),
        1 => Just("\\*a".to_owned()),
    ];
    let body = prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/"));
    (any::<bool>(), body, any::<bool>())
        .prop_map(|(includes, body, directory)| {
            format!("{}{body}{}", if includes { "!" } else { "" }, if directory { "/" } else { "" })
        })
        .prop_filter("a blank line is no rule", |line| !line.trim().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn as_the_slow_matcher(
        lines in prop::collection::vec(line(), 1..4),
        path in prop::collection::vec("[abc*]{1,2}", 1..5),
        is_directory in any::<bool>(),
    ) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let got = rules(&[("", &lines.join("\n"))]).excludes(&path, is_directory);
        prop_assert_eq!(got, slow_excludes(&lines, &path, is_directory), "{:?} {:?}", lines, path);
    }
}
