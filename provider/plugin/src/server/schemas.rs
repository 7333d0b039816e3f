use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::{
    Parameter, Schema, Signature,
    schema::{Attribute, Block, NestedBlock, Nesting},
};

/// Everything that a provider offers, as data.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderSchemas {
    /// The `provider` block.
    pub provider: Schema,
    /// The `provider_meta` block.
    pub provider_meta: Option<Schema>,
    /// By name.
    pub resources: BTreeMap<String, Schema>,
    /// By name.
    pub data_sources: BTreeMap<String, Schema>,
    /// By name.
    pub ephemerals: BTreeMap<String, Schema>,
    /// What narrows down a list, by the name of its resource.
    pub lists: BTreeMap<String, Schema>,
    /// By name.
    pub actions: BTreeMap<String, Schema>,
    /// By name.
    pub functions: BTreeMap<String, Signature>,
}

impl ProviderSchemas {
    /// What is wrong with these schemas, for a test that expects nothing: what Terraform would refuse, and what lacks words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let all = [("provider", &self.provider)]
            .into_iter()
            .chain(self.provider_meta.iter().map(|schema| ("provider_meta", schema)))
            .chain(self.resources.iter().map(|(name, schema)| (name.as_str(), schema)))
            .chain(self.data_sources.iter().map(|(name, schema)| (name.as_str(), schema)))
            .chain(self.ephemerals.iter().map(|(name, schema)| (name.as_str(), schema)))
            .chain(self.lists.iter().map(|(name, schema)| (name.as_str(), schema)))
            .chain(self.actions.iter().map(|(name, schema)| (name.as_str(), schema)));
        let blocks = all.flat_map(|(name, schema)| {
            schema.block.problems().into_iter().map(move |problem| format!("{name}: {problem}"))
        });
        let functions = self.functions.iter().flat_map(|(name, signature)| {
            signature.problems().into_iter().map(move |problem| format!("{name}(): {problem}"))
        });
        blocks.chain(functions).chain(self.misplaced()).collect()
    }

    /// Only resources have a state from which something could be kept out.
    fn misplaced(&self) -> Vec<String> {
        let others = [&self.data_sources, &self.ephemerals, &self.lists, &self.actions];
        let others = others.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema));
        let others = others.chain([("provider", &self.provider)]);
        let others = others.chain(self.provider_meta.iter().map(|schema| ("provider_meta", schema)));
        others
            .filter(|(_, schema)| schema.block.has_write_only())
            .map(|(name, _)| format!("{name}: only resources can have write-only attributes"))
            .collect()
    }

    /// The form of one provider in the output of `terraform providers schema -json`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let all = |schemas: &BTreeMap<String, Schema>| -> Json {
            schemas.iter().map(|(name, one)| (name.clone(), schema(one))).collect::<serde_json::Map<_, _>>().into()
        };
        let mut json = json!({
            "provider": schema(&self.provider),
            "resource_schemas": all(&self.resources),
            "data_source_schemas": all(&self.data_sources),
        });
        // Terraform leaves out what there is none of; of `provider_meta` it never says anything
        if !self.ephemerals.is_empty() {
            json["ephemeral_resource_schemas"] = all(&self.ephemerals);
        }
        if !self.lists.is_empty() {
            json["list_resource_schemas"] = all(&self.lists);
        }
        if !self.actions.is_empty() {
            json["action_schemas"] = all(&self.actions);
        }
        for (name, signature) in &self.functions {
            json["functions"][name] = function(signature);
        }
        json
    }
}

fn schema(schema: &Schema) -> Json {
    json!({ "version": schema.version, "block": block(&schema.block, &schema.block.description) })
}

fn function(signature: &Signature) -> Json {
    let mut json = json!({
        "summary": signature.summary,
        "description": signature.description,
        "return_type": signature.returns.to_json(),
    });
    if !signature.parameters.is_empty() {
        json["parameters"] = signature.parameters.iter().map(parameter).collect();
    }
    if let Some(variadic) = &signature.variadic {
        json["variadic_parameter"] = parameter(variadic);
    }
    json
}

fn parameter(parameter: &Parameter) -> Json {
    let mut json = json!({
        "name": parameter.name,
        "description": parameter.description,
        "type": parameter.ty.to_json(),
    });
    if parameter.nullable {
        json["is_nullable"] = true.into();
    }
    json
}

fn block(block: &Block, description: &str) -> Json {
    let mut json = json!({ "description_kind": "markdown" });
    if !description.is_empty() {
        json["description"] = description.into();
    }
    if block.deprecated.is_some() {
        json["deprecated"] = true.into();
    }
    for one in &block.attributes {
        json["attributes"][&one.name] = attribute(one);
    }
    for one in &block.blocks {
        json["block_types"][&one.name] = nested(one);
    }
    json
}

fn attribute(attribute: &Attribute) -> Json {
    let mut json = json!({
        "type": attribute.ty.to_json(),
        "description": attribute.long_description(),
        "description_kind": "markdown",
    });
    for (name, set) in [
        ("required", attribute.required),
        ("optional", attribute.optional),
        ("computed", attribute.computed),
        ("sensitive", attribute.sensitive),
        ("write_only", attribute.write_only),
        ("deprecated", attribute.deprecated.is_some()),
    ] {
        if set {
            json[name] = true.into();
        }
    }
    json
}

fn nested(nested: &NestedBlock) -> Json {
    let (mode, counted) = match nested.nesting {
        // Terraform shows no numbers for a single block
        Nesting::Single => ("single", false),
        Nesting::List => ("list", true),
        Nesting::Set => ("set", true),
        Nesting::Map => ("map", false),
        Nesting::Group => ("group", false),
    };
    let description = if nested.description.is_empty() { &nested.block.description } else { &nested.description };
    let mut json = json!({ "nesting_mode": mode, "block": block(&nested.block, description) });
    for (name, limit) in [("min_items", nested.min), ("max_items", nested.max)] {
        if counted && limit > 0 {
            json[name] = limit.into();
        }
    }
    json
}
