//! The provider's own configuration.

use super::{
    convert,
    service::{Service, can_defer, said},
    validate::check,
};
use crate::{
    Diagnostics, Fault, Model, Provider,
    proto::tfplugin5::{self as proto, configure, prepare_provider_config},
};

impl<P: Provider> Service<P> {
    pub(super) async fn answer_prepare(
        &self,
        request: prepare_provider_config::Request,
    ) -> prepare_provider_config::Response {
        let checked = self.work("PrepareProviderConfig", "", async {
            let block = P::Config::block();
            let config = convert::value(&block.ty(), request.config.as_ref())?;
            Ok(check(&block, &config, |config, diags| self.server.provider.validate(config, diags)))
        });
        let diagnostics = said(checked.await);
        prepare_provider_config::Response { prepared_config: request.config, diagnostics }
    }

    pub(super) async fn answer_configure(&self, request: configure::Request) -> Vec<proto::Diagnostic> {
        let configured = self.work("Configure", "", async {
            let config = convert::value(&P::Config::block().ty(), request.config.as_ref())?;
            // a configuration that isn't there is an empty one
            let config = if config.is_null() { P::Config::default() } else { P::Config::decode(&config)? };
            let allowed = can_defer(request.client_capabilities.as_ref());
            let deferred = if allowed { self.server.provider.defer(&config) } else { None };
            let client = self.server.provider.configure(config, &request.terraform_version).await?;
            self.set_configured(client, deferred);
            Ok::<_, Fault>(Diagnostics::default())
        });
        said(configured.await)
    }
}
