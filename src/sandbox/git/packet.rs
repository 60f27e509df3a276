//! Packet lines, the framing of the Git protocol: four hex digits of length, then the bytes.
//!
//! Pure. Source: `gitprotocol-common`.

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'b> {
    Data(&'b [u8]),
    /// `0000`: the end of a list.
    Flush,
    /// `0001`: between two parts of a list.
    Delimiter,
}

/// Longest data of one packet.
pub(crate) const DATA_BYTES_MAX: usize = 65_516;

/// Takes the first packet off `bytes`.
pub(crate) fn next<'b>(bytes: &mut &'b [u8]) -> Option<Packet<'b>> {
    let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
    let length = usize::from_str_radix(digits, 16).ok()?;
    match length {
        0 => *bytes = &bytes[4..],
        1 | 2 => {
            *bytes = &bytes[4..];
            return Some(Packet::Delimiter);
        }
        length => {
            let data = bytes.get(4..length)?;
            *bytes = &bytes[length..];
            return Some(Packet::Data(data));
        }
    }
    Some(Packet::Flush)
}

/// Appends a data packet.
pub(crate) fn write(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:04x}", data.len() + 4).as_bytes());
    out.extend_from_slice(data);
}

/// Appends a line.
pub(crate) fn line(out: &mut Vec<u8>, text: &str) {
    write(out, format!("{text}\n").as_bytes());
}

/// Appends the end of a list.
pub(crate) fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends a delimiter.
pub(crate) fn delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// A packet's text without its line end.
pub(crate) fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_they_are_written() {
        let mut out = Vec::new();
        line(&mut out, "hello");
        delimiter(&mut out);
        flush(&mut out);
        let mut rest = out.as_slice();
        assert_eq!(next(&mut rest), Some(Packet::Data(b"hello\n")));
        assert_eq!(next(&mut rest), Some(Packet::Delimiter));
        assert_eq!(next(&mut rest), Some(Packet::Flush));
        assert_eq!(next(&mut rest), None);
        assert_eq!(next(&mut b"00".as_slice()), None, "cut short");
        assert_eq!(next(&mut b"0009ab".as_slice()), None, "cut short");
    }
}
