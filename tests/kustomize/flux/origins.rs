//! Origins of a unit's fields: lines of the unit's own file as it stands in the source, fields of
//! its spec, and variables.

use hence::kustomize::BuildOptions;
use hence::kustomize::flux;
use hence::kustomize::flux::UnitBuild;
use hence::kustomize::flux::UnitFieldOrigin;
use hence::kustomize::flux::UnitImage;
use hence::kustomize::flux::UnitObject;
use hence::kustomize::flux::UnitOutcome;
use hence::kustomize::flux::UnitPatch;
use hence::kustomize::flux::UnitPatchTarget;
use hence::kustomize::flux::Variables;

use crate::tree::MemoryTree;

const KUSTOMIZATION: &str = "# what the shop runs
namePrefix: eu-
resources:
- web.yaml

commonAnnotations:
  owner: team
patches:
- patch: |-
    apiVersion: v1
    kind: Service
    metadata:
      name: web
    spec:
      type: NodePort
images:
- name: web
  newName: other/web
";

const WEB: &str = "apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  clusterIP: ${address:=None}
  externalName: ${token}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: main
    image: web:1
";

fn build(spec: &UnitBuild) -> Vec<UnitObject> {
    let mut tree = MemoryTree::default();
    tree.0.insert("app/kustomization.yaml".into(), KUSTOMIZATION.into());
    tree.0.insert("app/web.yaml".into(), WEB.into());
    let options = BuildOptions { origins: true, ..BuildOptions::default() };
    match flux::build_unit(&tree, "app", spec, &options) {
        Ok(UnitOutcome::Built(built)) => built.objects,
        Ok(UnitOutcome::Needs(needs)) => panic!("{needs:?}"),
        Err(error) => panic!("{error}"),
    }
}

fn spec() -> UnitBuild {
    let mut variables = Variables::new();
    variables.set("address", "10.0.0.7");
    variables.set_secret("token", "hidden");
    let patch = "- op: add\n  path: /spec/ports\n  value: [{port: 80}]\n".to_owned();
    let target = UnitPatchTarget { kind: "Service".to_owned(), ..UnitPatchTarget::default() };
    UnitBuild {
        target_namespace: Some("shop".to_owned()),
        patches: vec![UnitPatch { patch, target: Some(target) }],
        images: vec![UnitImage {
            name: "web".to_owned(),
            new_tag: "3".to_owned(),
            ..UnitImage::default()
        }],
        substitute: Some(variables),
        ..UnitBuild::default()
    }
}

/// `file:line by field[index] of file with variables`
fn told(object: &UnitObject, pointer: &str) -> String {
    let field = object.fields.iter().find(|field| field.origin.pointer == pointer);
    let Some(UnitFieldOrigin { origin, variables }) = field else { return "none".to_owned() };
    let mut text = format!("{}:{}", origin.file, origin.line);
    if let Some(step) = &origin.step {
        let index = step.index.map(|index| format!("[{index}]")).unwrap_or_default();
        text.push_str(&format!(" by {}{index} of {}", step.field, step.file));
    }
    if !variables.is_empty() {
        text.push_str(&format!(" with {}", variables.join(", ")));
    }
    text
}

#[test]
fn fields_of_a_unit_lead_to_its_file_its_spec_and_its_variables() {
    let objects = build(&spec());
    #[rustfmt::skip]
    let cases = [
        // why                          object  field                          want
        ("a prefix of the file",          0, "/metadata/name",                "app/kustomization.yaml:2 by namePrefix of app/kustomization.yaml"),
        ("an annotation of the file",     0, "/metadata/annotations/owner",   "app/kustomization.yaml:7 by commonAnnotations of app/kustomization.yaml"),
        ("a patch of the file",           0, "/spec/type",                    "app/kustomization.yaml:15 by patches[0] of app/kustomization.yaml"),
        ("a patch of the spec",           0, "/spec/ports/0/port",            "spec:0 by patches[0] of spec"),
        ("the namespace of the spec",     0, "/metadata/namespace",           "spec:0 by targetNamespace of spec"),
        ("a variable",                    0, "/spec/clusterIP",               "app/web.yaml:6 with address"),
        ("a secret variable",             0, "/spec/externalName",            "app/web.yaml:7 with token"),
        ("the object's own file",         1, "/spec/containers/0/name",       "app/web.yaml:15"),
        ("no such field",                 1, "/spec/absent",                  "none"),
    ];
    for (why, object, pointer, want) in cases {
        assert_eq!(told(&objects[object], pointer), want, "{why}");
    }
    assert_eq!(objects[0].secret_fields, ["/spec/externalName"]);
    let image = told(&objects[1], "/spec/containers/0/image");
    assert!(image.contains(" by images[0] of "), "{image}");
    // What was filled in is the only thing that noting origins may not change.
    let plain = flux_text(&spec());
    let noted: Vec<&str> = objects.iter().map(|object| object.text.as_str()).collect();
    assert_eq!(noted.join("---\n"), plain);
}

/// The text of all objects, built without origins.
fn flux_text(spec: &UnitBuild) -> String {
    let mut tree = MemoryTree::default();
    tree.0.insert("app/kustomization.yaml".into(), KUSTOMIZATION.into());
    tree.0.insert("app/web.yaml".into(), WEB.into());
    match flux::build_unit(&tree, "app", spec, &BuildOptions::default()) {
        Ok(UnitOutcome::Built(built)) => built.text(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failure_names_the_line_of_the_file_as_it_stands_in_the_source() {
    let mut tree = MemoryTree::default();
    let text = "# first\n\nnamespace: shop\nresources:\n- gone.yaml\n";
    tree.0.insert("app/kustomization.yaml".into(), text.into());
    let error = flux::build_unit(&tree, "app", &spec(), &BuildOptions::default());
    let error = error.expect_err("a file is missing").to_string();
    assert!(error.contains("app/kustomization.yaml:5"), "{error}");
}
