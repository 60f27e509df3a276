//! Ignore rules of sources: which files of a repository are part of the source.
//!
//! In: `.sourceignore` files found in the tree, `spec.ignore`. Out: yes or no for a path.
//!
//! ```text
//! VCS ─ [Ext ─ CI ─ Extra] ─ .sourceignore, directory by directory ─ spec.ignore
//!        only when nothing follows                     the last match decides ──▶
//! ```
//!
//! The matching is go-git's, which Flux uses, and not git's: nothing is pruned, so `!` brings back
//! a file inside an excluded directory. Pure. Cost: patterns times path segments.
//! Not here: walking trees (`tree/filter.rs`).

use std::str::Chars;

use crate::model::Digest;

#[cfg(test)]
mod tests;

/// The file that holds rules for its directory and all below.
pub const IGNORE_FILE: &str = ".sourceignore";

/// What version control leaves behind: always excluded first.
const VCS: &[&str] = &[".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// Media and archives, CI set-ups, other tools' settings: excluded when no rule is given.
#[rustfmt::skip]
const DEFAULT: &[&str] = &[
    "*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip",
    ".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml",
    "cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml",
    "**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml",
];

/// Longest line of an ignore file that is read; Go's line scanner stops at a longer one.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Rules, collected in the order in which they are tried backwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreRules {
    patterns: Vec<Pattern>,
    collected: bool,
    digest_parts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// The directory that the pattern stands in, as segments.
    domain: Vec<String>,
    segments: Vec<Segment>,
    includes: bool,
    directories_only: bool,
    /// Holds a `/` before its end, so it is matched from its domain on and not at any depth.
    anchored: bool,
}

/// One segment of a pattern, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// Nothing between two slashes.
    Empty,
    /// `**` alone.
    Skip,
    /// `**` beside other characters, or malformed: matches no name.
    Nothing,
    /// A shell pattern for one name.
    Name(Vec<Part>),
    /// A name without any special character: most are.
    Exactly(String),
}

impl IgnoreRules {
    /// The rules of version control alone; add what is found with [`IgnoreRules::collect`].
    pub fn new() -> Self {
        let patterns = VCS.iter().filter_map(|line| Pattern::parse(line, "")).collect();
        Self { patterns, collected: false, digest_parts: Vec::new() }
    }

    /// Adds the lines of `text`, an ignore file in `directory` (`""` is the root) or `spec.ignore`.
    /// Call it for files in walk order, parents first, and for `spec.ignore` last.
    pub fn collect(&mut self, directory: &str, text: &str) {
        for line in text.split('\n') {
            if line.len() >= LINE_BYTES_MAX {
                break;
            }
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            if let Some(pattern) = Pattern::parse(line, directory) {
                self.patterns.push(pattern);
            }
            self.collected = true;
            self.digest_parts.push(directory.to_owned());
            self.digest_parts.push(line.to_owned());
        }
    }

    /// The rules as they apply: with the defaults when nothing was collected.
    pub fn finish(mut self) -> Self {
        if !self.collected {
            self.patterns.extend(DEFAULT.iter().filter_map(|line| Pattern::parse(line, "")));
        }
        self
    }

    /// Names the rules: equal digests exclude the same paths.
    pub fn digest(&self) -> Digest {
        Digest::of_parts(self.digest_parts.iter().map(String::as_bytes))
    }

    /// Whether `path` (segments from the root) is left out of the source.
    pub fn excludes(&self, path: &[&str], is_directory: bool) -> bool {
        let decided = self.patterns.iter().rev().find(|p| p.matches(path, is_directory));
        decided.is_some_and(|pattern| !pattern.includes)
    }
}

impl Pattern {
    /// `None` for a pattern that can match nothing.
    fn parse(line: &str, directory: &str) -> Option<Self> {
        let (includes, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let line = if line.ends_with("\\ ") { line } else { line.trim_end_matches(' ') };
        let (directories_only, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let domain = directory.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        let anchored = line.contains('/');
        let segments: Vec<Segment> = if anchored {
            line.split('/').map(Segment::of_path).collect()
        } else {
            vec![Segment::of_name(line)?]
        };
        Some(Self { domain, segments, includes, directories_only, anchored })
    }

    fn matches(&self, path: &[&str], is_directory: bool) -> bool {
        let Some(below) = path.get(self.domain.len()..).filter(|below| !below.is_empty()) else {
            return false;
        };
        if self.domain.iter().zip(path).any(|(domain, segment)| domain != segment) {
            return false;
        }
        if self.anchored {
            self.matches_anchored(below, is_directory)
        } else {
            self.matches_name(below, is_directory)
        }
    }

    /// The first segment that matches decides: a file below a matching directory is matched too.
    fn matches_name(&self, path: &[&str], is_directory: bool) -> bool {
        let Some(at) = path.iter().position(|name| self.segments[0].takes(name)) else {
            return false;
        };
        !(self.directories_only && !is_directory && at + 1 == path.len())
    }

    /// Segment by segment; `**` skips to the *first* segment that matches what follows it, without
    /// going back (go-git).
    fn matches_anchored(&self, path: &[&str], is_directory: bool) -> bool {
        let mut rest = path;
        let mut matched = false;
        let mut skips = false;
        for (i, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Empty => skips = false,
                Segment::Skip if i + 1 == self.segments.len() => {}
                Segment::Skip => skips = true,
                Segment::Nothing => return false,
                _ if rest.is_empty() => return false,
                _ if skips => {
                    skips = false;
                    let at = rest.iter().position(|name| segment.takes(name));
                    matched = at.is_some();
                    rest = at.map_or(&[], |at| &rest[at + 1..]);
                }
                _ if !segment.takes(rest[0]) => return false,
                _ => {
                    matched = true;
                    rest = &rest[1..];
                }
            }
        }
        matched && !(self.directories_only && !is_directory && rest.is_empty())
    }
}

impl Segment {
    fn of_path(text: &str) -> Self {
        match text {
            "" => Self::Empty,
            "**" => Self::Skip,
            text if text.contains("**") => Self::Nothing,
            // A malformed class or escape makes the match fail, whatever the name.
            text => Self::of_name(text).unwrap_or(Self::Nothing),
        }
    }

    fn of_name(text: &str) -> Option<Self> {
        if text.contains(['*', '?', '[', '\\']) {
            parts(text).map(Self::Name)
        } else {
            Some(Self::Exactly(text.to_owned()))
        }
    }

    fn takes(&self, name: &str) -> bool {
        match self {
            Self::Name(parts) => shell_match(parts, name),
            Self::Exactly(text) => text == name,
            Self::Empty | Self::Skip | Self::Nothing => false,
        }
    }
}

/// One part of a shell pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Literal(char),
}

/// Reads a shell pattern as Go's `filepath.Match` does; `None` when it is malformed.
fn parts(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Literal(chars.next()?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if chars.peek() == Some(&']') && !ranges.is_empty() {
                        chars.next();
                        break;
                    }
                    let mut bound = || match chars.next()? {
                        '\\' => chars.next(),
                        '-' | ']' => None,
                        c => Some(c),
                    };
                    let low = bound()?;
                    // The class has to be closed: its last character cannot end the pattern.
                    let high = match chars.next_if_eq(&'-') {
                        Some(_) => match chars.next()? {
                            '\\' => chars.next()?,
                            '-' | ']' => return None,
                            c => c,
                        },
                        None => low,
                    };
                    chars.peek()?;
                    ranges.push((low, high));
                }
                Part::Class { negated, ranges }
            }
            c => Part::Literal(c),
        });
    }
    Some(parts)
}

/// Whether the whole `name`, one path segment, matches.
fn shell_match(parts: &[Part], name: &str) -> bool {
    // Greedy with one point to come back to: enough, since `*` may take anything.
    let (mut part, mut rest) = (0, name.chars());
    let mut retry: Option<(usize, Chars<'_>)> = None;
    loop {
        let next = rest.clone().next();
        match (parts.get(part), next) {
            (None, None) => return true,
            (Some(Part::Any), _) => {
                part += 1;
                retry = Some((part, rest.clone()));
                continue;
            }
            (Some(one), Some(c)) if one.takes(c) => {
                part += 1;
                rest.next();
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        part = *after;
        rest = from.clone();
    }
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}
