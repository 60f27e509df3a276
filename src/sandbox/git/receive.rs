//! Pushes: references that are created, moved and deleted, each only from where the client saw it.
//!
//! In: the commands and the pack of a push. Out: the report.
//!
//! Pure. Source: `gitprotocol-pack`, `gitprotocol-capabilities`. Moves that are not fast-forward
//! are accepted: clients refuse them themselves unless they are told to force.

use gix::hash::ObjectId;

use super::packet;
use super::packet::Packet;
use super::repository::Repository;
use super::unpack;

const CAPABILITIES: &str =
    "report-status delete-refs ofs-delta atomic object-format=sha1 agent=hence-sandbox";

/// The answer to `info/refs?service=git-receive-pack`.
pub(crate) fn advertisement(repository: &Repository) -> Vec<u8> {
    let mut out = Vec::new();
    packet::line(&mut out, "# service=git-receive-pack");
    packet::flush(&mut out);
    let zero = ObjectId::null(gix::hash::Kind::Sha1);
    if repository.refs.is_empty() {
        packet::line(&mut out, &format!("{zero} capabilities^{{}}\0{CAPABILITIES}"));
    }
    for (index, (name, id)) in repository.refs.iter().enumerate() {
        let capabilities = if index == 0 { format!("\0{CAPABILITIES}") } else { String::new() };
        packet::line(&mut out, &format!("{id} {name}{capabilities}"));
    }
    packet::flush(&mut out);
    out
}

struct Command {
    old: ObjectId,
    new: ObjectId,
    name: String,
}

/// Carries out a push and reports.
pub(crate) fn answer(repository: &mut Repository, mut request: &[u8]) -> Result<Vec<u8>, String> {
    let mut commands = Vec::new();
    let mut atomic = false;
    while let Some(Packet::Data(data)) = packet::next(&mut request) {
        let text = packet::text(data);
        let (line, capabilities) = text.split_once('\0').unwrap_or((&text, ""));
        atomic |= capabilities.split(' ').any(|capability| capability == "atomic");
        commands.push(parse(line)?);
    }
    let mut out = Vec::new();
    if commands.is_empty() {
        return Ok(out);
    }
    let unpacked = match request.is_empty() {
        true => Ok(0),
        false => unpack::unpack(repository, request),
    };
    match &unpacked {
        Ok(_) => packet::line(&mut out, "unpack ok"),
        Err(error) => packet::line(&mut out, &format!("unpack {error}")),
    }
    let mut refusals: Vec<Option<String>> = commands
        .iter()
        .map(|command| match &unpacked {
            Ok(_) => refusal(repository, command),
            Err(_) => Some("unpacker error".to_owned()),
        })
        .collect();
    if atomic && refusals.iter().any(Option::is_some) {
        for refusal in refusals.iter_mut().filter(|refusal| refusal.is_none()) {
            *refusal = Some("atomic push failed".to_owned());
        }
    }
    for (command, refusal) in commands.iter().zip(refusals) {
        match refusal {
            Some(why) => packet::line(&mut out, &format!("ng {} {why}", command.name)),
            None => {
                if command.new.is_null() {
                    repository.refs.remove(&command.name);
                } else {
                    repository.refs.insert(command.name.clone(), command.new);
                }
                packet::line(&mut out, &format!("ok {}", command.name));
            }
        }
    }
    packet::flush(&mut out);
    Ok(out)
}

fn parse(line: &str) -> Result<Command, String> {
    let wrong = || format!("a malformed command: {line:?}");
    let mut words = line.splitn(3, ' ');
    let mut id =
        || ObjectId::from_hex(words.next().unwrap_or_default().as_bytes()).map_err(|_| wrong());
    let (old, new) = (id()?, id()?);
    let name = words.next().ok_or_else(wrong)?.to_owned();
    Ok(Command { old, new, name })
}

fn refusal(repository: &Repository, command: &Command) -> Option<String> {
    let zero = ObjectId::null(gix::hash::Kind::Sha1);
    let found = repository.refs.get(&command.name).copied().unwrap_or(zero);
    if !command.name.starts_with("refs/") || command.name.contains("..") {
        return Some("funny refname".to_owned());
    }
    if found != command.old {
        return Some("fetch first".to_owned());
    }
    let lacking = !command.new.is_null() && !repository.is_complete(&command.new);
    lacking.then(|| "missing necessary objects".to_owned())
}
