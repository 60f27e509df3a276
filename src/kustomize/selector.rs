//! Choosing objects: anchored regular expressions on type, name and namespace, plus selectors on
//! labels and annotations. Upstream: `api/types/selector.go`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use regex::Regex;
use regex::RegexBuilder;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::gvk::Gvk;
use super::kustomization::Selector;
use super::label_selector::LabelSelector;
use super::resmap::ResMap;
use super::resource::Object;

/// Most bytes that one compiled regular expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A part of a selector: `None` stands for any text.
type Pattern = Option<Regex>;

/// A selector, compiled.
#[derive(Debug)]
pub(crate) struct SelectorRegex {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
}

/// Most expressions that are kept for the next build that has them.
const KEPT_MAX: usize = 1024;

/// A regular expression in Go's syntax, within limits. Compiling one takes longer than most of
/// what is done with it, and overlays repeat those of one another.
pub(crate) fn compile(pattern: &str) -> Result<Regex> {
    static KEPT: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    if let Some(known) = KEPT.lock().unwrap_or_else(PoisonError::into_inner).get(pattern) {
        return Ok(known.clone());
    }
    let compiled = compile_anew(pattern)?;
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(pattern.to_owned(), compiled.clone());
    Ok(compiled)
}

fn compile_anew(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let words = format!("error parsing regexp: {reason}: `{pattern}`");
        BuildError::new(ErrorKind::InvalidSelector, words)
            .says(format!("`{pattern}` is not a regular expression"))
    })
}

fn anchored(pattern: &str) -> Result<Pattern> {
    if pattern.is_empty() {
        return Ok(None);
    }
    compile(&format!("^(?:{pattern})$")).map(Some)
}

fn fits(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

impl SelectorRegex {
    pub(crate) fn new(selector: &Selector) -> Result<Self> {
        Ok(Self {
            group: anchored(&selector.gvk.group)?,
            version: anchored(&selector.gvk.version)?,
            kind: anchored(&selector.gvk.kind)?,
            name: anchored(&selector.name)?,
            namespace: anchored(&selector.namespace)?,
        })
    }

    pub(crate) fn fits_type(&self, gvk: &Gvk) -> bool {
        fits(&self.kind, &gvk.kind)
            && fits(&self.group, gvk.group())
            && fits(&self.version, gvk.version())
    }

    pub(crate) fn fits_name(&self, name: &str) -> bool {
        fits(&self.name, name)
    }

    pub(crate) fn fits_namespace(&self, namespace: &str) -> bool {
        fits(&self.namespace, namespace)
    }
}

/// Whether the labels and annotations of `object` fit the selectors.
pub(crate) fn fits_metadata(
    object: &Object,
    labels: &LabelSelector,
    annotations: &LabelSelector,
) -> bool {
    (labels.is_empty() || labels.matches(&object.labels()))
        && (annotations.is_empty() || annotations.matches(&object.annotations()))
}

/// Positions of the objects that `selector` chooses, by their first or current name and namespace.
pub(crate) fn select(map: &ResMap, selector: &Selector) -> Result<Vec<usize>> {
    let regex = SelectorRegex::new(selector)?;
    let mut labels = None;
    let mut annotations = None;
    let mut found = Vec::new();
    for (i, object) in map.objects().iter().enumerate() {
        let (now, first) = (object.id(), object.original_id());
        let namespace = regex.fits_namespace(first.effective_namespace())
            || regex.fits_namespace(now.effective_namespace());
        if !namespace || !(regex.fits_name(&first.name) || regex.fits_name(&now.name)) {
            continue;
        }
        if !regex.fits_type(&now.gvk) {
            continue;
        }
        // Parsed only once an object comes this far: a wrong selector that none meets is no error.
        if labels.is_none() {
            labels = Some(LabelSelector::parse(&selector.label_selector)?);
        }
        let Some(by_label) = &labels else { continue };
        if !(by_label.is_empty() || by_label.matches(&object.labels())) {
            continue;
        }
        if annotations.is_none() {
            annotations = Some(LabelSelector::parse(&selector.annotation_selector)?);
        }
        let Some(by_annotation) = &annotations else { continue };
        if by_annotation.is_empty() || by_annotation.matches(&object.annotations()) {
            found.push(i);
        }
    }
    Ok(found)
}
