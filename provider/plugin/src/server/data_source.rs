//! Looking at what Terraform doesn't own.

use super::{
    check,
    erased::{Call, READ_ADVICE, Registered},
    guard::limited,
};
use crate::{DataSource, Diagnostics, Model, Value};

pub(crate) async fn read<D: DataSource>(
    registered: &Registered<D>,
    call: Call<D::Client>,
    config: Value,
) -> (Value, Diagnostics) {
    let (ctx, limits) = call.start(format!("Reading `{}`", D::NAME), READ_ADVICE, D::READ_TIMEOUT);
    let seen = limited(&limits, async {
        let config = D::Model::decode(&config)?;
        let state = registered.inner.read(&ctx, config).await?.encode();
        check::wholly_known(D::NAME, &state).map(|()| state)
    })
    .await;
    let mut diagnostics = ctx.warnings();
    let state = seen.unwrap_or_else(|fault| {
        diagnostics.extend(fault.diagnostics);
        Value::Null
    });
    (state, diagnostics)
}
