//! State directories that were cut, zeroed or written by another version: said so, with what to do
//! next; what is left in the cluster is not lost, and no more is pruned than what Git dropped.

use super::world::World;
use super::world::map;
use crate::support::wait;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use kube::api::ObjectMeta;
use kube::api::PostParams;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The namespace in which hence tells of itself.
const SPACE: &str = "flux-system";

/// One kind of damage to the stopped daemon's directory.
struct Damage {
    name: &'static str,
    does: fn(&Path),
    /// Codes of which at least one is told.
    codes: &'static [&'static str],
}

/// The last segment of the journal.
fn last_segment(state: &Path) -> PathBuf {
    let entries = fs::read_dir(state.join("journal")).expect("a daemon ran here");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("ours").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "seg"));
    files.sort();
    files.pop().expect("a journal has a segment")
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("it is there");
    change(&mut bytes);
    fs::write(file, bytes).expect("it is ours");
}

/// Behind the last byte that is not zero.
fn filled(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// The fact log ends in the middle.
fn facts_truncated(state: &Path) {
    change(&state.join("facts/db"), |bytes| bytes.truncate(filled(bytes) / 2));
}

/// The fact log's second half is zeros.
fn facts_zeroed(state: &Path) {
    change(&state.join("facts/db"), |bytes| {
        let end = filled(bytes);
        bytes[end / 2..].fill(0);
    });
}

/// The journal ends in the middle of a record.
fn journal_truncated(state: &Path) {
    change(&last_segment(state), |bytes| bytes.truncate(bytes.len() - 7));
}

/// The journal's end is zeros.
fn journal_zeroed(state: &Path) {
    change(&last_segment(state), |bytes| {
        let end = bytes.len();
        bytes[end - 40..].fill(0);
    });
}

const FACTS: &[&str] =
    &["facts::behind", "facts::moved_aside", "facts::cut", "facts::index_rebuilt"];
const JOURNAL: &[&str] = &["audit::torn_tail", "audit::damaged"];
const DAMAGES: &[Damage] = &[
    Damage { name: "facts-truncated", does: facts_truncated, codes: FACTS },
    Damage { name: "facts-zeroed", does: facts_zeroed, codes: FACTS },
    Damage { name: "journal-truncated", does: journal_truncated, codes: JOURNAL },
    Damage { name: "journal-zeroed", does: journal_zeroed, codes: JOURNAL },
];

/// The texts of the Warning events that tell of one of these codes, but for those of before.
async fn told(world: &World, codes: &[&str], before: &mut Vec<String>) {
    let log = || async { codes.iter().any(|code| world.site.log().contains(code)).then_some(()) };
    wait::until(&format!("one of {codes:?} in the log"), log).await;
    let events: &Api<Event> = &Api::all(world.client.clone());
    let about = &ListParams::default().fields("reason=StateLost");
    let known = &*before;
    let text = wait::until(&format!("a new event with one of {codes:?}"), || async move {
        let list = events.list(about).await.ok()?.items;
        let warnings = list.into_iter().filter(|event| event.type_.as_deref() == Some("Warning"));
        let mut texts = warnings.filter_map(|event| event.message);
        texts.find(|text| codes.iter().any(|code| text.contains(code)) && !known.contains(text))
    })
    .await;
    assert!(text.contains("; "), "it says what next: {text}");
    before.push(text);
}

#[tokio::test]
async fn a_damaged_state_directory_is_told_and_nothing_is_lost() {
    let mut world = World::alone("damaged-state").await;
    let name = ObjectMeta { name: Some(SPACE.to_owned()), ..ObjectMeta::default() };
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let namespace = Namespace { metadata: name, ..Namespace::default() };
    namespaces.create(&PostParams::default(), &namespace).await.expect("it is new");
    world.source().await;
    world.unit("app", json!({})).await;
    world.site.own().start(&[]);
    let mut files = vec![("app/a.yaml".to_owned(), map("a", "1"))];
    files.extend(DAMAGES.iter().map(|d| (format!("app/{}.yaml", d.name), map(d.name, "1"))));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let revision = world.push_files(&files).await;
    world.ready("app", &revision).await;
    let uid = world.map("a").await.expect("a is there").metadata.uid;
    let mut events = Vec::new();
    let mut left: Vec<&str> = DAMAGES.iter().map(|damage| damage.name).collect();
    for damage in DAMAGES {
        world.site.own().stop().await;
        (damage.does)(&world.site.workplace.state());
        // Dropped while nobody runs: only what is proven to be ours may go, and has to.
        world.repo.git(&["rm", "-q", &format!("app/{}.yaml", damage.name)]);
        let revision = format!("main@sha1:{}", world.repo.commit("one less", "main"));
        world.site.own().start(&[]);
        told(&world, damage.codes, &mut events).await;
        world.fetch().await;
        world.ready("app", &revision).await;
        left.retain(|name| *name != damage.name);
        let mut wanted = vec!["a"];
        wanted.extend(left.iter().copied());
        wanted.sort_unstable();
        world.owns(&wanted).await;
        assert_eq!(world.map("a").await.expect("a is there").metadata.uid, uid, "{}", damage.name);
    }
    another_version(&mut world).await;
}

/// A directory of another version is refused whole, and left as it is.
async fn another_version(world: &mut World) {
    world.site.own().stop().await;
    let file = world.site.workplace.state().join("VERSION");
    let version = fs::read(&file).expect("it is there");
    fs::write(&file, "hence state 7\n").expect("it is ours");
    let state = world.site.workplace.state().display().to_string();
    let said = world.site.workplace.hence(&["run", "--state", &state]);
    assert_ne!(said.code, Some(0), "{}", said.stderr);
    for part in ["facts::state_version", "hence state 7", "help:", "version of hence that wrote it"]
    {
        assert!(said.stderr.contains(part), "{part:?} is not in {}", said.stderr);
    }
    assert_eq!(fs::read(&file).expect("it is there"), b"hence state 7\n", "left as it is");
    fs::write(&file, version).expect("it is ours");
    world.site.own().start(&[]);
    let revision = world.push_files(&[("app/a.yaml", &map("a", "2"))]).await;
    world.ready("app", &revision).await;
    world.owns(&["a"]).await;
}
