//! Flux's layer against stored answers of Flux's own code, and what that cannot tell: secrets.
//! How the answers were made: `tests/kustomize/README.md`.

use serde_json::Value as Json;

use super::*;
use crate::kustomize::yaml;
use crate::kustomize::yaml::FileId;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::read_resources_at;
use crate::kustomize::yaml::to_yaml;

const CORPUS: &str = include_str!("../../../tests/kustomize/corpus/flux.jsonl");

fn node(text: &str) -> Node {
    read_resources_at(text.as_bytes(), Place::made_by(FileId(0))).unwrap().remove(0)
}

fn variables(map: &Json) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in map.as_object().unwrap() {
        variables.set(name, value.as_str().unwrap());
    }
    variables
}

/// Fills and prints one object, as Flux does between build and apply.
fn post_build(text: &str, case: &Json) -> Result<String, SubstituteError> {
    let object = node(text);
    let printed = to_yaml(&object).unwrap();
    let variables = variables(&case["Vars"]);
    if is_disabled(&object) || (variables.is_empty() && case["Always"] != true) {
        return Ok(printed);
    }
    let strict = case["Strict"] == true;
    let done = substitute(&object, &printed, &variables, strict, Place::default())?;
    to_yaml(&done.node).map_err(SubstituteError::Print)
}

#[test]
fn every_stored_answer_is_met() {
    let mut count = 0;
    for line in CORPUS.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let input = &case["in"];
        let text = input["Text"].as_str().unwrap();
        let got = if case["mode"] == "eval" {
            substitute_text(text, &variables(&input["Vars"]), input["Strict"] == true)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        } else {
            post_build(text, input)
        };
        let want = case["out"].as_str().unwrap();
        match got {
            Ok(got) => {
                assert_eq!((got.as_str(), false), (want, case["refused"] == true), "{input}")
            }
            Err(error) => {
                assert_eq!(case["refused"], true, "{input}: {error}");
                let hidden = want.contains("YAMLToJSON") || want.contains("var name is invalid");
                assert!(hidden || error.to_string().contains(want), "{input}: {error} / {want}");
            }
        }
        count += 1;
    }
    assert!(count >= 400, "{count}");
}

#[test]
fn fields_that_a_secret_reached_are_named_but_never_shown() {
    let text = "data:\n  a: ${public}\n  b: x-${password}-y\n  c: ${other:=${password}}\n  d: plain\n  \
                ${password}: v\nkind: K\nlist:\n- ${password:0:1}\n- z\nzz: ${#password}\n";
    let mut variables = Variables::new();
    variables.set("public", "p");
    variables.set_secret("password", "hunter2");
    let object = Node::mapping(Vec::new());
    let done = substitute(&object, text, &variables, true, Place::default()).unwrap();
    // A secret key stands for the whole map around it.
    assert_eq!(done.secret_fields, ["/data", "/list/0", "/zz"]);
    let text = text.replace("  ${password}: v\n", "");
    let done = substitute(&object, &text, &variables, true, Place::default()).unwrap();
    assert_eq!(done.secret_fields, ["/data/b", "/data/c", "/list/0", "/zz"]);
    assert!(!format!("{variables:?}").contains("hunter2"));
}

#[test]
fn a_value_that_breaks_the_text_is_not_shown() {
    let mut variables = Variables::new();
    variables.set_secret("password", "a: [hunter2");
    let error = substitute(&node("a: 1\n"), "v: ${password}\n", &variables, true, Place::default())
        .unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
}

#[test]
fn nesting_and_long_values_are_bounded() {
    let deep = format!("{}x{}", "${a:=".repeat(200), "}".repeat(200));
    let error = substitute_text(&deep, &Variables::new(), false).unwrap_err();
    assert!(error.to_string().contains("DEPTH_MAX"), "{error}");
    let mut variables = Variables::new();
    variables.set("long", &"x".repeat(100_000));
    let error = substitute_text("${long##*y}", &variables, false).unwrap_err();
    assert!(error.to_string().contains("PATTERN_SUBJECT_BYTES_MAX"), "{error}");
}

#[test]
fn images_merge_by_name_and_tag_goes_with_digest() {
    let file = "resources: [a]\nimages:\n- {name: web, newTag: v1, digest: sha256:a}\n- {name: db, newName: pg}\n";
    let image = |name: &str, new_tag: &str| UnitImage {
        name: name.into(),
        new_tag: new_tag.into(),
        ..UnitImage::default()
    };
    let unit = UnitBuild {
        images: vec![image("web", "v2"), image("new", "v3"), image("db", "")],
        ..UnitBuild::default()
    };
    let laid = overlay::lay_over(Some(&node(file)), false, &unit, |_| Ok(true)).unwrap();
    let images = to_yaml(laid.get("images").unwrap()).unwrap();
    assert_eq!(
        images,
        "- name: web\n  newTag: v2\n- name: db\n  newName: pg\n- name: new\n  newTag: v3\n"
    );
}

#[test]
fn a_file_without_resources_gets_origin_annotations() {
    for (file, want) in
        [("namePrefix: a-\n", true), ("resources: []\n", true), ("resources: [a]\n", false)]
    {
        let unit = UnitBuild::default();
        let laid = overlay::lay_over(Some(&node(file)), false, &unit, |_| Ok(true)).unwrap();
        assert_eq!(laid.get("buildMetadata").is_some(), want, "{file}");
    }
}

#[test]
fn unknown_fields_are_dropped_and_scalars_become_strings() {
    let file = "RESOURCES: [a]\nbogus: 1\nnamePrefix: 5\ncommonLabels: {a: true}\npatches: [{patch: x, bogus: 1}]\n";
    let unit = UnitBuild::default();
    let laid = overlay::lay_over(Some(&node(file)), false, &unit, |_| Ok(true)).unwrap();
    assert_eq!(
        to_yaml(&laid).unwrap(),
        "apiVersion: kustomize.config.k8s.io/v1beta1\ncommonLabels:\n  a: \"true\"\nkind: Kustomization\n\
         namePrefix: \"5\"\npatches:\n- patch: x\nresources:\n- a\n"
    );
}

#[test]
fn keys_that_stand_twice_are_read_as_json_has_them() {
    let laid = |file: &str| {
        let file = yaml::read_kustomization(file.as_bytes(), FileId(0)).unwrap();
        let laid = overlay::lay_over(file.as_ref(), true, &UnitBuild::default(), |_| Ok(true));
        let laid = to_yaml(&laid.unwrap()).unwrap();
        laid.replace("apiVersion: kustomize.config.k8s.io/v1beta1\n", "")
            .replace("kind: Kustomization\n", "")
    };
    #[rustfmt::skip]
    let cases = [
        ("namespace: a\nNAMESPACE: b\n", "namespace: a\n"),
        ("namespace: a\nnamespace: null\n", ""),
        ("NAMESPACE: a\nnamespace: null\n", "namespace: a\n"),
        ("namePrefix: a\nnamePrefix: b\n", "namePrefix: b\n"),
        ("commonLabels: {a: x}\ncommonLabels: {b: z}\n", "commonLabels:\n  b: z\n"),
        ("commonLabels: {b: z, b: x}\nCOMMONLABELS: {a: x}\n", "commonLabels:\n  a: x\n  b: x\n"),
        ("commonLabels: null\nCOMMONLABELS: {a: x}\n", ""),
    ];
    for (file, want) in cases {
        assert_eq!(laid(file), want, "{file}");
    }
}

#[test]
fn components_must_be_local() {
    for path in ["https://x/y", "git@x:y", "/abs", "github.com/x/y", "GH:x"] {
        let unit = UnitBuild { components: vec![path.into()], ..UnitBuild::default() };
        let error = overlay::lay_over(None, true, &unit, |_| Ok(true)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("component path '{path}' must be local and relative")
        );
    }
}
