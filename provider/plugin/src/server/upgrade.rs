//! State as it was written, in the shape of today.

use crate::{Fault, Schema, Value, value::json};

/// Reads stored state. Terraform asks for this on every read, also when the versions are the same.
///
/// What the schema doesn't have is dropped, what it has and the state lacks is null.
pub(crate) fn upgrade(name: &str, schema: &Schema, version: i64, stored: &[u8]) -> Result<Value, Fault> {
    if version != schema.version {
        let way_out = if version > schema.version {
            "It was written by a newer version of the provider: use that one, or a later one."
        } else {
            "This version of the provider can't read it: apply once with the version that wrote it or the next one after it."
        };
        return Err(Fault::new(
            "Unreadable state",
            format!(
                "The state of `{name}` has version {version}, this provider knows version {}. {way_out}",
                schema.version
            ),
        ));
    }
    let value = json::decode(&schema.block.ty(), stored)?;
    Ok(schema.block.conform(value))
}
