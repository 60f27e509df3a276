//! `replacements:`, and the plugin of that name: a value copied from one field to others.
//!
//! Upstream: `api/filters/replacement`.

use crate::kustomize::decode::Decoder;
use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::gvk::DEFAULT_NAMESPACE;
use crate::kustomize::gvk::ResId;
use crate::kustomize::kustomization::FieldOptions;
use crate::kustomize::kustomization::Replacement;
use crate::kustomize::kustomization::ReplacementField;
use crate::kustomize::kustomization::Selector;
use crate::kustomize::kustomization::SourceSelector;
use crate::kustomize::kustomization::TargetSelector;
use crate::kustomize::label_selector::LabelSelector;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::path_matcher;
use crate::kustomize::pen::Pen;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resmap::shown;
use crate::kustomize::resource::Object;
use crate::kustomize::selector;
use crate::kustomize::selector::SelectorRegex;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::read_kustomization_at;

use super::structured_data;

/// The field that is meant when none is told.
const DEFAULT_FIELD: &str = "metadata.name";

/// Copies values between fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplacementTransformer {
    pub(crate) replacements: Vec<ReplacementField>,
    loaded: Vec<Replacement>,
}

decode_fields!(ReplacementTransformer { "replacements" => replacements });

fn wrong(words: impl Into<String>) -> BuildError {
    BuildError::new(ErrorKind::InvalidReplacement, words)
}

impl ReplacementTransformer {
    /// For `replacements:`.
    pub(crate) fn new(replacements: &[ReplacementField]) -> Self {
        Self { replacements: replacements.to_vec(), ..Self::default() }
    }

    /// Reads the files of replacements.
    pub(crate) fn load(&mut self, helpers: &Helpers<'_, '_>) -> Result<()> {
        for field in &self.replacements {
            let own = &field.replacement;
            if field.path.text.is_empty() {
                self.loaded.push(own.clone());
                continue;
            }
            if own.source.is_some() || own.targets.as_ref().is_some_and(|list| !list.is_empty()) {
                return Err(wrong("cannot specify both path and inline replacement"));
            }
            let file = helpers.load(&field.path)?;
            let node =
                read_kustomization_at(&file.bytes, helpers.start(&file)).map_err(|error| {
                    let kind = ErrorKind::InvalidReplacement;
                    BuildError::of_yaml(kind, "yaml: ", &error).at(&file.path, error.at().line)
                })?;
            let node = node.unwrap_or_else(Node::null);
            let placed = |(error, place): (BuildError, Place)| error.at(&file.path, place.line);
            if node.is_sequence() {
                let list = Decoder::loose().read::<Vec<Replacement>>(&node, "replacements");
                self.loaded.extend(list.map_err(placed)?);
            } else if node.is_mapping() {
                let one = Decoder::loose().read::<Replacement>(&node, "Replacement");
                self.loaded.push(one.map_err(placed)?);
            } else {
                return Err(wrong(
                    "unsupported replacement type encountered within replacement path: invalid",
                )
                .at(&file.path, 0));
            }
        }
        Ok(())
    }
}

impl Transformer for ReplacementTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        self.loaded.iter().try_for_each(|replacement| replace(map, replacement))?;
        map.drop_empty();
        Ok(())
    }
}

/// Where the value of a replacement comes from.
enum Source {
    /// A field of an object; read again before each write, as it may be a target itself.
    Field { object: usize, path: Vec<String>, last: Node },
    /// A value of its own.
    Value(Node),
}

impl Source {
    /// The field's path, when it stands in the object at `at`.
    fn path_in(&self, at: usize) -> Option<Vec<String>> {
        match self {
            Self::Field { object, path, .. } if *object == at => Some(path.clone()),
            _ => None,
        }
    }

    fn read(&mut self, map: &ResMap) -> Node {
        match self {
            Self::Value(node) => node.clone(),
            Self::Field { object, path, last } => {
                let object = map.objects().get(*object);
                let found = object.and_then(|object| {
                    let node = path::lookup(object.node(), path).ok()??;
                    Some(object.detached(node))
                });
                if let Some(found) = found {
                    *last = found;
                }
                last.clone()
            }
        }
    }
}

fn replace(map: &mut ResMap, replacement: &Replacement) -> Result<()> {
    let source = match (&replacement.source, &replacement.source_value) {
        _ if replacement.targets.is_none() => None,
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(wrong("value and resource selectors are mutually exclusive"));
        }
        (None, Some(own)) => Some(Source::Value(Node::scalar(&own.text).at(own.place))),
        (Some(source), None) => Some(find_source(map, source)?),
    };
    let (Some(mut source), Some(targets)) = (source, &replacement.targets) else {
        return Err(wrong("replacements must specify a source and at least one target"));
    };
    for target in targets {
        let target =
            target.as_ref().ok_or_else(|| wrong("target must specify resources to select"))?;
        write_target(map, &mut source, target)?;
    }
    Ok(())
}

/// A source selector as upstream prints its id.
fn shown_source(source: &SourceSelector) -> String {
    let or = |text: &str, absent: &str| {
        if text.is_empty() { absent.to_owned() } else { text.to_owned() }
    };
    format!("{}/{}.{}", source.gvk, or(&source.name, "[noName]"), or(&source.namespace, "[noNs]"))
}

fn shown_selector(source: &SourceSelector) -> String {
    let mut parts = vec![shown_source(source)];
    if !source.field_path.is_empty() {
        parts.push(source.field_path.clone());
    }
    if let Some(options) = &source.options
        && (!options.delimiter.is_empty() || options.create)
    {
        parts.push(format!("{}({}), create={}", options.delimiter, options.index, options.create));
    }
    parts.join(":")
}

/// Whether a source selector names this id.
fn names(source: &SourceSelector, id: &ResId) -> bool {
    let or_default = |text: &str| {
        if text.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { text.to_owned() }
    };
    (source.name.is_empty() || source.name == *id.name)
        && (source.namespace.is_empty()
            || or_default(&source.namespace) == or_default(&id.namespace))
        && id.gvk.is_selected(&source.gvk)
}

fn find_source(map: &ResMap, source: &SourceSelector) -> Result<Source> {
    let found = map.positions(|object| object.all_ids().any(|id| names(source, id)));
    let shown = || shown_selector(source);
    let at = match found.as_slice() {
        [one] => *one,
        [] => {
            return Err(BuildError::new(
                ErrorKind::NoTarget,
                format!("nothing selected by {}", shown()),
            )
            .says(format!("no object is the replacement source {}", shown_source(source))));
        }
        _ => {
            let words = format!("multiple matches for selector {}", shown());
            return Err(BuildError::new(ErrorKind::AmbiguousTarget, words));
        }
    };
    let field = if source.field_path.is_empty() { DEFAULT_FIELD } else { &source.field_path };
    let parts = path::split_fields(field);
    let object = map.objects().get(at).ok_or_else(|| wrong("source lost"))?;
    let node = path::lookup(object.node(), &parts)
        .map_err(|error| error.wrap("error looking up replacement source"))?;
    let Some(node) = node.filter(|node| !path::is_null_or_empty(node)) else {
        let id = shown_source(source);
        let words = format!("fieldPath `{field}` is missing for replacement source {id}");
        return Err(wrong(words).says(format!("`{}` has no field `{field}`", shown_object(object))));
    };
    let last = object.detached(node);
    match &source.options {
        Some(options) if !options.delimiter.is_empty() => {
            refined(&last, options).map(Source::Value)
        }
        _ => Ok(Source::Field { object: at, path: parts, last }),
    }
}

fn shown_object(object: &Object) -> String {
    shown(object.id())
}

/// One part of a value.
fn refined(node: &Node, options: &FieldOptions) -> Result<Node> {
    if !node.is_scalar() {
        return Err(wrong("delimiter option can only be used with scalar nodes"));
    }
    let text = path::value_text(node);
    let index = options.index;
    let part = usize::try_from(index).ok().and_then(|i| text.split(&*options.delimiter).nth(i));
    let Some(part) = part else {
        let words = format!("options.index {index} is out of bounds for value {text}");
        return Err(wrong(words).says(format!("options.index {index}: the value has fewer parts")));
    };
    let mut node = node.clone();
    node.set_text(part);
    Ok(node)
}

/// A target's selectors, compiled.
struct Chosen<'t> {
    regex: SelectorRegex,
    labels: LabelSelector,
    annotations: LabelSelector,
    rejects: Vec<(&'t Selector, SelectorRegex)>,
}

fn write_target(map: &mut ResMap, source: &mut Source, target: &TargetSelector) -> Result<()> {
    let select =
        target.select.as_ref().ok_or_else(|| wrong("target must specify resources to select"))?;
    let compiled = |selector: &Selector| {
        SelectorRegex::new(selector).map_err(|e| e.wrap("error creating target selector"))
    };
    let mut rejects = Vec::new();
    for reject in target.reject.iter().flatten() {
        rejects.push((reject, compiled(reject)?));
    }
    let regex = compiled(select)?;
    let annotations = LabelSelector::parse(&select.annotation_selector)?;
    let labels = LabelSelector::parse(&select.label_selector)?;
    let chosen = Chosen { regex, labels, annotations, rejects };
    let default = [DEFAULT_FIELD.to_owned()];
    let fields: &[String] =
        if target.field_paths.is_empty() { &default } else { &target.field_paths };
    for at in 0..map.len() {
        let Some(object) = map.objects().get(at) else { continue };
        if !chosen.chooses(object)? {
            continue;
        }
        for field in fields {
            let value = Value { node: source.read(map), own: source.path_in(at) };
            let Some(object) = map.objects_mut().get_mut(at) else { continue };
            write_field(object, field, value, target.options.as_ref())?;
        }
    }
    Ok(())
}

impl Chosen<'_> {
    fn chooses(&self, object: &Object) -> Result<bool> {
        if !selector::fits_metadata(object, &self.labels, &self.annotations) {
            return Ok(false);
        }
        for (reject, _) in &self.rejects {
            if reject.annotation_selector.is_empty() && reject.label_selector.is_empty() {
                continue;
            }
            let annotations = LabelSelector::parse(&reject.annotation_selector)?;
            let labels = LabelSelector::parse(&reject.label_selector)?;
            if selector::fits_metadata(object, &labels, &annotations) {
                return Ok(false);
            }
        }
        let fits = |regex: &SelectorRegex, id: &ResId| {
            regex.fits_type(&id.gvk)
                && regex.fits_name(&id.name)
                && regex.fits_namespace(&id.namespace)
        };
        for (reject, regex) in &self.rejects {
            let names_none =
                reject.gvk.is_empty() && reject.name.is_empty() && reject.namespace.is_empty();
            if !names_none && object.all_ids().any(|id| fits(regex, id)) {
                return Ok(false);
            }
        }
        Ok(object.all_ids().any(|id| fits(&self.regex, id)))
    }
}

/// What is written into a field.
struct Value {
    node: Node,
    /// Where it stands in the object that is written to, if it does: each write may change it.
    own: Option<Vec<String>>,
}

impl Value {
    fn read_again(&mut self, object: &Object) {
        let Some(path) = &self.own else { return };
        if let Ok(Some(node)) = path::lookup(object.node(), path) {
            self.node = object.detached(node);
        }
    }
}

fn write_field(
    object: &mut Object,
    field: &str,
    value: Value,
    options: Option<&FieldOptions>,
) -> Result<()> {
    let create = options.is_some_and(|options| options.create).then(|| Kind::of(&value.node));
    let parts = path::split_fields(field);
    let mut pen = Pen::default();
    let outcome =
        if structured_data::set(object.node_mut(), &parts, &value.node, create, &mut pen).is_ok() {
            Ok(())
        } else {
            write_plain(object, field, &parts, value, create, options, &mut pen)
        };
    object.settle(pen);
    outcome
}

fn write_plain(
    object: &mut Object,
    field: &str,
    parts: &[String],
    mut value: Value,
    create: Option<Kind>,
    options: Option<&FieldOptions>,
    pen: &mut Pen,
) -> Result<()> {
    let verb = if create.is_some() { "find or create" } else { "find" };
    let missing = format!("unable to {verb} field {field:?} in replacement target");
    let name = shown_object(object);
    let says = format!("`{name}` has no field `{field}`");
    let found = path_matcher::find(object.node_mut(), parts, create)
        .map_err(|error| error.wrap(&missing).says(says.clone()))?;
    if found.is_empty() {
        return Err(wrong(missing).says(says));
    }
    for place in found {
        // What is looked for may have been made inside of the source.
        value.read_again(object);
        // A match inside of text that is only read has no place in the object.
        let Some(node) = place.and_then(|at| path_matcher::at_mut(object.node_mut(), &at)) else {
            continue;
        };
        set_value(node, &value.node, options, pen)?;
    }
    Ok(())
}

fn set_value(
    node: &mut Node,
    value: &Node,
    options: Option<&FieldOptions>,
    pen: &mut Pen,
) -> Result<()> {
    let mut value = value.clone();
    if let Some(options) = options.filter(|options| !options.delimiter.is_empty()) {
        if !node.is_scalar() {
            return Err(wrong("delimiter option can only be used with scalar nodes"));
        }
        let text = path::value_text(&value).to_owned();
        let mut parts: Vec<&str> = path::text(node).split(&*options.delimiter).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &text),
            Ok(index) => match parts.get_mut(index) {
                Some(part) => *part = &text,
                None => parts.push(&text),
            },
        }
        let joined = parts.join(&options.delimiter);
        value.set_text(&joined);
    }
    if node.is_scalar() {
        // Only the text is copied: what the target held decides what it means.
        let mut new = node.clone();
        new.set_text(path::text(&value));
        pen.write(node, new.at(value.place()));
    } else {
        *node = value;
    }
    Ok(())
}
