//! Components that a unit's spec names and that may be missing.

use hence::kustomize::BuildOptions;
use hence::kustomize::flux::UnitBuild;
use hence::kustomize::flux::UnitBuilt;
use hence::kustomize::flux::UnitOutcome;
use hence::kustomize::flux::build_unit;

use crate::tree::MemoryTree;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
const COMPONENT: &str = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n\
                         commonAnnotations: {comp: here}\n";

fn tree(path: &str) -> MemoryTree {
    let mut tree = MemoryTree::default();
    tree.0.insert(format!("{path}kustomization.yaml"), "resources: [a.yaml]\n".to_owned());
    tree.0.insert(format!("{path}a.yaml"), MAP.to_owned());
    tree
}

fn built(tree: &MemoryTree, path: &str, component: &str) -> UnitBuilt {
    let unit = UnitBuild {
        components: vec![component.to_owned()],
        ignore_missing_components: true,
        ..UnitBuild::default()
    };
    match build_unit(tree, path, &unit, &BuildOptions::default()) {
        Ok(UnitOutcome::Built(built)) => built,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_component_is_read_so_that_it_counts_once_it_is_there() {
    let mut tree = tree("app/");
    let without = built(&tree, "app", "../comp");
    assert!(!without.text().contains("comp: here"));
    assert_eq!(without.reads.get("comp"), Some(&None), "{:?}", without.reads);
    tree.0.insert("comp/kustomization.yaml".to_owned(), COMPONENT.to_owned());
    let with = built(&tree, "app", "../comp");
    assert!(with.text().contains("comp: here"), "{}", with.text());
}

#[test]
fn a_component_outside_of_the_source_is_missing() {
    let mut tree = tree("");
    tree.0.insert("comp/kustomization.yaml".to_owned(), COMPONENT.to_owned());
    assert!(!built(&tree, "", "../comp").text().contains("comp: here"));
}
