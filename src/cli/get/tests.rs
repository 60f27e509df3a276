//! Tables as Flux prints them, byte by byte.

use clap::Parser;
use serde_json::json;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: GetArgs,
}

fn args(line: &str) -> GetArgs {
    Line::parse_from(std::iter::once("get").chain(line.split_whitespace())).args
}

const ID: &str = "67e2c98a60dc92283531412a9e604dd4bae005a9";

fn unit() -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "tkfg"},
        "spec": {"sourceRef": {"kind": "GitRepository", "name": "repo"}},
        "status": {
            "lastAppliedRevision": format!("6.3.5@sha1:{ID}"),
            "conditions": [{"type": "Ready", "status": "True",
                "message": format!("Applied revision: 6.3.5@sha1:{ID}")}],
        },
    })
}

fn printed(line: &str, objects: &[(FluxKind, Value)]) -> String {
    let args = args(line);
    let found: Vec<_> =
        objects.iter().map(|(kind, object)| (*kind, vec![Shown::of(*kind, object)])).collect();
    to_text(&args, &args.what.wanted(), &found)
}

#[test]
fn one_unit() {
    assert_eq!(
        printed("kustomizations tkfg", &[(FluxKind::Kustomization, unit())]),
        "NAME\tREVISION           \tSUSPENDED\tREADY\tMESSAGE                               \n\
         tkfg\t6.3.5@sha1:67e2c98a\tFalse    \tTrue \tApplied revision: 6.3.5@sha1:67e2c98a\t\n"
    );
}

#[test]
fn all_namespaces_and_sources_without_header() {
    assert_eq!(
        printed("ks -A --show-source --no-header", &[(FluxKind::Kustomization, unit())]),
        "shop\ttkfg\tGitRepository/shop/repo\t6.3.5@sha1:67e2c98a\tFalse\tTrue\t\
         Applied revision: 6.3.5@sha1:67e2c98a\t\n"
    );
}

#[test]
fn all_kinds_show_theirs_and_end_with_an_empty_line() {
    let git = json!({"metadata": {"namespace": "shop", "name": "repo"}, "spec": {"suspend": true}});
    let external = json!({"metadata": {"namespace": "shop", "name": "made"},
        "spec": {"sourceRef": {"kind": "Maker", "name": "m", "namespace": "other"}}});
    let objects = [(FluxKind::GitRepository, git), (FluxKind::ExternalArtifact, external)];
    assert_eq!(
        printed("sources all", &objects),
        "NAME              \tREVISION\tSUSPENDED\tREADY\tMESSAGE                  \n\
         gitrepository/repo\t        \tTrue     \tFalse\twaiting to be reconciled\t\n\
         \n\
         NAME                 \tREVISION\tSOURCE       \tREADY\tMESSAGE                  \n\
         externalartifact/made\t        \tMaker/other/m\tFalse\twaiting to be reconciled\t\n\
         \n"
    );
}

#[test]
fn flags_go_before_and_behind_the_kind() {
    let args = args("-n a sources git x --timeout 1m -l a=b");
    assert_eq!(args.cluster.namespace().unwrap(), "a");
    assert_eq!(args.cluster.timeout().as_secs(), 60);
    assert_eq!(args.what.wanted().name, Some("x"));
}

#[test]
fn status_selectors() {
    #[rustfmt::skip]
    let cases = [
        ("ready=true",     Some(true)),
        ("Ready=TRUE",     Some(true)),
        ("ready=false",    Some(false)),
        ("ready!=true",    Some(false)),
        ("ready!=false",   Some(true)),
        ("stalled=true",   Some(false)),
        ("stalled!=true",  Some(true)),
        ("ready",          None),
    ];
    for (text, want) in cases {
        let fits = StatusSelector::parse(text).ok().map(|selector| selector.fits(&unit()));
        assert_eq!(fits, want, "{text}");
    }
}

#[test]
fn nothing_found_is_said_as_flux_says_it() {
    let say = |name, scope: &str| nothing(FluxKind::Kustomization, name, scope.into()).to_string();
    assert_eq!(
        say(Some("x"), "\"shop\""),
        "Kustomization object 'x' not found in \"shop\" namespace"
    );
    assert_eq!(say(None, "any"), "no Kustomization objects found in any namespace");
}
