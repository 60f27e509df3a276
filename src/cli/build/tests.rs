//! What the verb says of broken trees, and of where fields come from.

use std::fs;
use std::path::Path;

use miette::GraphicalReportHandler;
use miette::GraphicalTheme;

use super::BuildArgs;
use super::origins;
use super::run;

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let at = root.join(path);
        fs::create_dir_all(at.parent().expect("a directory")).expect("a directory");
        fs::write(at, text).expect("a file");
    }
}

/// What a build of `overlay` says when it fails, seen from the directory that holds everything.
fn complain(files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let here = dir.path().canonicalize().expect("it is there");
    write(&here, files);
    let args = BuildArgs { dir: here.join("overlay"), ..BuildArgs::default() };
    let Err(failure) = run(&args, &here) else { panic!("it builds") };
    assert_eq!(failure.code, 1);
    let mut out = String::new();
    let theme = GraphicalTheme::unicode_nocolor();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(200);
    handler.render_report(&mut out, failure.report.as_ref()).expect("a string takes all");
    out.replace(here.to_str().expect("a path of ours"), "HERE")
}

const APP: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 1\n  \
                   template:\n    spec:\n      containers:\n      - name: main\n        image: web:1\n";

#[test]
fn a_file_that_is_not_there() {
    let kustomization = "resources:\n- app.yaml\n- gone.yaml\n";
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", kustomization),
        ("overlay/app.yaml", APP),
    ]), @"
    kustomize::missing_file

      × overlay/kustomization.yaml:3: there is no file `HERE/overlay/gone.yaml`
      help: add the file, or correct the path that names it
    ");
}

#[test]
fn a_field_that_does_not_exist() {
    let kustomization = "resources:\n- app.yaml\nnamePrefx: a-\n";
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", kustomization),
        ("overlay/app.yaml", APP),
    ]), @"
    kustomize::unknown_field

      × overlay/kustomization.yaml:3: unknown field `namePrefx`; did you mean `namePrefix`?
      help: remove the field, or correct its spelling
    ");
}

#[test]
fn text_that_is_no_yaml() {
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", "resources:\n- app.yaml\n"),
        ("overlay/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n"),
    ]), @"
    kustomize::invalid_yaml

      × overlay/app.yaml:4: line 4: while parsing a flow mapping, did not find expected ',' or '}'
      help: check indentation, quotes and colons near the place named
    ");
}

#[test]
fn a_patch_without_a_target() {
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", "resources:\n- app.yaml\npatches:\n- path: patch.yaml\n"),
        ("overlay/app.yaml", APP),
        ("overlay/patch.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: wbe\n"),
    ]), @"
    kustomize::no_target

      × overlay/kustomization.yaml:4: no object `Deployment wbe` to patch
      help: check kind, name and namespace as they stand before renaming
    ");
}

#[test]
fn an_object_that_is_there_twice() {
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", "resources:\n- app.yaml\n- again.yaml\n"),
        ("overlay/app.yaml", APP),
        ("overlay/again.yaml", APP),
    ]), @"
    kustomize::duplicate_id

      × overlay/kustomization.yaml:3: `Deployment web` is there twice: in HERE/overlay/app.yaml:1 and in HERE/overlay/again.yaml:1
      help: remove or rename one of the objects, or use a patch to change it
    ");
}

#[test]
fn a_base_that_leads_back() {
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", "resources:\n- ../base\n"),
        ("base/kustomization.yaml", "resources:\n- ../overlay\n"),
    ]), @"
    kustomize::cycle

      × base/kustomization.yaml:2: `HERE/overlay` contains `HERE/overlay`, which includes it
      help: a base must not contain the kustomization that uses it
    ");
}

#[test]
fn a_chart() {
    let kustomization =
        "resources:\n- app.yaml\nhelmCharts:\n- name: web\n  repo: https://charts.example\n";
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", kustomization),
        ("overlay/app.yaml", APP),
    ]), @"
    kustomize::not_supported

      × overlay/kustomization.yaml:4: `helmCharts` would have to run Helm
      help: render it beforehand and commit the result
    ");
}

#[test]
fn an_inline_patch_that_is_no_yaml() {
    let kustomization = "resources:\n- app.yaml\npatches:\n- patch: |-\n    apiVersion: apps/v1\n    \
                         kind: Deployment\n    metadata: [\n";
    insta::assert_snapshot!(complain(&[
        ("overlay/kustomization.yaml", kustomization),
        ("overlay/app.yaml", APP),
    ]), @"
    kustomize::invalid_patch

      × overlay/kustomization.yaml:8: line 8: did not find expected node content
      help: a patch is an object with kind and name, or a JSON 6902 list
    ");
}

#[test]
fn origins_of_fields() {
    let dir = tempfile::tempdir().expect("a directory");
    let here = dir.path().canonicalize().expect("it is there");
    write(
        &here,
        &[
            ("base/kustomization.yaml", "resources:\n- app.yaml\n"),
            ("base/app.yaml", APP),
            (
                "overlay/kustomization.yaml",
                "resources:\n- ../base\nnamespace: prod\nimages:\n- name: web\n  newTag: \"2\"\n\
             patches:\n- path: patch.yaml\nsecretGenerator:\n- name: door\n  literals:\n  \
             - password=hunter2\nreplacements:\n- source:\n    kind: Deployment\n    \
             fieldPath: spec.replicas\n  targets:\n  - select:\n      kind: Secret\n    fieldPaths:\n    \
             - metadata.annotations.replicas\n    options:\n      create: true\n",
            ),
            (
                "overlay/patch.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 3\n",
            ),
        ],
    );
    let args = BuildArgs { dir: here.join("overlay"), origins: true, ..BuildArgs::default() };
    let Ok(built) = run(&args, &here) else { panic!("it does not build") };
    let text = origins::text(&built, &here);
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    assert!(!serde_json::to_string(&origins::of(&built, &here)).unwrap().contains("aHVudGVyMg"));
    insta::assert_snapshot!(text, @"
    Secret prod/door-cf85kd65mm  overlay/kustomization.yaml
      apiVersion: v1
        overlay/kustomization.yaml, by secretGenerator[0] of overlay/kustomization.yaml
      kind: Secret
        overlay/kustomization.yaml, by secretGenerator[0] of overlay/kustomization.yaml
      metadata.name: door-cf85kd65mm
        overlay/kustomization.yaml:10, by secretGenerator[0] of overlay/kustomization.yaml
      metadata.namespace: prod
        overlay/kustomization.yaml:3, by namespace of overlay/kustomization.yaml
      metadata.annotations.replicas: (secret)
        overlay/patch.yaml:6, by replacements of overlay/kustomization.yaml
      type: Opaque
        overlay/kustomization.yaml, by secretGenerator[0] of overlay/kustomization.yaml
      data.password: (secret)
        overlay/kustomization.yaml:12, by secretGenerator[0] of overlay/kustomization.yaml
    Deployment prod/web  base/app.yaml:1
      metadata.namespace: prod
        overlay/kustomization.yaml:3, by namespace of overlay/kustomization.yaml
      spec.replicas: 3
        overlay/patch.yaml:6, by patches[0] of overlay/kustomization.yaml
      spec.template.spec.containers[0].image: web:2
        overlay/kustomization.yaml:6, by images[0] of overlay/kustomization.yaml
    ");
}
