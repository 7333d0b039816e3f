//! How a configuration is checked: the same way for everything that a provider offers.

use std::sync::LazyLock;

use super::{
    convert,
    service::{Service, said},
};
use crate::{
    Diagnostics, Fault, Model, Provider, Schema, Value,
    proto::tfplugin5::{self as proto, DynamicValue},
    schema::{self, Block},
};

/// What has a schema, and so can be configured.
pub(crate) trait Validated: Send + Sync {
    fn schema(&self) -> &Schema;
    fn validate(&self, config: &Value) -> Diagnostics;
}

type Made<T> = Box<dyn FnOnce() -> T + Send>;
type Checked<T> = Box<dyn Fn(&T, &Block, &Value) -> Diagnostics + Send + Sync>;

/// Something that a provider offers, with its schema, which is made when it is first needed: most processes need one or two of all.
pub(crate) struct Registered<T> {
    pub(crate) inner: T,
    schema: LazyLock<Schema, Made<Schema>>,
    check: Checked<T>,
}

impl<T: 'static> Registered<T> {
    /// What is configured with an `M`, which its author checks with `own`.
    pub(crate) fn new<M: Model>(inner: T, version: i64, own: fn(&T, &M, &mut Diagnostics)) -> Self {
        let schema: Made<Schema> = Box::new(move || Schema { version, block: M::block() });
        let check = move |inner: &T, block: &Block, config: &Value| {
            check(block, config, |config: &M, diags| own(inner, config, diags))
        };
        Self { inner, schema: LazyLock::new(schema), check: Box::new(check) }
    }

    pub(crate) fn block(&self) -> &Block {
        &self.schema.block
    }
}

impl<T: Send + Sync + 'static> Validated for Registered<T> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: &Value) -> Diagnostics {
        (self.check)(&self.inner, self.block(), config)
    }
}

/// What the schema says of a configuration, and then its author, if it can be read at all.
pub(crate) fn check<M: Model>(block: &Block, config: &Value, own: impl FnOnce(&M, &mut Diagnostics)) -> Diagnostics {
    let mut diags = schema::validate(block, config);
    match M::decode(config) {
        Ok(model) => own(&model, &mut diags),
        // the schema's check has said it already, and better
        Err(_) if diags.has_errors() => {}
        Err(error) => diags.extend(Fault::from(error).diagnostics),
    }
    diags
}

impl<P: Provider> Service<P> {
    /// Answers a call that asks for it.
    pub(super) async fn answer_validate<V: Validated + ?Sized>(
        &self,
        rpc: &'static str,
        name: &str,
        found: Result<&V, Fault>,
        config: Option<&DynamicValue>,
    ) -> Vec<proto::Diagnostic> {
        let checked = self.work(rpc, name, async {
            let one = found?;
            Ok(one.validate(&convert::value(&one.schema().block.ty(), config)?))
        });
        said(checked.await)
    }
}
