//! Tables in the form of Flux's: columns padded, separated by tabs, headers in capitals.
//!
//! Byte-compatible: a header line ends with a space, any other line with a tab. Pure.

/// Rows under headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The headers; none are shown when this is empty.
    pub(super) headers: Vec<String>,
    /// The rows, each with as many cells as there are headers.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// The table as text.
    pub(super) fn to_text(&self) -> String {
        let widths = self.widths();
        let line = |cells: &[String], end: &str| {
            let padded: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            format!("{}{end}\n", padded.join("\t"))
        };
        let mut text = String::new();
        if !self.headers.is_empty() {
            text.push_str(&line(&self.headers, " "));
        }
        for part in self.rows.iter().flat_map(|row| lines_of(row)) {
            text.push_str(&line(&part, "\t"));
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = Vec::new();
        for cells in self.rows.iter().chain([&self.headers]) {
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, cell) in widths.iter_mut().zip(cells) {
                let longest = cell.lines().map(|line| line.chars().count()).max();
                *width = (*width).max(longest.unwrap_or(0));
            }
        }
        widths
    }
}

/// A row of cells that may have several lines, as rows of cells that have one.
fn lines_of(row: &[String]) -> Vec<Vec<String>> {
    let height = row.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1);
    let part = |at: usize| {
        row.iter().map(|cell| cell.lines().nth(at).unwrap_or_default().to_owned()).collect()
    };
    (0..height).map(part).collect()
}

/// Cuts each long hexadecimal id in `text` to 8 characters, as Flux does in revisions and messages:
/// whole words of 40 to 128 characters of `0-9a-f`.
pub(super) fn shorten_ids(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        let is_id = (40..=128).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        short.push_str(if is_id { &word[..8] } else { word });
        let separators = tail.find(is_word).unwrap_or(tail.len());
        short.push_str(&tail[..separators]);
        rest = &tail[separators..];
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn bytes_are_those_of_flux() {
        let table = Table {
            headers: row(&["NAME", "REVISION", "SUSPENDED", "READY", "MESSAGE"]),
            rows: vec![row(&[
                "tkfg",
                "6.3.5@sha1:67e2c98a",
                "False",
                "True",
                "Applied revision: 6.3.5@sha1:67e2c98a",
            ])],
        };
        assert_eq!(
            table.to_text(),
            "NAME\tREVISION           \tSUSPENDED\tREADY\tMESSAGE                               \n\
             tkfg\t6.3.5@sha1:67e2c98a\tFalse    \tTrue \tApplied revision: 6.3.5@sha1:67e2c98a\t\n"
        );
    }

    #[test]
    fn without_headers() {
        let table = Table { headers: Vec::new(), rows: vec![row(&["a", "b"]), row(&["ccc", ""])] };
        assert_eq!(table.to_text(), "a  \tb\t\nccc\t \t\n");
    }

    #[test]
    fn a_message_of_two_lines_takes_two() {
        let table = Table { headers: Vec::new(), rows: vec![row(&["a", "one\nand two"])] };
        assert_eq!(table.to_text(), "a\tone    \t\n \tand two\t\n");
    }

    #[test]
    fn only_whole_ids_are_cut() {
        let id = "67e2c98a60dc92283531412a9e604dd4bae005a9";
        #[rustfmt::skip]
        let cases = [
            (format!("main@sha1:{id}"),      "main@sha1:67e2c98a".to_owned()),
            (format!("{id}, {id}."),         "67e2c98a, 67e2c98a.".to_owned()),
            (format!("x{id}"),               format!("x{id}")),
            (id.to_uppercase(),              id.to_uppercase()),
            (id[..39].to_owned(),            id[..39].to_owned()),
            ("a".repeat(129),                "a".repeat(129)),
            ("a".repeat(128),                "a".repeat(8)),
            ("wörter bleiben".to_owned(),    "wörter bleiben".to_owned()),
            (String::new(),                  String::new()),
        ];
        for (text, want) in cases {
            assert_eq!(shorten_ids(&text), want, "{text}");
        }
    }
}
