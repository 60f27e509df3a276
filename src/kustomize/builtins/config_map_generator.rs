//! `configMapGenerator:`, and the plugin of that name.

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::Result;
use crate::kustomize::generated;
use crate::kustomize::kustomization::ConfigMapArgs;
use crate::kustomize::kustomization::GeneratorArgs;
use crate::kustomize::kustomization::ObjectMeta;
use crate::kustomize::plugin::Generator;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::resource::Object;

/// Makes one ConfigMap: text that is UTF-8 goes to `data`, all other to `binaryData`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigMapGenerator {
    pub(crate) args: ConfigMapArgs,
    pub(crate) metadata: ObjectMeta,
}

decode_fields!(ConfigMapGenerator {
    "namespace" => args.args.namespace,
    "name" => args.args.name,
    "behavior" => args.args.behavior,
    "literals" => args.args.literals,
    "files" => args.args.files,
    "envs" => args.args.envs,
    "env" => args.args.env,
    "options" => args.args.options,
    "metadata" => metadata,
});

/// Name and namespace from a plugin's metadata where its fields have none.
pub(super) fn from_metadata(args: &mut GeneratorArgs, metadata: &ObjectMeta) {
    if args.name.is_empty() {
        args.name.clone_from(&metadata.name);
    }
    if args.namespace.is_empty() {
        args.namespace.clone_from(&metadata.namespace);
    }
}

impl Generator for ConfigMapGenerator {
    fn generate(&mut self, helpers: &Helpers<'_, '_>) -> Result<Vec<Object>> {
        let args = &mut self.args.args;
        from_metadata(args, &self.metadata);
        let mut node = generated::base("ConfigMap", args)?;
        for (key, pair) in generated::pairs(helpers, args)? {
            let (field, value) = generated::config_map_value(&pair);
            generated::put(&mut node, field, &key, value)?;
        }
        generated::finish(&mut node, args.options.as_ref())?;
        generated::object(node, args, helpers).map(|object| vec![object])
    }
}
