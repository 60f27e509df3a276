//! How two outcomes compare: both refused, equal bytes, equal data, or different.

use std::collections::BTreeMap;

use hence::kustomize::yaml;
use hence::kustomize::yaml::FileId;

/// How ours compares with the official program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same text.
    Bytes,
    /// Another text of the same objects.
    Data,
    /// Both refuse.
    Refused,
    /// Other objects.
    Different,
    /// Only ours refuses.
    OnlyOursRefuses,
    /// Only ours builds.
    OnlyOursBuilds,
}

impl Verdict {
    pub fn of(ours: &Result<String, String>, theirs: &Result<String, String>) -> Self {
        match (ours, theirs) {
            (Err(_), Err(_)) => Self::Refused,
            (Err(_), Ok(_)) => Self::OnlyOursRefuses,
            (Ok(_), Err(_)) => Self::OnlyOursBuilds,
            (Ok(a), Ok(b)) if a == b => Self::Bytes,
            (Ok(a), Ok(b)) if data(a).is_some() && data(a) == data(b) => Self::Data,
            (Ok(_), Ok(_)) => Self::Different,
        }
    }

    pub fn is_equal(self) -> bool {
        matches!(self, Self::Bytes | Self::Refused)
    }
}

/// The objects of a printed build.
fn data(text: &str) -> Option<Vec<serde_json::Value>> {
    let nodes = yaml::read_resources(text.as_bytes(), FileId(0)).ok()?;
    nodes.iter().map(|node| node.to_json().ok()).collect()
}

/// Counts of verdicts.
#[derive(Default)]
pub struct Tally {
    counts: [u64; 6],
}

impl Tally {
    pub fn count(&mut self, verdict: Verdict) {
        self.counts[verdict as usize] += 1;
    }

    fn of(&self, verdict: Verdict) -> u64 {
        self.counts[verdict as usize]
    }

    /// How many are not equal in bytes or in refusal.
    pub fn differences(&self) -> u64 {
        self.counts.iter().sum::<u64>() - self.of(Verdict::Bytes) - self.of(Verdict::Refused)
    }

    pub fn print(&self) {
        println!(
            "equal {}, equal data only {}, both refuse {}; different {}, only ours refuses {}, \
             only ours builds {}",
            self.of(Verdict::Bytes),
            self.of(Verdict::Data),
            self.of(Verdict::Refused),
            self.of(Verdict::Different),
            self.of(Verdict::OnlyOursRefuses),
            self.of(Verdict::OnlyOursBuilds),
        );
    }

    /// Data is equal without exception, bytes and refusals in 999 of 1000.
    pub fn check(&self) {
        assert_eq!(self.of(Verdict::Different), 0, "objects differ");
        let built = self.of(Verdict::Bytes) + self.of(Verdict::Data);
        assert!(self.of(Verdict::Data) * 1000 <= built, "texts differ");
        let all: u64 = self.counts.iter().sum();
        let split = self.of(Verdict::OnlyOursRefuses) + self.of(Verdict::OnlyOursBuilds);
        assert!(split * 1000 <= all, "refusals differ");
    }
}

/// The gist of a refusal: its last parts, without numbers.
pub fn gist(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let end: String = line.chars().rev().take(90).collect::<Vec<_>>().into_iter().rev().collect();
    end.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

/// The most frequent refusals.
pub fn print_refusals(refusals: BTreeMap<String, usize>) {
    let mut refusals: Vec<_> = refusals.into_iter().collect();
    refusals.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    refusals.iter().take(25).for_each(|(reason, count)| println!("  refused {count:6}: {reason}"));
}

/// The first lines that differ, or the words of the refusals.
pub fn print_difference(ours: &Result<String, String>, theirs: &Result<String, String>) {
    let (Ok(a), Ok(b)) = (ours, theirs) else {
        for (who, found) in [("ours", ours), ("theirs", theirs)] {
            match found {
                Ok(text) => println!("  {who}: builds {} bytes", text.len()),
                Err(error) => println!("  {who}: {error}"),
            }
        }
        return;
    };
    let (a, b): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(6);
    a.iter().skip(from).take(12).for_each(|line| println!("  ours   | {line}"));
    b.iter().skip(from).take(12).for_each(|line| println!("  theirs | {line}"));
}
