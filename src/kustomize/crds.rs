//! Files of `crds:`: definitions of types, whose fields say by extensions what they hold.
//!
//! A file that starts with a brace is JSON and is read as it stands: the last of equal names and of
//! equal fields of a definition counts, whatever their case, but a schema refuses a key that stands
//! twice. Any other file is YAML and loses equal keys on its way to JSON, whose keys are sorted.
//! Upstream: `api/internal/accumulator/loadconfigfromcrds.go`, `kube-openapi/pkg/validation/spec`.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::Map;
use serde_json::Value;

use super::build::Build;
use super::config::NameReference;
use super::config::TransformerConfig;
use super::config_file;
use super::decode::Located;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::fieldspec::FieldSpec;
use super::fieldspec::FieldSpecs;
use super::gvk::GvkPattern;
use super::loader::File;
use super::loader::Loader;
use super::unique_json;
use super::unique_json::Unique;

/// Deepest chain of definitions that name one another.
const DEFINITIONS_MAX: usize = 64;

/// All definitions of a file, by name.
type Definitions = BTreeMap<String, Definition>;

/// One definition; what it depends on is of no use here.
#[derive(Debug, Default)]
struct Definition {
    schema: Value,
}

impl Definition {
    fn properties(&self) -> Option<&Map<String, Value>> {
        self.schema.get("properties").and_then(Value::as_object)
    }

    fn is_object(&self) -> bool {
        let has = |field: &str| self.properties().is_some_and(|map| map.contains_key(field));
        has("kind") && has("apiVersion") && has("metadata")
    }
}

impl<'de> Deserialize<'de> for Definition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(DefinitionVisitor)
    }
}

struct DefinitionVisitor;

impl<'de> Visitor<'de> for DefinitionVisitor {
    type Value = Definition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a definition")
    }

    fn visit_unit<E>(self) -> std::result::Result<Definition, E> {
        Ok(Definition::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Definition, A::Error> {
        let mut definition = Definition::default();
        while let Some(key) = map.next_key::<String>()? {
            if key.replace('ſ', "s").eq_ignore_ascii_case("schema") {
                definition.schema = map.next_value::<Unique>()?.0;
                check(&definition.schema).map_err(A::Error::custom)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(definition)
    }
}

/// Refuses what cannot be a schema, as far as one is read here.
fn check(schema: &Value) -> std::result::Result<(), String> {
    let wrong = |what: &str| Err(format!("cannot unmarshal {what} that is no object"));
    match schema {
        Value::Null => Ok(()),
        Value::Object(fields) => match fields.get("properties") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Object(properties)) => properties.values().try_for_each(check),
            Some(_) => wrong("properties"),
        },
        _ => wrong("a schema"),
    }
}

/// The field specs that the definitions of all `paths` carry.
pub(crate) fn field_specs<'t>(
    build: &Build<'t>,
    loader: &Rc<Loader<'t>>,
    paths: &[Located],
) -> Result<TransformerConfig> {
    let mut merged = TransformerConfig::default();
    for path in paths {
        let file = build.load(loader, &path.text)?;
        let all = read(build, &file).map_err(|error| {
            error.wrap(format!("unable to parse open API definition from '{}'", path.text))
        })?;
        for name in all.iter().filter(|(_, each)| each.is_object()).map(|(name, _)| name) {
            let kind = name.rsplit('.').next().unwrap_or(name).to_owned();
            let gvk = GvkPattern { kind, ..GvkPattern::default() };
            let mut config = TransformerConfig::default();
            collect(&mut config, &gvk, &all, name, &mut Vec::new(), 0)?;
            config.sort();
            merged.merge(&config)?;
        }
    }
    Ok(merged)
}

fn read(build: &Build<'_>, file: &File) -> Result<Definitions> {
    let wrong = |words: String| BuildError::new(ErrorKind::InvalidYaml, words);
    let of_json = |error: serde_json::Error| {
        wrong(error.to_string()).at(&file.path, unique_json::line_of(&error))
    };
    match file.bytes.first() {
        None => return Err(wrong("no open API definitions".to_owned()).at(&file.path, 0)),
        Some(b'{') => return serde_json::from_slice(&file.bytes).map_err(of_json),
        Some(_) => {}
    }
    match config_file::document(build, file)? {
        Some(node) => {
            let json = node.to_kustomization_json();
            let json = json.map_err(|error| config_file::not_converted(file, &error))?;
            let all = serde_json::from_value::<Option<Definitions>>(json).map_err(of_json)?;
            Ok(all.unwrap_or_default())
        }
        None => Ok(Definitions::default()),
    }
}

fn collect(
    config: &mut TransformerConfig,
    gvk: &GvkPattern,
    all: &Definitions,
    name: &str,
    path: &mut Vec<String>,
    depth: usize,
) -> Result<()> {
    if depth > DEFINITIONS_MAX {
        return Err(BuildError::new(ErrorKind::Limit, format!("definitions of {name} never end")));
    }
    let list = all.get(name).and_then(Definition::properties);
    for (field, property) in list.into_iter().flatten() {
        let text = |key: &str| property.get(key).and_then(Value::as_str).map(str::to_owned);
        path.push(field.clone());
        let spec =
            |path: &[String]| FieldSpec { gvk: gvk.clone(), path: path.join("/"), create: false };
        if text("x-kubernetes-annotation").is_some() {
            config.common_annotations.merge_one(&spec(path))?;
        }
        if text("x-kubernetes-label-selector").is_some() {
            config.common_labels.merge_one(&spec(path))?;
        }
        if text("x-kubernetes-identity").is_some() {
            config.name_prefix.merge_one(&spec(path))?;
        }
        let version = text("x-kubernetes-object-ref-api-version");
        if let (Some(version), Some(kind)) = (version, text("x-kubernetes-object-ref-kind")) {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or_else(|| "name".into());
            let named: Vec<String> = path.iter().cloned().chain([key]).collect();
            config.merge_reference(&NameReference {
                target: GvkPattern { group: String::new(), version, kind },
                referrers: FieldSpecs(vec![spec(&named)]),
            })?;
        }
        if let Some(reference) = text("$ref") {
            collect(config, gvk, all, &reference, path, depth + 1)?;
        }
        path.pop();
    }
    Ok(())
}
