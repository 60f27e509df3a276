//! Fetches: what references there are, and packs of what a client wants and does not have.
//!
//! In: a request of protocol version 2. Out: its answer.
//!
//! Pure. Source: `gitprotocol-v2`. Commands: `ls-refs` and `fetch` with `deepen` and `shallow`.
//! Packs leave out what is reachable from what the client has; there are no deltas.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gix::hash::ObjectId;

use super::pack;
use super::packet;
use super::packet::Packet;
use super::repository::Repository;

/// The answer to `info/refs?service=git-upload-pack`.
pub(crate) fn advertisement() -> Vec<u8> {
    let mut out = Vec::new();
    packet::line(&mut out, "# service=git-upload-pack");
    packet::flush(&mut out);
    for line in [
        "version 2",
        "agent=hence-sandbox",
        "ls-refs=unborn",
        "fetch=shallow",
        "server-option",
        "object-format=sha1",
    ] {
        packet::line(&mut out, line);
    }
    packet::flush(&mut out);
    out
}

/// Answers one request.
pub(crate) fn answer(repository: &Repository, mut request: &[u8]) -> Result<Vec<u8>, String> {
    let mut command = String::new();
    let mut arguments = Vec::new();
    let mut in_arguments = false;
    while let Some(packet) = packet::next(&mut request) {
        match packet {
            Packet::Delimiter => in_arguments = true,
            Packet::Flush => break,
            Packet::Data(data) => {
                let text = packet::text(data);
                if in_arguments {
                    arguments.push(text);
                } else if let Some(name) = text.strip_prefix("command=") {
                    command = name.to_owned();
                }
            }
        }
    }
    match command.as_str() {
        "ls-refs" => Ok(list(repository, &arguments)),
        "fetch" => Fetch::parse(&arguments)?.answer(repository),
        other => Err(format!("unknown command {other:?}: only protocol version 2 is spoken")),
    }
}

fn list(repository: &Repository, arguments: &[String]) -> Vec<u8> {
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let prefixes: Vec<&str> =
        arguments.iter().filter_map(|argument| argument.strip_prefix("ref-prefix ")).collect();
    let wanted =
        |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix));
    let mut out = Vec::new();
    let symref =
        if has("symrefs") { format!(" symref-target:{}", repository.head) } else { String::new() };
    match repository.refs.get(&repository.head) {
        Some(id) if wanted("HEAD") => packet::line(&mut out, &format!("{id} HEAD{symref}")),
        None if has("unborn") && wanted("HEAD") => {
            packet::line(&mut out, &format!("unborn HEAD{symref}"));
        }
        _ => {}
    }
    for (name, id) in repository.refs.iter().filter(|(name, _)| wanted(name)) {
        let peeled = repository.peeled(id).filter(|_| has("peel"));
        let peeled = peeled.map(|id| format!(" peeled:{id}")).unwrap_or_default();
        packet::line(&mut out, &format!("{id} {name}{peeled}"));
    }
    packet::flush(&mut out);
    out
}

#[derive(Debug, Default)]
struct Fetch {
    wants: Vec<ObjectId>,
    haves: Vec<ObjectId>,
    /// Commits whose parents the client does not have.
    shallow: BTreeSet<ObjectId>,
    deepen: Option<usize>,
    done: bool,
    include_tags: bool,
}

impl Fetch {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut fetch = Self::default();
        for argument in arguments {
            let (name, value) = argument.split_once(' ').unwrap_or((argument, ""));
            let id = || ObjectId::from_hex(value.as_bytes()).map_err(|error| error.to_string());
            match name {
                "want" => fetch.wants.push(id()?),
                "have" => fetch.haves.push(id()?),
                "shallow" => drop(fetch.shallow.insert(id()?)),
                "deepen" => fetch.deepen = value.parse().ok(),
                "done" => fetch.done = true,
                "include-tag" => fetch.include_tags = true,
                "deepen-since" | "deepen-not" | "filter" => {
                    return Err(format!("{name} is not supported"));
                }
                _ => {}
            }
        }
        Ok(fetch)
    }

    fn answer(&self, repository: &Repository) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        if let Some(unknown) = self.wants.iter().find(|id| repository.get(id).is_none()) {
            return Err(format!("not our ref {unknown}"));
        }
        let common: Vec<ObjectId> =
            self.haves.iter().filter(|id| repository.get(id).is_some()).copied().collect();
        if !self.done {
            packet::line(&mut out, "acknowledgments");
            for id in &common {
                packet::line(&mut out, &format!("ACK {id}"));
            }
            if common.is_empty() {
                packet::line(&mut out, "NAK");
                packet::flush(&mut out);
                return Ok(out);
            }
            packet::line(&mut out, "ready");
            packet::delimiter(&mut out);
        }
        let boundary = self.boundary(repository);
        if self.deepen.is_some() {
            packet::line(&mut out, "shallow-info");
            for id in boundary.iter().filter(|id| !self.shallow.contains(*id)) {
                packet::line(&mut out, &format!("shallow {id}"));
            }
            for id in self.shallow.difference(&boundary) {
                packet::line(&mut out, &format!("unshallow {id}"));
            }
            packet::delimiter(&mut out);
        }
        let had = reachable(repository, &common, &self.shallow);
        let mut wants = self.wants.clone();
        if self.include_tags {
            let tags = repository.refs.values();
            wants.extend(tags.filter(|id| {
                repository.peeled(id).is_some_and(|target| self.wants.contains(&target))
            }));
        }
        let sent = reachable(repository, &wants, &boundary);
        packet::line(&mut out, "packfile");
        let bytes = pack::write(repository, sent.difference(&had)).map_err(|e| e.to_string())?;
        for chunk in bytes.chunks(packet::DATA_BYTES_MAX - 1) {
            let mut data = vec![1];
            data.extend_from_slice(chunk);
            packet::write(&mut out, &data);
        }
        packet::flush(&mut out);
        Ok(out)
    }

    /// Commits at which the client's history will end.
    fn boundary(&self, repository: &Repository) -> BTreeSet<ObjectId> {
        let Some(depth) = self.deepen else { return self.shallow.clone() };
        let mut depths: BTreeMap<ObjectId, usize> = BTreeMap::new();
        let mut level: Vec<ObjectId> =
            self.wants.iter().map(|id| repository.peeled(id).unwrap_or(*id)).collect();
        for reached in 1..=depth {
            let mut next = Vec::new();
            for id in level {
                if depths.contains_key(&id) {
                    continue;
                }
                depths.insert(id, reached);
                next.extend(repository.links(&id).parents);
            }
            level = next;
        }
        let last = |id: &ObjectId| {
            let parents = repository.links(id).parents;
            !parents.is_empty() && parents.iter().any(|parent| !depths.contains_key(parent))
        };
        depths.keys().filter(|id| last(id)).copied().collect()
    }
}

/// Everything that leads from `tips`, without the parents of `boundary`.
fn reachable(
    repository: &Repository,
    tips: &[ObjectId],
    boundary: &BTreeSet<ObjectId>,
) -> BTreeSet<ObjectId> {
    let mut seen = BTreeSet::new();
    let mut trees = BTreeSet::new();
    let mut due = tips.to_vec();
    while let Some(id) = due.pop() {
        if !seen.insert(id) {
            continue;
        }
        let links = repository.links(&id);
        if let Some(tree) = links.tree {
            repository.walk_tree(&tree, &mut trees);
        }
        due.extend(repository.peeled(&id));
        if !boundary.contains(&id) {
            due.extend(links.parents);
        }
    }
    seen.extend(trees);
    seen
}
