//! Export: a part of the journal in one file of JSON lines that verifies by itself, anywhere.
//!
//! ```text
//! {"export":"audit.export.v1","before":{"seq":40,"hash":"…"},"head":{"seq":97,"hash":"…"}}
//! {"rules":{"digest":"sha256:…","files":[…]}}      every rule set that an intent below rests on
//! {"seq":41,"body":{…}}                            a record, byte for byte
//! {"seq":42,"left_out":"sha256:…"}                 one not asked for: its body's digest
//! ```
//!
//! The chain runs through records that are left out too, so nothing can be dropped or changed
//! unseen. Compare the file's head with a head that was kept elsewhere, or with the journal.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::io::BufRead;
use std::io::Write;

use serde::Deserialize;
use serde::Serialize;

use crate::audit::AuditError;
use crate::audit::Head;
use crate::audit::JournalStorage;
use crate::audit::Problem;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::audit::RuleSet;
use crate::audit::Verification;
use crate::audit::View;
use crate::audit::frame::Frame;
use crate::audit::frame::record_hash;
use crate::audit::index::Entry;
use crate::audit::index::Index;
use crate::audit::scan::Place;
use crate::audit::scan::Walk;
use crate::audit::scan::io_error;
use crate::audit::scan::segment_name;
use crate::audit::text;
use crate::model::Digest;

const FORMAT: &str = "audit.export.v1";

/// What to export.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Which records; outcomes come with their intents. Page, limit and order do not count.
    pub query: Query,
    /// Run the chain on to the journal's last record, so that the file's head is the journal's.
    pub to_head: bool,
}

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Records with their bodies.
    pub records: u64,
    /// Records left out between them.
    pub left_out: u64,
    /// The last record of the file's chain.
    pub head: Head,
}

#[derive(Serialize, Deserialize)]
struct Header {
    export: String,
    before: Head,
    head: Head,
}

#[derive(Serialize, Deserialize)]
struct RulesLine {
    rules: RuleSet,
}

/// The parts that name a rule set: in an intent, and in the set itself.
#[derive(Deserialize)]
struct RulesOf {
    #[serde(default, deserialize_with = "text::digest_option::deserialize")]
    rules: Option<Digest>,
    #[serde(default, deserialize_with = "text::digest_option::deserialize")]
    digest: Option<Digest>,
}

#[derive(Serialize, Deserialize)]
struct LeftOut {
    seq: u64,
    #[serde(with = "text::digest")]
    left_out: Digest,
}

/// One record while the journal is read.
struct Link {
    place: Place,
    prev: Digest,
    head: Head,
    body_digest: Digest,
}

/// Writes the part of the journal in `storage` that `options` ask for to `out`.
///
/// Damage inside that part shows when the file is verified, just as it does in the journal.
pub fn export(
    storage: &dyn JournalStorage,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<Exported, AuditError> {
    let mut index = Index::default();
    let mut links = Vec::new();
    let mut walk = Walk::new();
    walk.advance(storage, &mut |place, frame, head, problems| {
        index.add(place, frame, head, problems);
        let body_digest = Digest::of(&frame.body);
        links.push(Link { place, prev: frame.prev, head, body_digest });
    })?;
    let chosen = choose(&index, &options.query);
    let links = cut(&links, &chosen, options.to_head);
    let before = links
        .first()
        .map_or(walk.head, |link| Head { seq: link.head.seq.saturating_sub(1), hash: link.prev });
    let head = links.last().map_or(walk.head, |link| link.head);
    write_line(out, &Header { export: FORMAT.to_owned(), before, head })?;
    write_rules(storage, &index, links, &chosen, out)?;
    let mut exported = Exported { records: 0, left_out: 0, head };
    for link in links {
        let seq = link.head.seq;
        if chosen.contains(&seq) {
            let body = read_body(storage, link)?;
            let mut bytes = format!("{{\"seq\":{seq},\"body\":").into_bytes();
            bytes.extend_from_slice(&body);
            bytes.extend_from_slice(b"}\n");
            out.write_all(&bytes).map_err(cannot_write)?;
            exported.records += 1;
        } else {
            write_line(out, &LeftOut { seq, left_out: link.body_digest })?;
            exported.left_out += 1;
        }
    }
    Ok(exported)
}

/// The numbers of the records that `query` asks for, and of their outcomes.
fn choose(index: &Index, query: &Query) -> BTreeSet<u64> {
    let mut chosen = BTreeSet::new();
    for entry in index.matching(&Query { after: None, ..query.clone() }) {
        chosen.insert(entry.seq);
        let outcome = entry.partner.and_then(|number| index.entries.get(number));
        chosen.extend(outcome.map(|outcome| outcome.seq));
    }
    chosen
}

/// The links from the first chosen record to the last, or to the end.
fn cut<'a>(links: &'a [Link], chosen: &BTreeSet<u64>, to_head: bool) -> &'a [Link] {
    let is_chosen = |link: &Link| chosen.contains(&link.head.seq);
    let first = links.iter().position(is_chosen);
    let last = links.iter().rposition(is_chosen);
    let (Some(first), Some(last)) = (first, last) else { return &[] };
    let last = if to_head { links.len() - 1 } else { last };
    links.get(first..=last).unwrap_or_default()
}

fn write_rules(
    storage: &dyn JournalStorage,
    index: &Index,
    links: &[Link],
    chosen: &BTreeSet<u64>,
    out: &mut dyn Write,
) -> Result<(), AuditError> {
    let view = View::new(storage, index);
    let mut written = HashSet::new();
    for link in links.iter().filter(|link| chosen.contains(&link.head.seq)) {
        let body = read_body(storage, link)?;
        let of: Option<RulesOf> = serde_json::from_slice(&body).ok();
        let Some(digest) = of.and_then(|of| of.rules.or(of.digest)) else { continue };
        if !written.insert(digest) {
            continue;
        }
        let Some(texts) = view.rules(&digest)? else { continue };
        let texts: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        write_line(out, &RulesLine { rules: RuleSet::of(&texts) })?;
    }
    Ok(())
}

fn read_body(storage: &dyn JournalStorage, link: &Link) -> Result<Vec<u8>, AuditError> {
    let name = segment_name(link.place.segment);
    let bytes = storage
        .read(&name, link.place.offset, link.place.bytes as usize)
        .map_err(|source| io_error("read", &name, source))?;
    let frame = Frame::decode(&bytes).filter(|frame| frame.seq == link.head.seq);
    frame.map(|frame| frame.body.into_owned()).ok_or(AuditError::Unreadable { seq: link.head.seq })
}

fn write_line(out: &mut dyn Write, value: &impl Serialize) -> Result<(), AuditError> {
    let mut bytes = serde_json::to_vec(value).map_err(|source| AuditError::Encode { source })?;
    bytes.push(b'\n');
    out.write_all(&bytes).map_err(cannot_write)
}

fn cannot_write(source: std::io::Error) -> AuditError {
    io_error("write", "export", source)
}

/// Verifies an export by itself: the chain from its first record to its head, and what its records
/// say. That its head is the journal's at some time is for the caller to compare.
pub fn verify_export(input: &mut dyn BufRead) -> Result<Verification, AuditError> {
    let mut check = Check::default();
    let mut header: Option<Header> = None;
    let mut text = String::new();
    let mut number = 0;
    loop {
        text.clear();
        let read = input.read_line(&mut text);
        if read.map_err(|source| io_error("read", "export", source))? == 0 {
            break;
        }
        number += 1;
        let line = text.trim_end_matches('\n');
        match &header {
            None => {
                let found: Header = parse(line, number)?;
                if found.export != FORMAT {
                    let why = format!("is of format `{}`, not `{FORMAT}`", found.export);
                    return Err(AuditError::NotAnExport { line: number, why });
                }
                check.head = found.before;
                header = Some(found);
            }
            Some(_) => check.line(line, number)?,
        }
    }
    let Some(header) = header else {
        return Err(AuditError::NotAnExport { line: 1, why: "is missing".to_owned() });
    };
    Ok(check.end(&header))
}

fn parse<'a, T: Deserialize<'a>>(line: &'a str, number: u64) -> Result<T, AuditError> {
    serde_json::from_str(line)
        .map_err(|error| AuditError::NotAnExport { line: number, why: format!("is not: {error}") })
}

/// The state of a verification.
struct Check {
    index: Index,
    head: Head,
    left_out: u64,
    problems: Vec<Problem>,
}

impl Default for Check {
    fn default() -> Self {
        Self { index: Index::default(), head: Head::empty(), left_out: 0, problems: Vec::new() }
    }
}

impl Check {
    fn line(&mut self, line: &str, number: u64) -> Result<(), AuditError> {
        if line.starts_with("{\"rules\":") {
            let RulesLine { rules } = parse(line, number)?;
            self.index.add_rule_set(0, &rules, &mut self.problems);
            return Ok(());
        }
        if let Some((seq, body)) = body_of(line) {
            let frame = Frame::written(&self.head, body.as_bytes(), 0);
            let next = Head { seq, hash: frame.hash() };
            self.follow(next, number);
            let place = Place { segment: 0, offset: number, bytes: 0 };
            self.index.add(place, &frame, next, &mut self.problems);
            return Ok(());
        }
        let LeftOut { seq, left_out } = parse(line, number)?;
        let hash = record_hash(seq, &self.head.hash, &left_out);
        self.follow(Head { seq, hash }, number);
        self.left_out += 1;
        Ok(())
    }

    /// What was found, once all lines were read. When the chain does not end at the exported head,
    /// the ids of all records behind the change differ, so that no later outcome finds its intent:
    /// that is one problem, not one for each.
    fn end(mut self, header: &Header) -> Verification {
        let Head { seq, hash } = header.head;
        let is_cut = self.head.seq < seq;
        if self.head == header.head {
            return self.verification(header, None);
        }
        // An outcome that names its intent's id vouches for the intent and for all before it.
        let confirmed = self
            .index
            .entries
            .iter()
            .filter(|entry| entry.kind == RecordKind::Intent && entry.partner.is_some());
        let from = confirmed.map(|entry| entry.seq).max().unwrap_or(header.before.seq) + 1;
        let orphan = |problem: &Problem| match problem {
            Problem::OutcomeWithoutIntent { seq, .. } if *seq >= from => Some(*seq),
            _ => None,
        };
        let first = self.problems.iter().filter_map(orphan).min();
        self.problems.retain(|problem| orphan(problem).is_none());
        if is_cut {
            let ends_at = self.head.seq;
            self.problems.push(Problem::RolledBack { seq, hash, ends_at });
        }
        let is_whole = is_cut && first.is_none();
        let is_told = self.problems.iter().any(|p| matches!(p, Problem::ChainBroken { .. }));
        if !is_whole && !is_told {
            let to = first.unwrap_or(self.head.seq);
            self.problems.push(Problem::Altered { from, to });
        }
        self.verification(header, Some(from).filter(|_| !is_whole))
    }

    /// The result; intents of records `from` on count as unverifiable.
    fn verification(self, header: &Header, from: Option<u64>) -> Verification {
        let Self { index, head, left_out, problems } = self;
        let mut found = Verification::of(&index, header.before, head, problems);
        found.left_out = left_out;
        let Some(from) = from else { return found };
        let is_behind = |entry: &&Entry| entry.seq >= from;
        let intents = index.entries.iter().filter(|entry| entry.kind == RecordKind::Intent);
        found.unverifiable = intents.filter(is_behind).count() as u64;
        let open = index.open().filter(|entry| !is_behind(entry));
        found.open = open.map(|entry| entry.id).collect();
        found
    }

    fn follow(&mut self, next: Head, number: u64) {
        if next.seq != self.head.seq + 1 {
            let segment = "export".to_owned();
            let broken = Problem::ChainBroken { segment, offset: number, seq: next.seq };
            self.problems.push(broken);
        }
        self.head = next;
    }
}

/// The number and the body, byte for byte, of a line that holds a record.
fn body_of(line: &str) -> Option<(u64, &str)> {
    let rest = line.strip_prefix("{\"seq\":")?;
    let (seq, rest) = rest.split_once(',')?;
    let body = rest.strip_prefix("\"body\":")?.strip_suffix('}')?;
    Some((seq.parse().ok()?, body))
}
