//! `buildMetadata:`: annotations that tell where an object came from and what changed it.

use super::error::BuildError;
use super::error::Result;
use super::kustomization_file::COMPONENT;
use super::loader::join;
use super::remote::RepoSpec;
use super::resmap::ResMap;
use super::resource::Object;
use super::resource::annotation;

/// Where an object or a configuration came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    path: String,
    repo: String,
    reference: String,
    configured_in: String,
    /// apiVersion, kind, name, namespace.
    configured_by: Option<[String; 4]>,
}

/// Go's `filepath.Join`: clean, and `..` stays in front.
fn join_path(from: &str, path: &str) -> String {
    if let Some(joined) = join(from, path) {
        return joined;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A YAML scalar for a path or a name.
fn scalar(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@=?&+~".contains(c));
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || "./_".contains(c));
    if plain && starts && !text.ends_with(':') && !super::path::reads_as_no_string(text) {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

impl Record {
    /// The record of what `path` names, seen from here.
    pub(crate) fn append(&self, path: &str) -> Self {
        let mut record = self.clone();
        match RepoSpec::parse(path) {
            Some(repo) => {
                record.repo = repo.clone_spec();
                record.reference = repo.reference;
                record.path = join_path("", &repo.root_path);
            }
            None => record.path = join_path(&record.path, path),
        }
        record
    }

    /// The record of a field of the kustomization `file` that runs the built-in `kind`.
    pub(crate) fn of_field(&self, file: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            repo: self.repo.clone(),
            reference: self.reference.clone(),
            configured_in: join_path(&self.path, file),
            configured_by: Some(["builtin".into(), kind.into(), String::new(), String::new()]),
        }
    }

    /// The record of a plugin's configuration, from its own record.
    pub(crate) fn of_plugin(object: &Object) -> Option<Self> {
        let own = Self::parse(object.annotation(annotation::ORIGIN)?);
        let id = object.id();
        let by = [&*id.gvk.api_version, &*id.gvk.kind, &*id.name, &*id.namespace];
        Some(Self {
            path: String::new(),
            repo: own.repo,
            reference: own.reference,
            configured_in: own.path,
            configured_by: Some(by.map(str::to_owned)),
        })
    }

    fn parse(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(": ") else { continue };
            let value = value.trim_matches('"').to_owned();
            match key {
                "path" => record.path = value,
                "repo" => record.repo = value,
                "ref" => record.reference = value,
                _ => {}
            }
        }
        record
    }

    /// The annotation's text.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        let fields = [
            ("path", &self.path),
            ("repo", &self.repo),
            ("ref", &self.reference),
            ("configuredIn", &self.configured_in),
        ];
        for (name, value) in fields {
            if !value.is_empty() {
                lines.push(format!("{name}: {}", scalar(value)));
            }
        }
        if let Some(by) = &self.configured_by {
            lines.push("configuredBy:".to_owned());
            for (name, value) in ["apiVersion", "kind", "name", "namespace"].iter().zip(by) {
                if !value.is_empty() {
                    lines.push(format!("  {name}: {}", scalar(value)));
                }
            }
        }
        if lines.is_empty() {
            return "{}\n".to_owned();
        }
        lines.join("\n") + "\n"
    }

    /// The text as an item of a list.
    fn item(&self) -> String {
        let text = self.text();
        let lines: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(i, line)| format!("{}{line}", if i == 0 { "- " } else { "  " }))
            .collect();
        lines.join("\n") + "\n"
    }
}

/// Notes on objects that lack it where they came from.
pub(crate) fn add_origin(objects: &mut [Object], record: &Record) -> Result<()> {
    for object in objects {
        if object.annotation(annotation::ORIGIN).is_none() {
            object.put_annotation(annotation::ORIGIN, &record.text())?;
        }
    }
    Ok(())
}

/// Notes a transformer on all objects; one that has no origin counts as made by it.
pub(crate) fn add_transformation(map: &mut ResMap, record: &Record) -> Result<()> {
    for object in map.objects_mut() {
        if object.annotation(annotation::ORIGIN).is_none() {
            object.put_annotation(annotation::ORIGIN, &record.text())?;
            continue;
        }
        let old = object.annotation(annotation::TRANSFORMATIONS).unwrap_or_default();
        let text = format!("{old}{}", record.item());
        object.put_annotation(annotation::TRANSFORMATIONS, &text)?;
    }
    Ok(())
}

/// The error for a directory of the wrong kind.
pub(crate) fn wrong_kind(is_component: bool, root: &str, kind: &str) -> BuildError {
    let (words, says, help) = if is_component {
        (
            format!("expected kind '{COMPONENT}' for path '{root}' but got '{kind}'"),
            format!("`{root}` is no Component"),
            "list it under `resources`, or set `kind: Component` in it",
        )
    } else {
        (
            format!("expected kind != '{COMPONENT}' for path '{root}'"),
            format!("`{root}` is a Component"),
            "list it under `components`",
        )
    };
    BuildError::new(super::error::ErrorKind::InvalidKustomization, words).says(says).advise(help)
}
