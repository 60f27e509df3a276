//! Shell patterns as Flux's `envsubst` matches them: `*` (slashes too), `?`, `[a-z]`, `[^a-z]`,
//! `\c`.
//!
//! A pattern is read once, into runs of steps between its stars. Each run is put at the first place
//! where it fits, and never moved again: so some texts do not match that a full search would match,
//! here as upstream. A pattern that cannot be read does harm only when a text gets that far.

/// The pattern cannot be read.
#[derive(Debug, PartialEq)]
pub(super) struct BadPattern;

/// A pattern that was read.
pub(super) struct Pattern {
    runs: Vec<Run>,
}

/// Steps without a star between them.
#[derive(Default)]
struct Run {
    /// A star stands before: the run may start anywhere.
    floats: bool,
    steps: Vec<Step>,
}

/// What has to stand next in the text.
#[derive(Debug, PartialEq)]
enum Step {
    Byte(u8),
    AnyCharacter,
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    /// From here on the pattern cannot be read.
    Broken,
}

impl Pattern {
    pub(super) fn read(text: &[u8]) -> Self {
        let stars = stars(text);
        let mut runs = Vec::with_capacity(stars.len() + 1);
        let mut from = 0;
        for end in stars.iter().copied().chain([text.len()]) {
            let (steps, floats) = (steps(&text[from..end]), from > 0);
            let is_last = end == text.len();
            // Nothing between two stars, or before the first, asks for nothing.
            if !steps.is_empty() || (is_last && floats) {
                runs.push(Run { floats, steps });
            }
            from = end + 1;
        }
        Self { runs }
    }

    /// Does it match the whole of `text`?
    pub(super) fn matches(&self, text: &[u8]) -> Result<bool, BadPattern> {
        let mut rest = text;
        for (i, run) in self.runs.iter().enumerate() {
            let is_last = i + 1 == self.runs.len();
            if run.steps.is_empty() {
                return Ok(true);
            }
            match run.place(rest, is_last)? {
                Some(left) => rest = left,
                None => return Ok(false),
            }
        }
        Ok(rest.is_empty())
    }
}

/// Where the stars are that stand neither behind `\` nor between brackets.
fn stars(text: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let (mut in_brackets, mut escaped) = (false, false);
    for (at, b) in text.iter().enumerate() {
        match b {
            _ if escaped => {
                escaped = false;
                continue;
            }
            b'\\' => escaped = true,
            b'[' | b']' => in_brackets = *b == b'[',
            b'*' if !in_brackets => found.push(at),
            _ => {}
        }
    }
    found
}

/// The steps of a text without stars.
fn steps(text: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return steps,
            [b'?', after @ ..] => {
                steps.push(Step::AnyCharacter);
                after
            }
            [b'[', inside @ ..] => match class(inside) {
                Some((class, after)) => {
                    steps.push(class);
                    after
                }
                None => {
                    steps.push(Step::Broken);
                    return steps;
                }
            },
            [b'\\'] => {
                steps.push(Step::Broken);
                return steps;
            }
            [b'\\', b, after @ ..] | [b, after @ ..] => {
                steps.push(Step::Byte(*b));
                after
            }
        };
    }
}

/// The class whose inside starts here, and what stands behind its `]`.
fn class(inside: &[u8]) -> Option<(Step, &[u8])> {
    let (negated, mut rest) = match inside.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, inside),
    };
    let mut ranges = Vec::new();
    loop {
        match rest.strip_prefix(b"]") {
            Some(after) if !ranges.is_empty() => {
                return Some((Step::Class { ranges, negated }, after));
            }
            _ => {}
        }
        let (low, after) = bound(rest)?;
        let (high, after) = match after.strip_prefix(b"-") {
            Some(after) => bound(after)?,
            None => (low, after),
        };
        ranges.push((low, high));
        rest = after;
    }
}

/// One end of a range, and what stands behind it, which must not be nothing.
fn bound(text: &[u8]) -> Option<(char, &[u8])> {
    if matches!(text, [] | [b'-' | b']', ..]) {
        return None;
    }
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    let (c, width) = character(text);
    let is_broken = c == char::REPLACEMENT_CHARACTER && width < 3;
    text.get(width..).filter(|after| !is_broken && !after.is_empty()).map(|after| (c, after))
}

impl Run {
    /// Puts the run at the first place where it fits; what stands behind it then. The last run of
    /// a pattern has to reach the end.
    fn place<'t>(&self, text: &'t [u8], is_last: bool) -> Result<Option<&'t [u8]>, BadPattern> {
        let furthest = if self.floats { text.len() } else { 0 };
        for start in 0..=furthest {
            match self.fit(&text[start..])? {
                Some(left) if left.is_empty() || !is_last => return Ok(Some(left)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// What stands behind the run when it starts where `text` does.
    fn fit<'t>(&self, text: &'t [u8]) -> Result<Option<&'t [u8]>, BadPattern> {
        let mut rest = text;
        for step in &self.steps {
            let Some(next) = rest.first() else { return Ok(None) };
            let width = match step {
                Step::Broken => return Err(BadPattern),
                Step::Byte(b) => (b == next).then_some(1),
                Step::AnyCharacter => Some(character(rest).1),
                Step::Class { ranges, negated } => {
                    let (c, width) = character(rest);
                    let is_in = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                    (is_in != *negated).then_some(width)
                }
            };
            let Some(width) = width else { return Ok(None) };
            rest = &rest[width..];
        }
        Ok(Some(rest))
    }
}

/// The first character and its width; U+FFFD and at most 1 where there is none.
fn character(text: &[u8]) -> (char, usize) {
    let head = &text[..text.len().min(4)];
    let valid = head.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    valid.map_or((char::REPLACEMENT_CHARACTER, head.len().min(1)), |c| (c, c.len_utf8()))
}
