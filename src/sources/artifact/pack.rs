//! A tree as the tarball that Flux's consumers read.
//!
//! In: a filtered tree. Out: a tar.gz whose bytes depend on the tree alone: entries in walk order,
//! parents first, the root as `.`; no owners, no times, three modes.
//!
//! Spec: fluxcd/pkg tar. Digests differ from Flux's, whose gzip writes other bytes; the unpacked
//! trees are equal. Not here: keeping the file (`storage.rs`).

use std::io;
use std::io::Write;

use flate2::Compression;
use flate2::GzBuilder;
use tar::Builder;
use tar::EntryType;
use tar::Header;

use crate::model::Entry;
use crate::model::FileTree;
use crate::sources::artifact::ArtifactError;
use crate::sources::tree::SourceTree;
use crate::sources::tree::join;

const MODE_DIRECTORY: u32 = 0o750;
const MODE_FILE: u32 = 0o600;
const MODE_EXECUTABLE: u32 = 0o700;
/// Bytes of the name and prefix fields of a header.
const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;

/// Writes `tree` to `out`.
pub fn pack(tree: &SourceTree, out: &mut dyn Write) -> Result<(), ArtifactError> {
    let zipped = GzBuilder::new().write(out, Compression::default());
    let mut packer = Packer { tree, tar: Builder::new(zipped) };
    packer.directory("", ".")?;
    let finished = packer.tar.into_inner().and_then(flate2::write::GzEncoder::finish);
    finished.map(drop).map_err(write_failed)
}

fn write_failed(error: io::Error) -> ArtifactError {
    ArtifactError::Archive { reason: error.to_string() }
}

struct Packer<'a, W: Write> {
    tree: &'a SourceTree,
    tar: Builder<W>,
}

impl<W: Write> Packer<'_, W> {
    fn directory(&mut self, path: &str, name: &str) -> Result<(), ArtifactError> {
        self.append(name, EntryType::Directory, MODE_DIRECTORY, &[])?;
        for (name, entry) in self.tree.list(path)? {
            let at = join(path, &name);
            match entry {
                Entry::Directory { .. } => self.directory(&at, &at)?,
                Entry::File { .. } => {
                    let executable = self.tree.is_executable(&at);
                    let mode = if executable { MODE_EXECUTABLE } else { MODE_FILE };
                    let bytes = self.tree.read(&at)?;
                    self.append(&at, EntryType::Regular, mode, &bytes)?;
                }
                // Filtered trees hold none; artifacts cannot.
                Entry::Symlink { .. } => {}
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        bytes: &[u8],
    ) -> Result<(), ArtifactError> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        if !set_name(&mut header, name) {
            let record = [("path", name.as_bytes())];
            self.tar.append_pax_extensions(record).map_err(write_failed)?;
            set_name(&mut header, &ascii_end(name));
        }
        header.set_cksum();
        self.tar.append(&header, bytes).map_err(write_failed)
    }
}

/// Puts `name` into the header's own fields; false when it does not fit.
fn set_name(header: &mut Header, name: &str) -> bool {
    let Some(fields) = header.as_ustar_mut() else { return false };
    if !name.is_ascii() {
        return false;
    }
    let (prefix, rest) = if name.len() <= NAME_BYTES {
        ("", name)
    } else {
        // The first slash that leaves a name short enough.
        let from = name.len() - NAME_BYTES - 1;
        let Some(at) = name[from..].find('/').map(|at| from + at) else { return false };
        if at > PREFIX_BYTES || at == 0 || at + 1 == name.len() {
            return false;
        }
        (&name[..at], &name[at + 1..])
    };
    fields.name = [0; NAME_BYTES];
    fields.prefix = [0; PREFIX_BYTES];
    fields.name[..rest.len()].copy_from_slice(rest.as_bytes());
    fields.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
    true
}

/// What readers without PAX see instead of a long name.
fn ascii_end(name: &str) -> String {
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    ascii[ascii.len().saturating_sub(NAME_BYTES)..].trim_start_matches('/').to_owned()
}
