//! Between the messages of the protocol and our own types.

use std::collections::BTreeMap;

use crate::{
    Deferred, Diagnostic, Diagnostics, Fault, Path, Schema, Severity, Type, Value,
    proto::tfplugin5::{
        self as proto, AttributePath, DynamicValue, attribute_path,
        schema::{self, nested_block::NestingMode},
    },
    schema::{Attribute, Block, NestedBlock, Nesting},
    value::{Step, json, msgpack},
};

/// Reads a value of a schema; both forms empty, or no value at all, is null.
pub(crate) fn value(ty: &Type, message: Option<&DynamicValue>) -> Result<Value, Fault> {
    match message {
        Some(message) if !message.msgpack.is_empty() => Ok(msgpack::decode(ty, &message.msgpack)?),
        Some(message) if !message.json.is_empty() => Ok(json::decode(ty, &message.json)?),
        _ => Ok(Value::Null),
    }
}

pub(crate) fn dynamic(ty: &Type, value: &Value) -> Result<DynamicValue, Fault> {
    Ok(DynamicValue { msgpack: msgpack::encode(ty, value)?, json: Vec::new() })
}

pub(crate) fn diagnostics(diagnostics: &Diagnostics) -> Vec<proto::Diagnostic> {
    diagnostics.iter().map(diagnostic).collect()
}

fn diagnostic(diagnostic: &Diagnostic) -> proto::Diagnostic {
    let severity = match diagnostic.severity {
        Severity::Error => proto::diagnostic::Severity::Error,
        Severity::Warning => proto::diagnostic::Severity::Warning,
    };
    proto::Diagnostic {
        severity: severity.into(),
        summary: diagnostic.summary.clone(),
        detail: diagnostic.detail.clone(),
        attribute: diagnostic.path.as_ref().map(path),
    }
}

pub(crate) fn deferred(reason: Deferred) -> proto::Deferred {
    use proto::deferred::Reason;
    let reason = match reason {
        Deferred::ResourceConfigUnknown => Reason::ResourceConfigUnknown,
        Deferred::ProviderConfigUnknown => Reason::ProviderConfigUnknown,
        Deferred::AbsentPrerequisite => Reason::AbsentPrereq,
    };
    proto::Deferred { reason: reason.into() }
}

pub(crate) fn path(path: &Path) -> AttributePath {
    use attribute_path::step::Selector;
    let steps = path.steps().iter().map(|step| {
        let selector = match step {
            Step::Attribute(name) => Selector::AttributeName(name.clone()),
            Step::Key(key) => Selector::ElementKeyString(key.clone()),
            Step::Index(index) => Selector::ElementKeyInt(i64::try_from(*index).unwrap_or(i64::MAX)),
        };
        attribute_path::Step { selector: Some(selector) }
    });
    AttributePath { steps: steps.collect() }
}

pub(crate) fn schema(schema: &Schema) -> proto::Schema {
    proto::Schema { version: schema.version, block: Some(block(&schema.block, schema.version)) }
}

pub(crate) fn schemas(schemas: &BTreeMap<String, Schema>) -> std::collections::HashMap<String, proto::Schema> {
    schemas.iter().map(|(name, one)| (name.clone(), schema(one))).collect()
}

fn block(block: &Block, version: i64) -> schema::Block {
    schema::Block {
        version,
        attributes: block.attributes.iter().map(attribute).collect(),
        block_types: block.blocks.iter().map(nested).collect(),
        description: block.description.clone(),
        description_kind: proto::StringKind::Markdown.into(),
        deprecated: block.deprecated.is_some(),
        deprecation_message: block.deprecated.clone().unwrap_or_default(),
    }
}

fn attribute(attribute: &Attribute) -> schema::Attribute {
    schema::Attribute {
        name: attribute.name.clone(),
        r#type: attribute.ty.to_json_bytes(),
        description: attribute.long_description(),
        required: attribute.required,
        optional: attribute.optional,
        computed: attribute.computed,
        sensitive: attribute.sensitive,
        description_kind: proto::StringKind::Markdown.into(),
        deprecated: attribute.deprecated.is_some(),
        write_only: attribute.write_only,
        deprecation_message: attribute.deprecated.clone().unwrap_or_default(),
    }
}

fn nested(nested: &NestedBlock) -> schema::NestedBlock {
    let nesting = match nested.nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
        Nesting::Group => NestingMode::Group,
    };
    let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
    let mut inner = block(&nested.block, 0);
    if !nested.description.is_empty() {
        inner.description.clone_from(&nested.description);
    }
    schema::NestedBlock {
        type_name: nested.name.clone(),
        block: Some(inner),
        nesting: nesting.into(),
        min_items: count(nested.min),
        // of a single block Terraform wants the same number twice: 0, it may be left out, or 1, it must be there
        max_items: count(if nested.nesting == Nesting::Single { nested.min } else { nested.max }),
    }
}
