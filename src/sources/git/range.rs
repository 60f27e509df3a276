//! Version ranges over tags, as Masterminds/semver v3 (3.5) reads them.
//!
//! In: `>=1.2 <2 || 3.x`, a tag. Out: whether the tag's version is in the range. A range without a
//! pre-release part matches no pre-release; `,` and blanks mean and, `||` means or.
//! Pure. Limits: 512 bytes and 32 alternatives, upstream's.
//! Not here: choosing among tags (`choose.rs`).

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

#[cfg(test)]
mod tests;

const RANGE_BYTES_MAX: usize = 512;
const ALTERNATIVES_MAX: usize = 32;
const VERSION_BYTES_MAX: usize = 256;

/// A version: three numbers and a pre-release. Build metadata takes no part in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
}

/// A range of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    alternatives: Vec<Alternative>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    conditions: Vec<Condition>,
    /// One condition names a pre-release, which lets all of them match pre-releases.
    names_pre: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// None, or `=`.
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// How much of a condition's version is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    Major,
    Minor,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    version: Version,
    written: Written,
}

const OPERATOR: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const VERSION: &str = concat!(
    r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?",
    r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?",
    r"(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?",
);

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants")
}

static ONE: LazyLock<Regex> =
    LazyLock::new(|| compile(&format!(r"^\s*({OPERATOR})\s*({VERSION})\s*$")));
static HYPHEN: LazyLock<Regex> =
    LazyLock::new(|| compile(&format!(r"\s*({VERSION})\s+-\s+({VERSION})\s*")));
static EACH: LazyLock<Regex> = LazyLock::new(|| compile(&format!(r"({OPERATOR})\s*({VERSION})")));
static ALL: LazyLock<Regex> = LazyLock::new(|| {
    let one = format!(r"({OPERATOR})\s*({VERSION})\s*");
    compile(&format!(r"^(\s*{one})((?:\s+|,\s*){one})*$"))
});
static LOOSE: LazyLock<Regex> = LazyLock::new(|| {
    compile(concat!(
        r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?",
        r"(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?",
        r"(?:\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?$",
    ))
});

impl Version {
    /// Reads a tag: three numbers, possibly after `v`. Leading zeros are taken.
    pub fn parse(tag: &str) -> Option<Self> {
        let core = tag.split(['-', '+']).next().unwrap_or_default();
        (core.split('.').count() == 3).then(|| Self::parse_loose(tag)).flatten()
    }

    /// Missing numbers are 0.
    fn parse_loose(text: &str) -> Option<Self> {
        if text.len() > VERSION_BYTES_MAX {
            return None;
        }
        let parts = LOOSE.captures(text)?;
        let number = |i: usize| parts.get(i).map_or(Some(0), |part| part.as_str().parse().ok());
        let pre = parts.get(4).map_or("", |part| part.as_str());
        let zero_led = |id: &str| {
            id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit())
        };
        if pre.split('.').any(zero_led) {
            return None;
        }
        let pre = pre.to_owned();
        Some(Self { major: number(1)?, minor: number(2)?, patch: number(3)?, pre })
    }

    /// Precedence (semver.org section 11).
    pub fn order(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| order_pre(&self.pre, &other.pre))
    }
}

fn order_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl Range {
    /// Reads a range; the error says what is wrong, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > RANGE_BYTES_MAX {
            return Err(format!("constraint string is too long (max {RANGE_BYTES_MAX} bytes)"));
        }
        let mut rewritten = text.to_owned();
        for hyphen in HYPHEN.captures_iter(text) {
            let bounds = format!(">= {}, <= {} ", &hyphen[1], &hyphen[11]);
            rewritten = rewritten.replacen(&hyphen[0], &bounds, 1);
        }
        let alternatives: Vec<&str> = rewritten.split("||").collect();
        if alternatives.len() > ALTERNATIVES_MAX {
            return Err(format!("too many constraint groups (max {ALTERNATIVES_MAX})"));
        }
        let alternatives =
            alternatives.into_iter().map(Alternative::parse).collect::<Result<_, _>>();
        Ok(Self { alternatives: alternatives? })
    }

    /// Whether `version` is in the range.
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|alternative| {
            (version.pre.is_empty() || alternative.names_pre)
                && alternative.conditions.iter().all(|condition| condition.holds(version))
        })
    }
}

impl Alternative {
    fn parse(text: &str) -> Result<Self, String> {
        if !ALL.is_match(text) {
            return Err(format!("improper constraint: {text:?}"));
        }
        let conditions: Vec<Condition> = EACH
            .find_iter(text)
            .map(|found| Condition::parse(found.as_str()))
            .collect::<Result<_, _>>()?;
        let names_pre = conditions.iter().any(|condition| !condition.version.pre.is_empty());
        Ok(Self { conditions, names_pre })
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, String> {
        let parts = ONE.captures(text).ok_or_else(|| format!("improper constraint: {text:?}"))?;
        let operator = match &parts[1] {
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterOrEqual,
            "<=" | "=<" => Operator::LessOrEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => Operator::Equal,
        };
        let group = |i: usize| parts.get(i).map_or("", |part| part.as_str());
        let open = |part: &str| matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*");
        let (major, minor, pre) = (group(3), group(4), group(6));
        let (written, version) = if open(major) {
            (Written::Nothing, format!("0.0.0{pre}"))
        } else if open(minor) {
            (Written::Major, format!("{major}.0.0{pre}"))
        } else if open(group(5)) {
            (Written::Minor, format!("{major}{minor}.0{pre}"))
        } else {
            (Written::All, group(2).to_owned())
        };
        let version =
            Version::parse_loose(&version).ok_or_else(|| "constraint parser error".to_owned())?;
        Ok(Self { operator, version, written })
    }

    fn holds(&self, v: &Version) -> bool {
        let c = &self.version;
        let order = v.order(c);
        match self.operator {
            Operator::Equal if self.written != Written::All => self.within_tilde(v),
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => self.differs(v),
            Operator::Greater => match self.written {
                Written::All => order == Ordering::Greater,
                _ if v.major != c.major => v.major > c.major,
                Written::Major => false,
                Written::Minor => v.minor > c.minor,
                Written::Nothing => order == Ordering::Greater,
            },
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual if self.written == Written::All => order != Ordering::Greater,
            Operator::LessOrEqual => {
                let same_major = v.major == c.major;
                let above = same_major && v.minor > c.minor && self.written != Written::Major;
                v.major <= c.major && !above
            }
            Operator::Tilde => self.within_tilde(v),
            Operator::Caret => self.within_caret(v),
        }
    }

    fn differs(&self, v: &Version) -> bool {
        let c = &self.version;
        let order = v.order(c);
        match self.written {
            Written::All => order != Ordering::Equal,
            _ if v.major != c.major => true,
            Written::Major => false,
            _ if v.minor != c.minor => true,
            Written::Nothing => v.patch != c.patch || order != Ordering::Equal,
            Written::Minor => order_pre(&v.pre, &c.pre) != Ordering::Equal,
        }
    }

    fn within_tilde(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.order(c) == Ordering::Less {
            return false;
        }
        let zero = (c.major, c.minor, c.patch) == (0, 0, 0);
        if zero && !matches!(self.written, Written::Major | Written::Minor) {
            return true;
        }
        v.major == c.major && (v.minor == c.minor || self.written == Written::Major)
    }

    fn within_caret(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.order(c) == Ordering::Less || v.major != c.major {
            return false;
        }
        if c.major > 0 || self.written == Written::Major {
            return true;
        }
        if c.minor > 0 || self.written == Written::Minor {
            return v.minor == c.minor;
        }
        v.minor == 0 && v.patch == c.patch
    }
}
