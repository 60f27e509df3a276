//! Reader and emitter against stored answers of the official program, and what it cannot tell:
//! places, sharing, limits. How the answers were made: `tests/kustomize/README.md`.

use serde_json::Value as Json;

use super::*;

const CORPUS: &str = include_str!("../../../tests/kustomize/corpus/yaml.jsonl");

/// What we make of a text, in the form of the stored answers.
fn answer(mode: &str, text: &str) -> Result<String, YamlError> {
    if mode.starts_with("kust") {
        let node = read_kustomization(text.as_bytes(), FileId(0))?;
        return Ok(match node {
            Some(node) => node.to_kustomization_json()?.to_string(),
            None => "null".to_owned(),
        });
    }
    to_yaml_documents(&read_resources_at(text.as_bytes(), Place::made_by(FileId(0)))?)
}

fn one(text: &str) -> Node {
    read_resources_at(text.as_bytes(), Place::made_by(FileId(7))).unwrap().remove(0)
}

#[test]
fn every_stored_answer_is_met() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in CORPUS.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str().unwrap();
        let (mode, input, want) = (text("mode"), text("in"), text("out"));
        let got = answer(mode, input);
        let same = match &got {
            Err(_) => case["refused"] == true,
            Ok(_) if case["refused"] == true => false,
            Ok(got) if mode.starts_with("kust") => {
                serde_json::from_str::<Json>(got).ok() == serde_json::from_str::<Json>(want).ok()
            }
            Ok(got) => got == want,
        };
        count += 1;
        if !same {
            wrong.push(format!("{mode}: {input:?}\n  want {want:?}\n  got  {got:?}"));
        }
    }
    assert!(count > 700, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_part_knows_its_place() {
    let node = one("a: 1\n---\n# c\nb:\n  c: x\n  d:\n  - 'y'\n");
    assert_eq!(node.place().line, 1);
    let text = b"a: 1\n---\n# c\nb:\n  c: x\n  d:\n  - 'y'\n";
    let docs = read_resources_at(text, Place::made_by(FileId(7))).unwrap();
    let at = |node: &Node| (node.place().file.0, node.place().line, node.place().column);
    let second = &docs[1];
    assert_eq!(at(&second.entry("b").unwrap().key), (7, 4, 1));
    assert_eq!(at(second.get_path(&["b", "c"]).unwrap()), (7, 5, 6));
    assert_eq!(at(&second.get_path(&["b", "d"]).unwrap().items().unwrap()[0]), (7, 7, 5));
}

#[test]
fn a_clone_shares_until_it_is_written_to() {
    let before = one("a:\n  b: 1\n  c: [x]\n");
    let mut after = before.clone();
    after.get_path_mut(&["a"]).unwrap().set("b", Node::string("new"));
    assert_eq!(before.get_path(&["a", "b"]).unwrap().text(), Some("1"));
    assert_eq!(to_yaml(&after).unwrap(), "a:\n  b: new\n  c:\n  - x\n");
    assert!(after.get_path_mut(&["a", "missing"]).is_none());
}

#[test]
fn new_entries_go_last_and_old_ones_stay() {
    let mut node = one("b: 1\na: 2\n");
    node.set("c", Node::int(3));
    node.set("b", Node::bool(true));
    let keys: Vec<_> = node.entries().unwrap().iter().filter_map(|e| e.key.text()).collect();
    assert_eq!(keys, ["b", "a", "c"]);
    assert_eq!(node.remove("a").unwrap().value.text(), Some("2"));
    assert!(node.remove("a").is_none());
}

#[test]
fn scalars_mean_what_their_dialect_says() {
    #[rustfmt::skip]
    let cases: &[(&str, Value, Value)] = &[
        // text        resources                       the kustomization file
        ("yes",        Value::Str("yes".into()),       Value::Bool(true)),
        ("0777",       Value::Int(511),                Value::Int(511)),
        ("0o17",       Value::Int(15),                 Value::Int(15)),
        ("1_000",      Value::Int(1000),               Value::Int(1000)),
        ("~",          Value::Null,                    Value::Null),
        ("1e3",        Value::Float(1000.0),           Value::Float(1000.0)),
        ("2001-1-1",   Value::Time("2001-01-01T00:00:00Z".into()), Value::Str("2001-1-1".into())),
    ];
    for (text, v3, v2) in cases {
        let file = format!("v: {text}\n");
        assert_eq!(one(&file).get("v").unwrap().value(Dialect::V3).as_ref(), Some(v3), "{text}");
        let node = read_kustomization(file.as_bytes(), FileId(0)).unwrap().unwrap();
        assert_eq!(node.get("v").unwrap().value(Dialect::V2).as_ref(), Some(v2), "{text}");
    }
}

#[test]
fn errors_name_lines_and_limits() {
    #[rustfmt::skip]
    let cases: &[(&str, String, &str)] = &[
        ("a key twice", "a: 1\nb: 2\na: 3\n".into(), "line 3: mapping key \"a\" already defined at line 1"),
        ("an alias of nothing", "a: 1\nb: *x\n".into(), "line 2: unknown anchor 'x' referenced"),
        ("an alias in itself", "a: &x\n  b: *x\n".into(), "line 2: anchor value contains itself"),
        ("text behind dashes", "a: 1\n---b\nc: 1\n".into(), "invalid document separator: ---b"),
        ("too deep", "[".repeat(250), "line 1: more than DOCUMENT_DEPTH_MAX = 200"),
        ("infinity", "a: .inf\n".into(), "line 1: an infinite or undefined number cannot be written as JSON"),
    ];
    for (why, text, want) in cases {
        assert_eq!(answer("resource", text).unwrap_err().to_string(), *want, "{why}");
    }
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let error = answer("resource", &text).unwrap_err();
    assert!(error.to_string().contains("alias_nodes_max"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_input_panics(text in "[a-c:#\\-?,\\[\\]{}&*!|>'\"%@` \n\t0-9~<é\u{85}\u{feff}]{0,60}") {
        let _ = answer("resource", &text);
        let _ = answer("kust", &text);
    }

    #[test]
    fn what_is_printed_reads_back_the_same(text in "\\PC{0,120}", key in "[a-z0-9é. -]{1,12}") {
        let mut node = Node::mapping(Vec::new());
        node.set_entry(Entry { key: Node::string(&key).styled(Style::DoubleQuoted),
            value: Node::string(&text).styled(Style::DoubleQuoted) });
        if let Ok(printed) = to_yaml(&node) {
            let again = one(&printed);
            proptest::prop_assert_eq!(&to_yaml(&again).unwrap(), &printed);
            proptest::prop_assert_eq!(again.get(&key).unwrap().as_str(), Some(text.as_str()));
        }
    }
}
