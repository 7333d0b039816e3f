//! Looking at what Terraform doesn't own.

use super::{
    check, convert,
    erased::{Call, READ_ADVICE},
    guard::limited,
    service::Service,
    validate::Registered,
};
use crate::{DataSource, Deferred, Diagnostics, Model, Provider, Value, plan, proto::tfplugin5::read_data_source};

/// What was found; null if that couldn't be seen.
pub(crate) struct Looked {
    pub(crate) state: Value,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) deferred: Option<Deferred>,
}

pub(crate) async fn read<D: DataSource>(registered: &Registered<D>, call: Call<D::Client>, config: Value) -> Looked {
    let (ctx, limits) = call.start(format!("Reading `{}`", D::NAME), READ_ADVICE, D::READ_TIMEOUT);
    let seen = limited(&limits, async {
        let state = registered.inner.read(&ctx, D::Model::decode(&config)?).await?.encode();
        let state = plan::respell(registered.block(), &config, state);
        if ctx.deferred().is_none() {
            check::wholly_known(D::NAME, &state)?;
        }
        Ok(state)
    })
    .await;
    let mut diagnostics = ctx.warnings();
    let state = seen.unwrap_or_else(|fault| {
        diagnostics.extend(fault.diagnostics);
        Value::Null
    });
    Looked { state, diagnostics, deferred: ctx.deferred() }
}

impl<P: Provider> Service<P> {
    pub(super) async fn answer_read_data_source(
        &self,
        request: read_data_source::Request,
    ) -> read_data_source::Response {
        let capabilities = request.client_capabilities.as_ref();
        let read = self.work("ReadDataSource", &request.type_name, async {
            let data_source = self.data_source(&request.type_name)?;
            let block = &data_source.schema().block;
            let ty = block.ty();
            let config = convert::value(&ty, request.config.as_ref())?;
            let looked = match self.deferred(capabilities) {
                Some(reason) => Looked {
                    state: plan::initial(block, &Value::Null, &config, &config),
                    diagnostics: Diagnostics::default(),
                    deferred: Some(reason),
                },
                None => {
                    let call = self.call_with(capabilities, self.meta(request.provider_meta.as_ref())?)?;
                    data_source.read(call, config).await
                }
            };
            Ok(read_data_source::Response {
                state: Some(convert::dynamic(&ty, &looked.state)?),
                diagnostics: convert::diagnostics(&looked.diagnostics),
                deferred: looked.deferred.map(convert::deferred),
            })
        });
        read.await.unwrap_or_else(|fault| read_data_source::Response {
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })
    }
}
