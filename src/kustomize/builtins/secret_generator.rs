//! `secretGenerator:`, and the plugin of that name.

use crate::kustomize::decode::decode_fields;
use crate::kustomize::error::Result;
use crate::kustomize::generated;
use crate::kustomize::kustomization::ObjectMeta;
use crate::kustomize::kustomization::SecretArgs;
use crate::kustomize::plugin::Generator;
use crate::kustomize::plugin::Helpers;
use crate::kustomize::resource::Object;
use crate::kustomize::yaml::Node;

use super::config_map_generator::from_metadata;

/// Makes one Secret; all values are encoded in base 64.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretGenerator {
    pub(crate) args: SecretArgs,
    pub(crate) metadata: ObjectMeta,
}

decode_fields!(SecretGenerator {
    "namespace" => args.args.namespace,
    "name" => args.args.name,
    "behavior" => args.args.behavior,
    "literals" => args.args.literals,
    "files" => args.args.files,
    "envs" => args.args.envs,
    "env" => args.args.env,
    "options" => args.args.options,
    "type" => args.args.kind,
    "metadata" => metadata,
});

impl Generator for SecretGenerator {
    fn generate(&mut self, helpers: &Helpers<'_, '_>) -> Result<Vec<Object>> {
        let args = &mut self.args.args;
        from_metadata(args, &self.metadata);
        let mut node = generated::base("Secret", args)?;
        let kind = if args.kind.is_empty() { "Opaque" } else { &args.kind };
        node.set("type", Node::string(kind));
        // A secret without data has an empty map, a ConfigMap has none.
        node.set("data", Node::mapping(Vec::new()));
        for (key, pair) in generated::pairs(helpers, args)? {
            generated::put(&mut node, "data", &key, generated::secret_value(&pair))?;
        }
        generated::finish(&mut node, args.options.as_ref())?;
        generated::object(node, args, helpers).map(|object| vec![object])
    }
}
