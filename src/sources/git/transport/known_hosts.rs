//! Lines of a known_hosts file: which keys a host may have.
//!
//! In: the file's text, a host, the key that it shows. Out: known, unknown, changed or revoked.
//! Names may be plain, with `*` and `?`, negated with `!`, `[host]:port`, or hashed
//! (`|1|salt|hash`). Pure. Not here: certificate authorities; `@cert-authority` lines are passed
//! over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PublicKey;

/// What known_hosts says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The key is the host's.
    Known,
    /// No line names this host with a key of this kind.
    Unknown,
    /// Lines name the host, with other keys; or this one is revoked.
    Changed,
}

struct Line<'a> {
    revoked: bool,
    hosts: &'a str,
    key: PublicKey,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().peekable();
        let marker = fields.next_if(|field| field.starts_with('@'));
        let hosts = fields.next().filter(|hosts| !hosts.starts_with('#'))?;
        let (kind, base64) = (fields.next()?, fields.next()?);
        let key = PublicKey::from_openssh(&format!("{kind} {base64}")).ok()?;
        match marker {
            None => Some(Line { revoked: false, hosts, key }),
            Some("@revoked") => Some(Line { revoked: true, hosts, key }),
            Some(_) => None,
        }
    })
}

/// Judges `key`, shown by `host` on `port`.
pub(crate) fn check(text: &str, host: &str, port: u16, key: &PublicKey) -> Verdict {
    let name = host_name(host, port);
    let mut verdict = Verdict::Unknown;
    for line in lines(text).filter(|line| names(line.hosts, &name)) {
        let same = line.key.key_data() == key.key_data();
        match (line.revoked, same) {
            (true, true) => return Verdict::Changed,
            (true, false) => {}
            (false, true) => verdict = Verdict::Known,
            (false, false) if verdict == Verdict::Unknown => verdict = Verdict::Changed,
            (false, false) => {}
        }
    }
    verdict
}

/// The kinds of keys that are known for a host, in the file's order, without repetition.
pub(crate) fn algorithms(text: &str, host: &str, port: u16) -> Vec<russh::keys::Algorithm> {
    let name = host_name(host, port);
    let mut kinds = Vec::new();
    for line in lines(text).filter(|line| !line.revoked && names(line.hosts, &name)) {
        let kind = line.key.algorithm();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// The host as the file writes it.
pub(crate) fn host_name(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

fn names(patterns: &str, host: &str) -> bool {
    let mut named = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, host) => return false,
            Some(_) => {}
            None => named |= matches(pattern, host),
        }
    }
    named
}

fn matches(pattern: &str, host: &str) -> bool {
    if let Some(hashed) = pattern.strip_prefix("|1|") {
        let decoded = hashed.split_once('|').and_then(|(salt, hash)| {
            Some((STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?))
        });
        return decoded.is_some_and(|(salt, hash)| {
            hmac_sha1(&salt, host.as_bytes()).is_some_and(|digest| digest[..] == hash[..])
        });
    }
    wildcard(&pattern.to_ascii_lowercase(), &host.to_ascii_lowercase())
}

/// `*` is any run of characters, `?` any one; brackets stand for themselves.
fn wildcard(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            let mut ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.any(|at| wildcard(rest, &name[at..]))
        }
        Some(p) => name.chars().next().is_some_and(|n| {
            (p == '?' || p == n) && wildcard(&pattern[p.len_utf8()..], &name[n.len_utf8()..])
        }),
    }
}

/// HMAC with SHA-1 (RFC 2104): what hashed host names are made with.
fn hmac_sha1(key: &[u8], message: &[u8]) -> Option<[u8; 20]> {
    const BLOCK: usize = 64;
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..20].copy_from_slice(&sha1(&[key])?);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = sha1(&[&block.map(|b| b ^ 0x36), message])?;
    sha1(&[&block.map(|b| b ^ 0x5c), &inner])
}

fn sha1(parts: &[&[u8]]) -> Option<[u8; 20]> {
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    parts.iter().for_each(|part| hasher.update(part));
    // Fails on inputs made to collide, which no host name is.
    hasher.try_finalize().ok()?.as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEIJ5hP6SmiJGxHsCtbUCzIJMhFg9W3GBYjbvXKZoWEB";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJvCWQ4JLbLnPB3n3yqR8ZdFa0mqWRvUaXo+wr3wpKIt";

    fn verdict(line: &str, host: &str, port: u16) -> Verdict {
        let key = PublicKey::from_openssh(KEY).expect("a key");
        check(&line.replace("KEY", KEY).replace("OTHER", OTHER), host, port, &key)
    }

    #[test]
    fn hosts_and_keys() {
        use Verdict::Changed;
        use Verdict::Known;
        use Verdict::Unknown;
        const HASHED: &str = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= KEY";
        #[rustfmt::skip]
        let cases: &[(&str, &str, &str, u16, Verdict)] = &[
            // why                   lines                     host             port  want
            ("plain",                "git.example.com KEY",    "git.example.com", 22, Known),
            ("another host",         "git.example.com KEY",    "example.com",     22, Unknown),
            ("another key",          "git.example.com OTHER",  "git.example.com", 22, Changed),
            ("one of two",           "h OTHER\nh KEY",         "h",               22, Known),
            ("a port",               "[h]:2222 KEY",           "h",             2222, Known),
            ("the port counts",      "h KEY",                  "h",             2222, Unknown),
            ("a list",               "a,h KEY",                "h",               22, Known),
            ("a wildcard",           "*.example.com KEY",      "g.example.com",   22, Known),
            ("negated",              "*.com,!bad.com KEY",     "bad.com",         22, Unknown),
            ("revoked",              "h KEY\n@revoked h KEY",  "h",               22, Changed),
            ("an authority is none", "@cert-authority h KEY",  "h",               22, Unknown),
            ("a comment",            "# h KEY",                "h",               22, Unknown),
            ("hashed",               HASHED,                   "192.168.1.61",    22, Known),
            ("hashed, another host", HASHED,                   "192.168.1.62",    22, Unknown),
        ];
        for &(why, lines, host, port, want) in cases {
            assert_eq!(verdict(lines, host, port), want, "{why}");
        }
    }

    #[test]
    fn kinds_of_keys_of_a_host() {
        let text = format!("h {KEY}\nh {OTHER}\ni {KEY}");
        assert_eq!(algorithms(&text, "h", 22).len(), 1);
        assert!(algorithms(&text, "j", 22).is_empty());
    }
}
