//! Every limit in one place, named in the errors that report it.

/// Largest single file that a build or a source reads, in bytes.
pub const FILE_BYTES_MAX: u64 = 32 << 20;
/// Most files in one source tree.
pub const TREE_FILES_MAX: usize = 50_000;
/// Most bytes in one source tree, unpacked.
pub const TREE_BYTES_MAX: u64 = 1 << 30;
/// Most objects that one unit may render.
pub const OBJECTS_MAX: usize = 20_000;
/// Largest single manifest, in bytes: the API server refuses more than 3 MiB in any case.
pub const MANIFEST_BYTES_MAX: usize = 3 << 20;
/// Deepest nesting of a YAML or JSON document.
pub const DOCUMENT_DEPTH_MAX: usize = 200;
/// Longest condition message in bytes; longer ones are cut and end with `...` (Flux's limit).
pub const CONDITION_MESSAGE_BYTES_MAX: usize = 32_768;
/// Longest event message in bytes (Flux's limit).
pub const EVENT_MESSAGE_BYTES_MAX: usize = 39_000;
/// Most bytes of one received Git pack: a host that sends more is cut off.
pub const PACK_BYTES_MAX: u64 = 2 << 30;
/// Most bytes of one listing of a Git host's references.
pub const REFS_BYTES_MAX: u64 = 64 << 20;
/// Most packs in one object store before it is started afresh, so that garbage stays bounded.
pub const PACKS_MAX: usize = 32;
/// Most commits offered to a Git host as already known.
pub const HAVES_MAX: usize = 16;
/// Most redirects followed for one request.
pub const REDIRECTS_MAX: usize = 10;
/// Most bytes kept of what a remote program writes to its standard error, for messages.
pub const STDERR_BYTES_MAX: usize = 4 << 10;
/// Most bytes of a packed artifact that is downloaded.
pub const ARTIFACT_BYTES_MAX: u64 = 1 << 30;
/// Longest proxy address, in characters (Flux's limit).
pub const PROXY_CHARS_MAX: usize = 2048;

const _: () = assert!(MANIFEST_BYTES_MAX as u64 <= FILE_BYTES_MAX);
const _: () = assert!(FILE_BYTES_MAX <= TREE_BYTES_MAX);
