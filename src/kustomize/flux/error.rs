//! Why Flux's layer refuses a unit. The words are Flux's own where it has some.

use miette::Diagnostic;
use thiserror::Error;

use crate::kustomize::BuildError;
use crate::kustomize::ReadSet;
use crate::kustomize::yaml::YamlError;
use crate::model::TreeError;

/// The pattern that variable names must match, as messages show it.
const NAME_PATTERN: &str = "^[_[:alpha:]][_[:alpha:][:digit:]]*$";

/// Why variables could not be filled in. Values never stand in a message.
#[derive(Debug, Error, Diagnostic)]
pub enum SubstituteError {
    /// A `${…}` that cannot be read.
    #[error("envsubst error: variable substitution failed: bad substitution")]
    #[diagnostic(code(flux::bad_substitution), help("write `$${{` for a literal `${{`"))]
    BadSubstitution {
        /// Bytes of the object's text before it.
        at: usize,
    },
    /// `${v` without `}`, or with an operator that does not exist, such as `${v-x}`.
    #[error("envsubst error: variable substitution failed: missing closing brace")]
    #[diagnostic(code(flux::missing_brace), help("close it, or use `:-` and `:=` for defaults"))]
    NotClosed {
        /// Bytes of the object's text before it.
        at: usize,
    },
    /// `${` without a name behind it.
    #[error("envsubst error: variable substitution failed: unable to parse variable name")]
    #[diagnostic(code(flux::variable_name), help("write `$${{` for a literal `${{`"))]
    NoName {
        /// Bytes of the object's text before it.
        at: usize,
    },
    /// An operator without its argument.
    #[error(
        "envsubst error: variable substitution failed: unable to parse substitution within function"
    )]
    #[diagnostic(code(flux::function_argument), help("give the operator its argument"))]
    BadArgument {
        /// Bytes of the object's text before it.
        at: usize,
    },
    /// Strict mode, and no value.
    #[error(
        "envsubst error: variable substitution failed: variable not set (strict mode): {name:?}"
    )]
    #[diagnostic(
        code(flux::variable_not_set),
        help(
            "set `{name}` in `postBuild`, give a default `${{{name}:=…}}`, or write `$${{{name}}}`"
        )
    )]
    NotSet {
        /// The variable.
        name: String,
    },
    /// A variable with a name that cannot be used.
    #[error("envsubst error: '{name}' var name is invalid, must match '{NAME_PATTERN}'")]
    #[diagnostic(code(flux::invalid_variable), help("rename the key where it is defined"))]
    InvalidName {
        /// The name.
        name: String,
    },
    /// `${v:n:m}` with a negative length.
    #[error("panic: runtime error: slice bounds out of range {bounds}")]
    #[diagnostic(code(flux::negative_length), help("lengths count from the offset on"))]
    NegativeLength {
        /// Bytes of the object's text before it.
        at: usize,
        /// The bounds as Go shows them.
        bounds: String,
    },
    /// `${…}` nested too deep.
    #[error("envsubst error: more than DEPTH_MAX = {max} nested substitutions")]
    #[diagnostic(code(flux::limit), help("nest less"))]
    TooDeep {
        /// Bytes of the object's text before it.
        at: usize,
        /// The limit.
        max: usize,
    },
    /// A pattern on a very long value.
    #[error("envsubst error: a pattern on more than PATTERN_SUBJECT_BYTES_MAX = {max} bytes")]
    #[diagnostic(code(flux::limit), help("trim the value where it is defined"))]
    LongSubject {
        /// Bytes of the object's text before it.
        at: usize,
        /// The limit.
        max: usize,
    },
    /// The text grew too long.
    #[error("envsubst error: the result has more than RESULT_BYTES_MAX = {max} bytes")]
    #[diagnostic(code(flux::limit), help("use shorter values"))]
    LongResult {
        /// The limit.
        max: usize,
    },
    /// The object cannot be printed.
    #[error("{}", .0.told())]
    #[diagnostic(transparent)]
    Print(YamlError),
    /// The text is not YAML once the variables are in. The cause is not told: it may hold a value.
    #[error("envsubst error: YAMLToJSON: the text is not YAML once variables are filled in")]
    #[diagnostic(
        code(flux::broken_text),
        help("quote the place where the variable stands, or its value")
    )]
    BrokenText {
        /// The line of the object's text.
        line: u32,
    },
    /// The text is no map once the variables are in.
    #[error("UnmarshalJSON: the text is not an object once variables are filled in")]
    #[diagnostic(code(flux::not_an_object), help("check the values of the variables"))]
    NotAnObject,
}

/// Why a unit could not be built.
#[derive(Debug, Error, Diagnostic)]
pub enum FluxBuildError {
    /// `spec.path` leads nowhere.
    #[error("kustomization path not found: stat {path}: no such file or directory")]
    #[diagnostic(code(flux::path_not_found), help("{}", Self::path_help(left_out.as_deref())))]
    PathNotFound {
        /// The path, from the root of the artifact.
        path: String,
        /// What decides this; `None` when that is not known.
        reads: Option<ReadSet>,
        /// Why the artifact lacks what the origin has there.
        left_out: Option<String>,
    },
    /// Where every manifest of a directory counts, one is a link to something else.
    #[error("{path} is a symbolic link to `{target}`, which leaves the repository")]
    #[diagnostic(
        code(flux::link_out),
        help("commit the file itself, or leave the link out with .sourceignore")
    )]
    LinkOut {
        /// The link, from the root of the artifact.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// A file without kustomization beside it is no manifest.
    #[error("failed to decode Kubernetes YAML from {path}: {source}")]
    #[diagnostic(
        code(flux::not_a_manifest),
        help(
            "exclude the file with .sourceignore, or add a kustomization.yaml that leaves it out"
        )
    )]
    NotAManifest {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: Box<BuildError>,
    },
    /// `spec.components` names something that is not below the path.
    #[error("component path '{path}' must be local and relative")]
    #[diagnostic(code(flux::component_path), help("name a directory of the same source"))]
    ComponentPath {
        /// The path.
        path: String,
    },
    /// The kustomization file is not YAML.
    #[error("error converting YAML to JSON: yaml: {}", source.told())]
    #[diagnostic(code(flux::kustomization_file), help("correct the kustomization file"))]
    KustomizationFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: YamlError,
    },
    /// The build itself failed.
    #[error("kustomize build failed: {source}")]
    #[diagnostic(code(flux::build), help("see the cause"))]
    Build {
        /// The cause.
        #[source]
        source: Box<BuildError>,
    },
    /// An object without apiVersion, kind or name came out.
    #[error("failed to decode Kubernetes apiVersion, kind and name from: {object}")]
    #[diagnostic(code(flux::incomplete_object), help("every object needs all three"))]
    IncompleteObject {
        /// Kind and name, as far as they are there; never the content.
        object: String,
    },
    /// Variables could not be filled in.
    #[error("post build failed for '{object}': {source}")]
    #[diagnostic(code(flux::post_build), help("see the cause"))]
    PostBuild {
        /// Group, version, kind and name.
        object: String,
        /// The cause.
        #[source]
        #[diagnostic_source]
        source: SubstituteError,
    },
    /// After substitution two objects have one id.
    #[error("in Replace: id matched {count} resources")]
    #[diagnostic(code(flux::same_id), help("give the objects different names"))]
    SameId {
        /// How many.
        count: usize,
        /// The object.
        object: String,
    },
    /// The tree could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tree(#[from] TreeError),
}

impl FluxBuildError {
    fn path_help(left_out: Option<&str>) -> String {
        match left_out {
            Some(why) => format!("{why}: correct `spec.path`, or the repository"),
            None => "correct `spec.path`, or add the directory".to_owned(),
        }
    }

    /// What the build had read when it failed: as long as that, the spec and the variables stay, it
    /// fails again. `None` when that is not known.
    pub fn reads(&self) -> Option<&ReadSet> {
        match self {
            Self::Build { source } | Self::NotAManifest { source, .. } => source.reads(),
            Self::PathNotFound { reads, .. } => reads.as_ref(),
            _ => None,
        }
    }
}
