//! The service that Terraform calls: one small method a call.
//!
//! Each hands its message to the file of its subject, where the work is done under a guard, and sends whatever answer came of
//! it. What this provider doesn't offer at all answers UNIMPLEMENTED, as a provider would that was built before the call existed.

use tonic::{Request, Response, Status, async_trait, codegen::BoxStream};

use super::{
    Registry,
    service::{Answer, Service, split},
};
use crate::{
    Provider,
    proto::tfplugin5::{
        apply_resource_change, call_function, close_ephemeral_resource, configure, generate_resource_config,
        get_functions, get_metadata, get_provider_schema, get_resource_identity_schemas, import_resource_state,
        invoke_action, list_resource, move_resource_state, open_ephemeral_resource, plan_action, plan_resource_change,
        prepare_provider_config, provider_server, read_data_source, read_resource, renew_ephemeral_resource, stop,
        upgrade_resource_identity, upgrade_resource_state, validate_action_config, validate_data_source_config,
        validate_ephemeral_resource_config, validate_list_resource_config, validate_resource_type_config,
    },
};

/// Terraform knows what to do with an old provider.
fn offered<T: ?Sized>(registry: &Registry<T>) -> Result<(), Status> {
    if registry.is_empty() { Err(Status::unimplemented("this provider offers nothing of the kind")) } else { Ok(()) }
}

#[async_trait]
impl<P: Provider> provider_server::Provider for Service<P> {
    async fn get_metadata(&self, request: Request<get_metadata::Request>) -> Answer<get_metadata::Response> {
        let _ = request;
        Ok(Response::new(self.answer_get_metadata()))
    }

    async fn get_schema(
        &self,
        request: Request<get_provider_schema::Request>,
    ) -> Answer<get_provider_schema::Response> {
        let _ = request;
        Ok(Response::new(self.answer_get_schema()))
    }

    async fn get_functions(&self, request: Request<get_functions::Request>) -> Answer<get_functions::Response> {
        let _ = request;
        // answered even if there are none: OpenTofu, which asks for a function that isn't there, can then say just that
        Ok(Response::new(get_functions::Response { functions: self.functions(), diagnostics: Vec::new() }))
    }

    async fn call_function(&self, request: Request<call_function::Request>) -> Answer<call_function::Response> {
        offered(&self.server.functions)?;
        Ok(Response::new(self.answer_call_function(request.into_inner()).await))
    }

    async fn get_resource_identity_schemas(
        &self,
        request: Request<get_resource_identity_schemas::Request>,
    ) -> Answer<get_resource_identity_schemas::Response> {
        let _ = request;
        offered(&self.server.identities)?;
        Ok(Response::new(get_resource_identity_schemas::Response {
            identity_schemas: self.identity_schemas(),
            diagnostics: Vec::new(),
        }))
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<upgrade_resource_identity::Request>,
    ) -> Answer<upgrade_resource_identity::Response> {
        offered(&self.server.identities)?;
        let answer = self.answer_upgrade_resource_identity(request.into_inner()).await;
        let (upgraded_identity, diagnostics) = split(answer);
        Ok(Response::new(upgrade_resource_identity::Response { upgraded_identity, diagnostics }))
    }

    async fn prepare_provider_config(
        &self,
        request: Request<prepare_provider_config::Request>,
    ) -> Answer<prepare_provider_config::Response> {
        Ok(Response::new(self.answer_prepare(request.into_inner()).await))
    }

    async fn configure(&self, request: Request<configure::Request>) -> Answer<configure::Response> {
        let diagnostics = self.answer_configure(request.into_inner()).await;
        Ok(Response::new(configure::Response { diagnostics }))
    }

    async fn validate_resource_type_config(
        &self,
        request: Request<validate_resource_type_config::Request>,
    ) -> Answer<validate_resource_type_config::Response> {
        let diagnostics = self.answer_validate_resource(request.into_inner()).await;
        Ok(Response::new(validate_resource_type_config::Response { diagnostics }))
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<upgrade_resource_state::Request>,
    ) -> Answer<upgrade_resource_state::Response> {
        Ok(Response::new(self.answer_upgrade_resource(request.into_inner()).await))
    }

    async fn read_resource(&self, request: Request<read_resource::Request>) -> Answer<read_resource::Response> {
        Ok(Response::new(self.answer_read_resource(request.into_inner()).await))
    }

    async fn plan_resource_change(
        &self,
        request: Request<plan_resource_change::Request>,
    ) -> Answer<plan_resource_change::Response> {
        Ok(Response::new(self.answer_plan_resource(request.into_inner()).await))
    }

    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Answer<apply_resource_change::Response> {
        Ok(Response::new(self.answer_apply_resource(request.into_inner()).await))
    }

    async fn import_resource_state(
        &self,
        request: Request<import_resource_state::Request>,
    ) -> Answer<import_resource_state::Response> {
        Ok(Response::new(self.answer_import_resource(request.into_inner()).await))
    }

    async fn generate_resource_config(
        &self,
        request: Request<generate_resource_config::Request>,
    ) -> Answer<generate_resource_config::Response> {
        Ok(Response::new(self.answer_generate_config(request.into_inner()).await))
    }

    async fn move_resource_state(
        &self,
        request: Request<move_resource_state::Request>,
    ) -> Answer<move_resource_state::Response> {
        let (target_state, diagnostics) = split(self.answer_move_resource_state(request.into_inner()).await);
        Ok(Response::new(move_resource_state::Response { target_state, diagnostics, ..Default::default() }))
    }

    async fn validate_data_source_config(
        &self,
        request: Request<validate_data_source_config::Request>,
    ) -> Answer<validate_data_source_config::Response> {
        let request = request.into_inner();
        let (name, config) = (&request.type_name, request.config.as_ref());
        let diagnostics = self.answer_validate("ValidateDataSourceConfig", name, self.data_source(name), config).await;
        Ok(Response::new(validate_data_source_config::Response { diagnostics }))
    }

    async fn read_data_source(
        &self,
        request: Request<read_data_source::Request>,
    ) -> Answer<read_data_source::Response> {
        Ok(Response::new(self.answer_read_data_source(request.into_inner()).await))
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<validate_ephemeral_resource_config::Request>,
    ) -> Answer<validate_ephemeral_resource_config::Response> {
        offered(&self.server.ephemerals)?;
        let request = request.into_inner();
        let (name, config) = (&request.type_name, request.config.as_ref());
        let diagnostics =
            self.answer_validate("ValidateEphemeralResourceConfig", name, self.ephemeral(name), config).await;
        Ok(Response::new(validate_ephemeral_resource_config::Response { diagnostics }))
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<open_ephemeral_resource::Request>,
    ) -> Answer<open_ephemeral_resource::Response> {
        offered(&self.server.ephemerals)?;
        Ok(Response::new(self.answer_open_ephemeral(request.into_inner()).await))
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<renew_ephemeral_resource::Request>,
    ) -> Answer<renew_ephemeral_resource::Response> {
        offered(&self.server.ephemerals)?;
        Ok(Response::new(self.answer_renew_ephemeral(request.into_inner()).await))
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<close_ephemeral_resource::Request>,
    ) -> Answer<close_ephemeral_resource::Response> {
        offered(&self.server.ephemerals)?;
        Ok(Response::new(self.answer_close_ephemeral(request.into_inner()).await))
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<validate_list_resource_config::Request>,
    ) -> Answer<validate_list_resource_config::Response> {
        offered(&self.server.lists)?;
        let request = request.into_inner();
        let (name, config) = (&request.type_name, request.config.as_ref());
        let diagnostics = self
            .answer_validate("ValidateListResourceConfig", name, self.lister(name).map(AsRef::as_ref), config)
            .await;
        Ok(Response::new(validate_list_resource_config::Response { diagnostics }))
    }

    async fn validate_action_config(
        &self,
        request: Request<validate_action_config::Request>,
    ) -> Answer<validate_action_config::Response> {
        offered(&self.server.actions)?;
        let request = request.into_inner();
        let (name, config) = (&request.action_type, request.config.as_ref());
        let diagnostics =
            self.answer_validate("ValidateActionConfig", name, self.action(name).map(AsRef::as_ref), config).await;
        Ok(Response::new(validate_action_config::Response { diagnostics }))
    }

    async fn plan_action(&self, request: Request<plan_action::Request>) -> Answer<plan_action::Response> {
        offered(&self.server.actions)?;
        Ok(Response::new(self.answer_plan_action(request.into_inner()).await))
    }

    async fn list_resource(&self, request: Request<list_resource::Request>) -> Answer<BoxStream<list_resource::Event>> {
        offered(&self.server.lists)?;
        Ok(Response::new(Box::pin(self.answer_list(request.into_inner()).await)))
    }

    async fn invoke_action(&self, request: Request<invoke_action::Request>) -> Answer<BoxStream<invoke_action::Event>> {
        offered(&self.server.actions)?;
        Ok(Response::new(Box::pin(self.answer_invoke_action(request.into_inner()).await)))
    }

    async fn stop(&self, _: Request<stop::Request>) -> Answer<stop::Response> {
        tracing::info!("Terraform asks to stop");
        self.stop();
        Ok(Response::new(stop::Response::default()))
    }
}
