//! `hence build DIR` prints what `kustomize build DIR` prints, or refuses what it refuses.

use crate::cli::path;
use crate::support::git::GitHost;
use crate::support::git::Repository;
use crate::support::git::SshHost;
use crate::support::tools;
use crate::support::workplace::Workplace;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Folders with a kustomization: those of the cases, and one with a bit of everything.
fn folders(place: &Workplace) -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kustomize/cases");
    let entries = std::fs::read_dir(cases).expect("the cases are in the repository");
    let inside = |case: PathBuf| {
        let overlay = case.join("in/overlay");
        if overlay.is_dir() { overlay } else { case.join("in") }
    };
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| inside(entry.expect("the folder can be listed").path())).collect();
    folders.sort();
    folders.push(everything(&place.path("everything")));
    folders
}

fn everything(folder: &Path) -> PathBuf {
    let files = [
        (
            "base/kustomization.yaml",
            "resources: [web.yaml]\nconfigMapGenerator:\n- name: settings\n  literals: [a=1, b=on]\n\
             secretGenerator:\n- name: token\n  literals: [key=value]\n",
        ),
        (
            "base/web.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: \
             {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
             containers:\n      - name: main\n        image: nginx:1.0\n        envFrom:\n        - \
             configMapRef: {name: settings}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: \
             web}\nspec: {ports: [{port: 80}]}\n",
        ),
        (
            "overlay/kustomization.yaml",
            "resources: [../base]\nnamespace: shop\nnamePrefix: eu-\nimages:\n- {name: nginx, newTag: \
             \"1.1\"}\nreplicas:\n- {name: web, count: 3}\npatches:\n- patch: |-\n    - op: add\n      \
             path: /metadata/annotations\n      value: {note: \"y\"}\n  target: {kind: Service}\n",
        ),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().expect("it has a folder")).expect("it is ours");
        std::fs::write(&file, text).expect("the folder is ours");
    }
    folder.join("overlay")
}

#[test]
fn build_prints_what_kustomize_prints() {
    let place = Workplace::new("/nonexistent/kubeconfig");
    let program = tools::find("kustomize");
    let (mut built, mut refused) = (0, 0);
    for folder in folders(&place) {
        let said = place.hence(&["build", path(&folder)]);
        let peer = Command::new(&program).arg("build").arg(&folder).output().expect("it runs");
        let name = folder.display();
        assert_eq!(said.code == Some(0), peer.status.success(), "{name}: {said:?}");
        assert_eq!(said.stdout, String::from_utf8_lossy(&peer.stdout), "{name}");
        if peer.status.success() { built += 1 } else { refused += 1 }
    }
    assert!(built >= 4 && refused >= 2, "{built} built, {refused} refused");
}

#[test]
fn what_cannot_be_built_is_named_with_its_place() {
    let place = Workplace::new("/nonexistent/kubeconfig");
    let folder = place.path("broken");
    std::fs::create_dir(&folder).expect("the folder is ours");
    let text = "resources:\n- there.yaml\n- missing.yaml\n";
    std::fs::write(folder.join("kustomization.yaml"), text).expect("the folder is ours");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    std::fs::write(folder.join("there.yaml"), map).expect("the folder is ours");
    let said = place.hence(&["build", path(&folder)]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.contains("kustomization.yaml:3") && said.stderr.contains("missing.yaml"));
}

/// A reader that has seen enough, such as `head`, is no error of the program.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut printing = Command::new(env!("CARGO_BIN_EXE_hence"))
        .args(["completion", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program is built");
    drop(printing.stdout.take());
    let ended = printing.wait_with_output().expect("it ends by itself");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

/// A base with one object, in a repository.
fn write_base(repo: &Repository, value: &str) {
    repo.write("base/kustomization.yaml", "resources: [map.yaml]\n");
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: far}}\ndata: {{from: {value}}}\n"
    );
    repo.write("base/map.yaml", map);
}

/// A kustomization that names `resource`.
fn overlay(place: &Workplace, resource: &str) -> PathBuf {
    let folder = place.path("overlay");
    std::fs::create_dir_all(&folder).expect("the folder is ours");
    let text = format!("namePrefix: my-\nresources:\n- {resource}\n");
    std::fs::write(folder.join("kustomization.yaml"), text).expect("the folder is ours");
    folder
}

#[test]
fn a_base_in_a_repository_is_fetched_at_its_reference() {
    let place = Workplace::new("/nonexistent/kubeconfig");
    let host = GitHost::start();
    let repo = host.repository("app");
    write_base(&repo, "one");
    let first = repo.commit("first", "main");
    repo.tag("v1", Some("annotated"));
    write_base(&repo, "two");
    repo.commit("second", "next");
    let url = host.url("app");
    for (reference, want) in [
        ("v1", "one"),
        ("main", "one"),
        ("next", "two"),
        ("refs/heads/next", "two"),
        (&first, "one"),
    ] {
        let folder = overlay(&place, &format!("{url}//base?ref={reference}"));
        let said = place.hence(&["build", path(&folder)]).expect_success();
        assert!(said.contains(&format!("from: {want}\n")), "{reference}: {said}");
        assert!(said.contains("name: my-far\n"), "{said}");
    }
    let folder = overlay(&place, &format!("{url}//base?ref=gone"));
    let said = place.hence(&["build", path(&folder)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("refs/heads/gone"), "{said:?}");
    let said = place.hence(&["build", "--no-remote-bases", path(&folder)]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("bases are off"), "{said:?}");
    let left = std::fs::read_dir(place.path("")).expect("the folder is ours");
    let names = left.map(|entry| entry.expect("it can be listed").file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with("hence-build")));
}

#[test]
fn a_base_over_ssh_is_fetched_with_the_files_of_the_user() {
    let place = Workplace::new("/nonexistent/kubeconfig");
    let host = SshHost::start(&["ed25519"]);
    let repo = host.repository("app");
    write_base(&repo, "ssh");
    repo.commit("first", "main");
    let folder = overlay(&place, &format!("{}//base?ref=main", host.url("app")));
    let said = place.hence(&["build", path(&folder)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("'identity' is required"), "{said:?}");
    let files = place.path("home/.ssh");
    std::fs::create_dir_all(&files).expect("the folder is ours");
    std::fs::write(files.join("id_ed25519"), host.read("client")).expect("the folder is ours");
    let known = host.known_hosts("ed25519");
    std::fs::write(files.join("known_hosts"), known).expect("the folder is ours");
    let said = place.hence(&["build", path(&folder)]).expect_success();
    assert!(said.contains("from: ssh\n"), "{said}");
}
