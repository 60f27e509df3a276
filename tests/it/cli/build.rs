//! `hence build DIR` prints what `kustomize build DIR` prints, or refuses what it refuses.

use crate::cli::path;
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
