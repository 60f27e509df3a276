use std::sync::Arc;

use super::*;
use crate::sources::tree::Blobs;
use crate::sources::tree::TreeBuilder;

/// Each file's bytes are its id.
struct Ids;

impl Blobs for Ids {
    fn read(&self, _path: &str, id: &ContentId) -> Result<Arc<[u8]>, TreeError> {
        Ok(id.as_str().as_bytes().into())
    }
}

/// A tree of `path` (empty directory when it ends in `/`) and content (`-> x` is a link to x).
fn tree(files: &[(&str, &str)]) -> SourceTree {
    let mut directories = std::collections::BTreeMap::from([(String::new(), Vec::new())]);
    for (path, content) in files {
        let mut above = String::new();
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for segment in parents.split('/').filter(|segment| !segment.is_empty()) {
            above = join(&above, segment);
            directories.entry(above.clone()).or_default();
        }
        let entry = match content.strip_prefix("-> ") {
            Some(target) => Entry::Symlink { target: target.to_owned() },
            None => Entry::File { id: ContentId::new(content) },
        };
        if !name.is_empty() {
            directories.get_mut(&above).expect("made").push((name.to_owned(), entry));
        }
    }
    let mut builder = TreeBuilder::new(Arc::new(Ids));
    let mut ids = std::collections::BTreeMap::new();
    for (path, mut entries) in directories.clone().into_iter().rev() {
        let below = directories.keys().filter(|at| {
            !at.is_empty() && at.rsplit_once('/').map_or("", |(parent, _)| parent) == path
        });
        for at in below {
            let name = at.rsplit('/').next().expect("a name").to_owned();
            let id: &ContentId = &ids[at];
            entries.push((name, Entry::Directory { id: id.clone() }));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let id = listing_id(&entries);
        builder.directory(&path, id.clone(), entries);
        ids.insert(path, id);
    }
    builder.finish()
}

fn paths(tree: &SourceTree, directory: &str, out: &mut Vec<String>) {
    for (name, entry) in tree.list(directory).expect("readable") {
        let path = join(directory, &name);
        if matches!(entry, Entry::Directory { .. }) {
            out.push(format!("{path}/"));
            paths(tree, &path, out);
        } else {
            out.push(path);
        }
    }
}

fn view(from: &SourceTree, spec_ignore: Option<&str>) -> SourceTree {
    from.filtered(&from.ignore_rules(spec_ignore).expect("readable"))
}

fn left(files: &[(&str, &str)], spec_ignore: Option<&str>) -> String {
    let mut out = Vec::new();
    paths(&view(&tree(files), spec_ignore), "", &mut out);
    out.join(" ")
}

#[test]
fn what_is_left() {
    let files =
        [("a/x.yaml", "1"), ("a/y.jpg", "2"), ("b/c/z.yaml", "3"), ("e/", ""), ("l", "-> a")];
    assert_eq!(left(&files, None), "a/ a/x.yaml b/ b/c/ b/c/z.yaml e/");
    assert_eq!(left(&files, Some("/*\n!/b/c/")), "b/ b/c/ b/c/z.yaml", "parents come back");
    assert_eq!(left(&files, Some("*.yaml")), "a/ a/y.jpg b/ b/c/ e/", "empty directories stay");
    assert_eq!(left(&files, Some("/b\n/e")), "a/ a/x.yaml a/y.jpg");
    let nested = [("a/.sourceignore", "x.yaml"), ("a/x.yaml", "1"), ("x.yaml", "2")];
    assert_eq!(left(&nested, None), "a/ a/.sourceignore x.yaml");
    assert_eq!(left(&nested, Some("!x.yaml")), "a/ a/.sourceignore a/x.yaml x.yaml");
}

#[test]
fn what_is_gone_can_be_explained() {
    let from =
        tree(&[("a/x.yaml", "1"), ("a/b/y.yaml", "1"), ("c/z.yaml", "2"), ("c/l", "-> z.yaml")]);
    let view = view(&from, Some("/a"));
    let dropped: Vec<String> = view
        .dropped()
        .iter()
        .map(|dropped| format!("{} {:?}", dropped.path, dropped.why))
        .collect();
    assert_eq!(dropped, ["a Ignored", "c/l Symlink(\"z.yaml\")"]);
    assert_eq!(view.left_out("a/b/y.yaml"), Some(("a", &LeftOut::Ignored)));
    assert!(view.left_out("ab").is_none());
    assert_eq!(view.files(), 1);
}

#[test]
fn ids_change_only_where_something_was_left_out() {
    let from = tree(&[("a/x.yaml", "1"), ("b/x.yaml", "1"), ("b/y.md", "2")]);
    let view = view(&from, Some("*.md"));
    assert_eq!(view.entry("a").unwrap(), from.entry("a").unwrap());
    assert_ne!(view.entry("b").unwrap(), from.entry("b").unwrap());
    assert_eq!(view.entry("b").unwrap(), view.entry("a").unwrap(), "same content, same id");
    assert_ne!(view.id(), from.id());
    assert_eq!(&*view.read("b/x.yaml").unwrap(), b"1");
    assert!(matches!(view.read("b/y.md"), Err(TreeError::NotAFile { .. })));
}
