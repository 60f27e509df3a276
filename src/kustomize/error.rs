//! Why a build failed: one error type, a closed set of kinds, and upstream's own words beside ours.

use std::fmt;

use miette::Diagnostic;

use super::loader::ReadSet;
use super::yaml::Place;
use super::yaml::YamlError;

/// What went wrong, by whom it is to be mended. The codes are public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A file or directory that something names is not there.
    MissingFile,
    /// A directory has no kustomization file.
    MissingKustomization,
    /// A directory has more than one kustomization file.
    ManyKustomizations,
    /// A kustomization file cannot be understood.
    InvalidKustomization,
    /// A kustomization file names a field that does not exist.
    UnknownField,
    /// A text is not YAML.
    InvalidYaml,
    /// An object lacks a kind or a name.
    InvalidObject,
    /// Two objects have one id.
    DuplicateId,
    /// Kustomizations include one another.
    Cycle,
    /// A path leads out of what the build may read.
    OutsideRoot,
    /// A patch, replacement or generator names an object that is not there.
    NoTarget,
    /// A patch, replacement or reference could mean several objects.
    AmbiguousTarget,
    /// A patch cannot be understood.
    InvalidPatch,
    /// A patch does not fit its target.
    PatchFailed,
    /// A generator's input is wrong.
    InvalidGenerator,
    /// A replacement is wrong or does not fit.
    InvalidReplacement,
    /// A variable is wrong or has no value.
    InvalidVariable,
    /// A transformer or its configuration is wrong.
    InvalidTransformer,
    /// A selector is not a selector.
    InvalidSelector,
    /// A field asks for what is never done here: Helm, plugins that run.
    NotSupported,
    /// A remote base, and those are off, or it could not be had.
    Remote,
    /// A limit was reached.
    Limit,
    /// The storage below failed.
    Tree,
}

impl ErrorKind {
    /// The public code.
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingFile => "kustomize::missing_file",
            Self::MissingKustomization => "kustomize::missing_kustomization",
            Self::ManyKustomizations => "kustomize::many_kustomizations",
            Self::InvalidKustomization => "kustomize::invalid_kustomization",
            Self::UnknownField => "kustomize::unknown_field",
            Self::InvalidYaml => "kustomize::invalid_yaml",
            Self::InvalidObject => "kustomize::invalid_object",
            Self::DuplicateId => "kustomize::duplicate_id",
            Self::Cycle => "kustomize::cycle",
            Self::OutsideRoot => "kustomize::outside_root",
            Self::NoTarget => "kustomize::no_target",
            Self::AmbiguousTarget => "kustomize::ambiguous_target",
            Self::InvalidPatch => "kustomize::invalid_patch",
            Self::PatchFailed => "kustomize::patch_failed",
            Self::InvalidGenerator => "kustomize::invalid_generator",
            Self::InvalidReplacement => "kustomize::invalid_replacement",
            Self::InvalidVariable => "kustomize::invalid_variable",
            Self::InvalidTransformer => "kustomize::invalid_transformer",
            Self::InvalidSelector => "kustomize::invalid_selector",
            Self::NotSupported => "kustomize::not_supported",
            Self::Remote => "kustomize::remote",
            Self::Limit => "kustomize::limit",
            Self::Tree => "kustomize::tree",
        }
    }

    /// The next step when nothing better is known.
    fn advice(self) -> &'static str {
        match self {
            Self::MissingFile => "add the file, or correct the path that names it",
            Self::MissingKustomization => "add a kustomization.yaml to the directory",
            Self::ManyKustomizations => "keep one of the kustomization files of the directory",
            Self::InvalidKustomization => "correct the field; its type is told in the message",
            Self::UnknownField => "remove the field, or correct its spelling",
            Self::InvalidYaml => "check indentation, quotes and colons near the place named",
            Self::InvalidObject => "every object needs apiVersion, kind and metadata.name",
            Self::DuplicateId => "remove or rename one of the objects, or use a patch to change it",
            Self::Cycle => "a base must not contain the kustomization that uses it",
            Self::OutsideRoot => "keep files below their kustomization; share by making a base",
            Self::NoTarget => "check kind, name and namespace as they stand before renaming",
            Self::AmbiguousTarget => "name a namespace or a kind, so that one object is meant",
            Self::InvalidPatch => "a patch is an object with kind and name, or a JSON 6902 list",
            Self::PatchFailed => "the target must have what the patch walks through",
            Self::InvalidGenerator => "sources are key=value, key=file or file",
            Self::InvalidReplacement => "check source, targets and field paths",
            Self::InvalidVariable => "check the variable's objref and fieldref",
            Self::InvalidTransformer => "check the configuration of the transformer",
            Self::InvalidSelector => "selectors read like `app=web,tier!=cache`",
            Self::NotSupported => "render it beforehand and commit the result",
            Self::Remote => "allow remote bases, or copy the base into the repository",
            Self::Limit => "split the kustomization",
            Self::Tree => "the source could not be read; try again",
        }
    }
}

/// Why a build failed.
///
/// `Display` tells the cause alone. [`BuildError::upstream`] is the whole chain as the official
/// program words it, for places where users know that text.
#[derive(Clone, PartialEq)]
pub struct BuildError(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    kind: ErrorKind,
    message: String,
    upstream: String,
    file: Option<String>,
    line: u32,
    help: Option<String>,
    reads: Option<ReadSet>,
    /// Where the two objects with one id were written.
    twins: Option<[Place; 2]>,
}

impl BuildError {
    /// A failure whose cause upstream words as `message`.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let upstream = message.clone();
        Self(Box::new(Inner {
            kind,
            message,
            upstream,
            file: None,
            line: 0,
            help: None,
            reads: None,
            twins: None,
        }))
    }

    /// A text that is not YAML, `before` being upstream's words before the parser's. What the text
    /// has there stands in upstream's words alone: it may be a secret value out of place.
    pub(crate) fn of_yaml(kind: ErrorKind, before: &str, error: &YamlError) -> Self {
        Self::new(kind, format!("{before}{error}")).says(format!("{before}{}", error.told()))
    }

    /// The same failure, with upstream's next outer words.
    pub(crate) fn wrap(mut self, prefix: impl fmt::Display) -> Self {
        self.0.upstream = format!("{prefix}: {}", self.0.upstream);
        self
    }

    /// The same failure, with upstream's text replaced.
    pub(crate) fn reworded(mut self, upstream: impl Into<String>) -> Self {
        self.0.upstream = upstream.into();
        self
    }

    /// The same failure of another kind.
    pub(crate) fn kinded(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same failure, told in our words.
    pub(crate) fn says(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// The same failure, placed; the innermost place stays.
    pub(crate) fn at(mut self, file: &str, line: u32) -> Self {
        if self.0.file.is_none() {
            self.0.file = Some(file.to_owned());
            self.0.line = line;
        }
        self
    }

    /// The same failure, placed elsewhere.
    pub(crate) fn moved(mut self, file: &str, line: u32) -> Self {
        self.0.file = Some(file.to_owned());
        self.0.line = line;
        self
    }

    /// The same failure with a better next step.
    pub(crate) fn advise(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The same failure, about two objects that were written at these places.
    pub(crate) fn about_twins(mut self, places: [Place; 2]) -> Self {
        self.0.twins = Some(places);
        self
    }

    /// The same failure, its message with the places of the objects that it is about. `shown`
    /// writes one, unless it is not known.
    pub(crate) fn placed(mut self, shown: impl Fn(Place) -> Option<String>) -> Self {
        let places = self.0.twins.take().map(|places| places.map(shown));
        if let Some([Some(first), Some(second)]) = places {
            let both = match first == second {
                true => format!("both times from {first}"),
                false => format!("in {first} and in {second}"),
            };
            self.0.message = format!("{}: {both}", self.0.message);
        }
        self
    }

    /// The same failure, with what the build had read.
    pub(crate) fn after_reading(mut self, reads: ReadSet) -> Self {
        self.0.reads = Some(reads);
        self
    }

    /// What the build had read when it failed, absent files too: as long as that stays, it fails
    /// again. `None` when other things may mend it, such as a source that could not be read.
    pub fn reads(&self) -> Option<&ReadSet> {
        let is_lasting = !matches!(self.0.kind, ErrorKind::Tree | ErrorKind::Remote);
        self.0.reads.as_ref().filter(|_| is_lasting)
    }

    /// What went wrong, without its place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The whole chain as the official program words it, without `Error: `.
    pub fn upstream(&self) -> &str {
        &self.0.upstream
    }

    /// The file in which the cause stands, from the tree's root.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The line in that file, from 1; 0 when unknown.
    pub fn line(&self) -> u32 {
        self.0.line
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.file, self.0.line) {
            (Some(file), 0) => write!(f, "{file}: {}", self.0.message),
            (Some(file), line) => write!(f, "{file}:{line}: {}", self.0.message),
            (None, _) => f.write_str(&self.0.message),
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for BuildError {}

impl Diagnostic for BuildError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.0.kind.code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match &self.0.help {
            Some(help) => Some(Box::new(help)),
            None => Some(Box::new(self.0.kind.advice())),
        }
    }
}

/// What the steps of a build return.
pub(crate) type Result<T> = std::result::Result<T, BuildError>;
