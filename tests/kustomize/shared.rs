//! Builds that share a cache: the same text as without one, whatever changes in between.

use std::sync::Arc;

use hence::kustomize;
use hence::kustomize::BuildOptions;
use hence::kustomize::Cache;
use hence::kustomize::Outcome;

use crate::tree::MemoryTree;

const OVERLAYS: usize = 6;

fn files() -> MemoryTree {
    let mut tree = MemoryTree::default();
    let mut put = |path: &str, text: &str| tree.0.insert(path.to_owned(), text.to_owned());
    put("base/kustomization.yaml", "resources: [app.yaml]\ncomponents: [../part]\n");
    put(
        "base/app.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n---\n\
         apiVersion: v1\nkind: Unheard\nmetadata: {name: other}\n",
    );
    put(
        "part/kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {a: b}\n",
    );
    put("stage/kustomization.yaml", "resources: [../base]\nnamePrefix: s-\n");
    for i in 0..OVERLAYS {
        let from = if i % 2 == 0 { "base" } else { "stage" };
        let text =
            format!("resources: [../../{from}]\nnamespace: n{i}\nlabels:\n- pairs: {{o: o{i}}}\n");
        put(&format!("overlays/{i}/kustomization.yaml"), &text);
    }
    tree
}

fn build(tree: &MemoryTree, root: &str, cache: Option<&Arc<Cache>>) -> Result<String, String> {
    let options = BuildOptions { cache: cache.cloned(), ..BuildOptions::default() };
    match kustomize::build(tree, root, &options) {
        Ok(Outcome::Built(built)) => Ok(format!("{:?}\n{}", built.reads, built.to_yaml())),
        Ok(Outcome::Needs(needs)) => Err(format!("needs {needs:?}")),
        Err(error) => Err(error.upstream().to_owned()),
    }
}

fn all_agree(tree: &MemoryTree, cache: &Arc<Cache>, why: &str) {
    for i in 0..OVERLAYS {
        let root = format!("overlays/{i}");
        assert_eq!(build(tree, &root, Some(cache)), build(tree, &root, None), "{why}: {root}");
    }
}

#[test]
fn bases_are_made_once_and_anew_when_what_they_read_changes() {
    let cache = Arc::new(Cache::default());
    let mut tree = files();
    all_agree(&tree, &cache, "first");
    let counts = cache.counts();
    assert_eq!((counts.files, counts.bases), (1, 2), "one file, base and stage");
    all_agree(&tree, &cache, "second");
    assert_eq!(cache.counts(), counts, "nothing is made twice");

    let changes: &[(&str, &str)] = &[
        ("base/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n"),
        ("part/kustomization.yaml", "kind: Component\nnameSuffix: -p\n"),
        ("stage/kustomization.yaml", "resources: [../base]\nnameSuffix: -t\n"),
        // A second kustomization file, which was absent when the base was made, is an error.
        ("base/Kustomization", "namePrefix: two-\n"),
    ];
    for (path, text) in changes {
        tree.0.insert((*path).to_owned(), (*text).to_owned());
        all_agree(&tree, &cache, path);
    }
    tree.0.remove("base/Kustomization");
    all_agree(&tree, &cache, "mended");
    tree.0.remove("part/kustomization.yaml");
    all_agree(&tree, &cache, "a component is gone");
}

#[test]
fn a_base_that_leads_back_is_refused_though_it_was_made_before() {
    let cache = Arc::new(Cache::default());
    let mut tree = files();
    tree.0.insert("x/kustomization.yaml".to_owned(), "resources: [../stage]\n".to_owned());
    assert!(build(&tree, "x", Some(&cache)).is_ok());
    // Seen from inside of `base`, the base `stage` leads back.
    let inner = "resources: [../../stage]\n".to_owned();
    tree.0.insert("base/inner/kustomization.yaml".to_owned(), inner);
    let with = build(&tree, "base/inner", Some(&cache));
    assert!(with.as_ref().is_err_and(|error| error.contains("cycle detected")), "{with:?}");
    assert_eq!(with, build(&tree, "base/inner", None));
}

#[test]
fn a_schema_of_the_kustomization_reaches_its_bases() {
    let cache = Arc::new(Cache::default());
    let mut tree = files();
    assert!(build(&tree, "overlays/0", Some(&cache)).is_ok());
    let schema = r#"{"definitions":{"u":{"properties":{},"x-kubernetes-group-version-kind":
        [{"group":"","kind":"Unheard","version":"v1"}]}},"paths":{}}"#;
    tree.0.insert("overlays/0/schema.json".to_owned(), schema.to_owned());
    let text = "resources: [../../base]\nnamespace: n\nopenapi: {path: schema.json}\n".to_owned();
    tree.0.insert("overlays/0/kustomization.yaml".to_owned(), text);
    all_agree(&tree, &cache, "a schema");
}
