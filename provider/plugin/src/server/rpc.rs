//! The service that Terraform calls: one small method a call.
//!
//! Each method reads its message, does the work under [`caught`], and makes an answer out of whatever came of it. What isn't
//! served here answers UNIMPLEMENTED, as a provider would that was built before the call existed.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait, codegen::BoxStream};
use tracing::Instrument;

use super::{
    Registry, Server,
    apply::ApplyRequest,
    convert,
    erased::{self, Call, ErasedDataSource, ErasedResource},
    guard::caught,
    identity::Anew,
    plan::PlanRequest,
    read::ReadRequest,
    upgrade,
};
use crate::{
    Diagnostics, Fault, Model, Provider, Value,
    proto::tfplugin5::{
        self as proto, apply_resource_change, call_function, close_ephemeral_resource, configure, get_functions,
        get_metadata, get_provider_schema, get_resource_identity_schemas, import_resource_state, invoke_action,
        list_resource, move_resource_state, open_ephemeral_resource, plan_action, plan_resource_change,
        prepare_provider_config, provider_server, read_data_source, read_resource, renew_ephemeral_resource, stop,
        upgrade_resource_identity, upgrade_resource_state, validate_action_config, validate_data_source_config,
        validate_ephemeral_resource_config, validate_list_resource_config, validate_resource_type_config,
    },
};

/// A [`Server`] at work.
pub(crate) struct Service<P: Provider> {
    pub(super) server: Server<P>,
    /// What the newest Configure made.
    client: RwLock<Option<Arc<P::Client>>>,
    /// Fires on Stop, and is then replaced by a fresh one.
    cancel: Mutex<CancellationToken>,
    calls: AtomicU64,
}

type Answer<T> = Result<Response<T>, Status>;

impl<P: Provider> Service<P> {
    pub(crate) fn new(server: Server<P>) -> Self {
        Self {
            server,
            client: RwLock::new(None),
            cancel: Mutex::new(CancellationToken::new()),
            calls: AtomicU64::new(0),
        }
    }

    /// Does the work of a call: panics become faults, and the log says who asked for what.
    pub(super) async fn work<T>(
        &self,
        rpc: &'static str,
        type_name: &str,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        let span = tracing::debug_span!(
            "rpc",
            tf_rpc = rpc,
            tf_req_id = id,
            tf_resource_type = type_name,
            tf_provider_addr = %self.server.address,
        );
        let start = Instant::now();
        let timed = async {
            let result = caught(work).await;
            let duration = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            match &result {
                Ok(_) => tracing::debug!(tf_req_duration_ms = duration, "served"),
                Err(fault) => tracing::debug!(tf_req_duration_ms = duration, %fault, "failed"),
            }
            result
        };
        timed.instrument(span).await
    }

    fn capabilities(&self) -> proto::ServerCapabilities {
        proto::ServerCapabilities {
            plan_destroy: true,
            get_provider_schema_optional: true,
            // without it, Terraform refuses a move in better words than we have
            move_resource_state: !self.server.moves.is_empty(),
            generate_resource_config: false,
        }
    }

    pub(super) fn resource(&self, name: &str) -> Result<&dyn ErasedResource<P::Client>, Fault> {
        self.server.resources.get(name).map(AsRef::as_ref).ok_or_else(|| unknown_type("resource", name))
    }

    fn data_source(&self, name: &str) -> Result<&dyn ErasedDataSource<P::Client>, Fault> {
        self.server.data_sources.get(name).map(AsRef::as_ref).ok_or_else(|| unknown_type("data source", name))
    }

    pub(super) fn call(&self) -> Result<Call<P::Client>, Fault> {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(client) = client else {
            return Err(Fault::new(
                "The provider isn't configured",
                "Terraform asked for a look at the world before it configured the provider. This is a bug of one of both.",
            ));
        };
        let cancel = self.cancel.lock().unwrap_or_else(PoisonError::into_inner).child_token();
        Ok(Call { client, cancel, grace: self.server.grace })
    }
}

pub(super) fn unknown_type(kind: &str, name: &str) -> Fault {
    Fault::new(format!("Unknown {kind}"), format!("This version of the provider has no {kind} `{name}`."))
}

pub(super) fn said(result: Result<Diagnostics, Fault>) -> Vec<proto::Diagnostic> {
    convert::diagnostics(&result.unwrap_or_else(|fault| fault.diagnostics))
}

#[async_trait]
impl<P: Provider> provider_server::Provider for Service<P> {
    async fn get_metadata(&self, _: Request<get_metadata::Request>) -> Answer<get_metadata::Response> {
        let server = &self.server;
        Ok(Response::new(get_metadata::Response {
            server_capabilities: Some(self.capabilities()),
            diagnostics: Vec::new(),
            resources: names(&server.resources, |type_name| get_metadata::ResourceMetadata { type_name }),
            data_sources: names(&server.data_sources, |type_name| get_metadata::DataSourceMetadata { type_name }),
            functions: names(&server.functions, |name| get_metadata::FunctionMetadata { name }),
            ephemeral_resources: names(&server.ephemerals, |type_name| get_metadata::EphemeralResourceMetadata {
                type_name,
            }),
            list_resources: names(&server.lists, |type_name| get_metadata::ListResourceMetadata { type_name }),
            actions: names(&server.actions, |type_name| get_metadata::ActionMetadata { type_name }),
        }))
    }

    async fn get_schema(&self, _: Request<get_provider_schema::Request>) -> Answer<get_provider_schema::Response> {
        let schemas = self.server.schemas();
        Ok(Response::new(get_provider_schema::Response {
            provider: Some(convert::schema(&schemas.provider)),
            resource_schemas: convert::schemas(&schemas.resources),
            data_source_schemas: convert::schemas(&schemas.data_sources),
            functions: self.functions(),
            ephemeral_resource_schemas: convert::schemas(&schemas.ephemerals),
            list_resource_schemas: convert::schemas(&schemas.lists),
            action_schemas: schemas
                .actions
                .iter()
                .map(|(name, one)| (name.clone(), proto::ActionSchema { schema: Some(convert::schema(one)) }))
                .collect(),
            server_capabilities: Some(self.capabilities()),
            ..Default::default()
        }))
    }

    async fn get_functions(&self, _: Request<get_functions::Request>) -> Answer<get_functions::Response> {
        Ok(Response::new(get_functions::Response { functions: self.functions(), diagnostics: Vec::new() }))
    }

    async fn call_function(&self, request: Request<call_function::Request>) -> Answer<call_function::Response> {
        Ok(Response::new(self.answer_call_function(request.into_inner()).await))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<get_resource_identity_schemas::Request>,
    ) -> Answer<get_resource_identity_schemas::Response> {
        Ok(Response::new(get_resource_identity_schemas::Response {
            identity_schemas: self.identity_schemas(),
            diagnostics: Vec::new(),
        }))
    }

    async fn prepare_provider_config(
        &self,
        request: Request<prepare_provider_config::Request>,
    ) -> Answer<prepare_provider_config::Response> {
        let request = request.into_inner();
        let checked = self
            .work("PrepareProviderConfig", "", async {
                let block = P::Config::block();
                let config = convert::value(&block.ty(), request.config.as_ref())?;
                let mut diags = erased::checked(&block, &config);
                erased::with_model(&config, &mut diags, |config, diags| {
                    self.server.provider.validate(config, diags);
                });
                Ok(diags)
            })
            .await;
        Ok(Response::new(prepare_provider_config::Response {
            prepared_config: request.config,
            diagnostics: said(checked),
        }))
    }

    async fn validate_resource_type_config(
        &self,
        request: Request<validate_resource_type_config::Request>,
    ) -> Answer<validate_resource_type_config::Response> {
        let request = request.into_inner();
        let checked = self
            .work("ValidateResourceTypeConfig", &request.type_name, async {
                let resource = self.resource(&request.type_name)?;
                let config = convert::value(&resource.schema().block.ty(), request.config.as_ref())?;
                Ok(resource.validate(&config))
            })
            .await;
        Ok(Response::new(validate_resource_type_config::Response { diagnostics: said(checked) }))
    }

    async fn validate_data_source_config(
        &self,
        request: Request<validate_data_source_config::Request>,
    ) -> Answer<validate_data_source_config::Response> {
        let request = request.into_inner();
        let checked = self
            .work("ValidateDataSourceConfig", &request.type_name, async {
                let data_source = self.data_source(&request.type_name)?;
                let config = convert::value(&data_source.schema().block.ty(), request.config.as_ref())?;
                Ok(data_source.validate(&config))
            })
            .await;
        Ok(Response::new(validate_data_source_config::Response { diagnostics: said(checked) }))
    }

    async fn configure(&self, request: Request<configure::Request>) -> Answer<configure::Response> {
        let request = request.into_inner();
        let configured = self
            .work("Configure", "", async {
                let config = convert::value(&P::Config::block().ty(), request.config.as_ref())?;
                // a configuration that isn't there is an empty one
                let config = if config.is_null() { P::Config::default() } else { P::Config::decode(&config)? };
                let client = self.server.provider.configure(config, &request.terraform_version).await?;
                *self.client.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(client));
                Ok(Diagnostics::default())
            })
            .await;
        Ok(Response::new(configure::Response { diagnostics: said(configured) }))
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<upgrade_resource_state::Request>,
    ) -> Answer<upgrade_resource_state::Response> {
        let request = request.into_inner();
        let upgraded = self
            .work("UpgradeResourceState", &request.type_name, async {
                let schema = self.resource(&request.type_name)?.schema();
                let stored = request.raw_state.unwrap_or_default();
                if stored.json.is_empty() {
                    return Err(Fault::new(
                        "Unreadable state",
                        "The state is in the format of Terraform 0.11 or older, which this provider never wrote.",
                    ));
                }
                let chain = self.server.upgrades.get(request.type_name.as_str()).map(AsRef::as_ref);
                let value = upgrade::upgrade(&request.type_name, schema, chain, request.version, &stored.json)?;
                convert::dynamic(&schema.block.ty(), &value)
            })
            .await;
        let (upgraded_state, diagnostics) = split(upgraded);
        Ok(Response::new(upgrade_resource_state::Response { upgraded_state, diagnostics }))
    }

    async fn move_resource_state(
        &self,
        request: Request<move_resource_state::Request>,
    ) -> Answer<move_resource_state::Response> {
        let (target_state, diagnostics) = split(self.answer_move_resource_state(request.into_inner()).await);
        Ok(Response::new(move_resource_state::Response { target_state, diagnostics, ..Default::default() }))
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<upgrade_resource_identity::Request>,
    ) -> Answer<upgrade_resource_identity::Response> {
        let answer = self.answer_upgrade_resource_identity(request.into_inner()).await;
        let (upgraded_identity, diagnostics) = split(answer);
        Ok(Response::new(upgrade_resource_identity::Response { upgraded_identity, diagnostics }))
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<validate_ephemeral_resource_config::Request>,
    ) -> Answer<validate_ephemeral_resource_config::Response> {
        Ok(Response::new(self.answer_validate_ephemeral(request.into_inner()).await))
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<open_ephemeral_resource::Request>,
    ) -> Answer<open_ephemeral_resource::Response> {
        Ok(Response::new(self.answer_open_ephemeral(request.into_inner()).await))
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<renew_ephemeral_resource::Request>,
    ) -> Answer<renew_ephemeral_resource::Response> {
        Ok(Response::new(self.answer_renew_ephemeral(request.into_inner()).await))
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<close_ephemeral_resource::Request>,
    ) -> Answer<close_ephemeral_resource::Response> {
        Ok(Response::new(self.answer_close_ephemeral(request.into_inner()).await))
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<validate_list_resource_config::Request>,
    ) -> Answer<validate_list_resource_config::Response> {
        Ok(Response::new(self.answer_validate_list(request.into_inner()).await))
    }

    async fn list_resource(&self, request: Request<list_resource::Request>) -> Answer<BoxStream<list_resource::Event>> {
        Ok(Response::new(Box::pin(self.answer_list(request.into_inner()).await)))
    }

    async fn validate_action_config(
        &self,
        request: Request<validate_action_config::Request>,
    ) -> Answer<validate_action_config::Response> {
        Ok(Response::new(self.answer_validate_action(request.into_inner()).await))
    }

    async fn plan_action(&self, request: Request<plan_action::Request>) -> Answer<plan_action::Response> {
        Ok(Response::new(self.answer_plan_action(request.into_inner()).await))
    }

    async fn invoke_action(&self, request: Request<invoke_action::Request>) -> Answer<BoxStream<invoke_action::Event>> {
        Ok(Response::new(Box::pin(self.answer_invoke_action(request.into_inner()).await)))
    }

    async fn read_resource(&self, request: Request<read_resource::Request>) -> Answer<read_resource::Response> {
        let request = request.into_inner();
        let read = self
            .work("ReadResource", &request.type_name, async {
                let resource = self.resource(&request.type_name)?;
                let ty = resource.schema().block.ty();
                let prior = convert::value(&ty, request.current_state.as_ref())?;
                let seen = resource.read(self.call()?, ReadRequest { prior, private: request.private.clone() }).await;
                let mut diagnostics = seen.diagnostics;
                let (new_identity, bugs) = self.identity_of(
                    &request.type_name,
                    &seen.state,
                    request.current_identity.as_ref(),
                    anew(diagnostics.has_errors()),
                );
                diagnostics.extend(bugs);
                Ok(read_resource::Response {
                    new_state: Some(convert::dynamic(&ty, &seen.state)?),
                    private: seen.private,
                    diagnostics: convert::diagnostics(&diagnostics),
                    new_identity,
                    ..Default::default()
                })
            })
            .await;
        Ok(Response::new(read.unwrap_or_else(|fault| read_resource::Response {
            new_state: request.current_state,
            private: request.private,
            new_identity: request.current_identity,
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })))
    }

    async fn plan_resource_change(
        &self,
        request: Request<plan_resource_change::Request>,
    ) -> Answer<plan_resource_change::Response> {
        let request = request.into_inner();
        let planned = self
            .work("PlanResourceChange", &request.type_name, async {
                let resource = self.resource(&request.type_name)?;
                let ty = resource.schema().block.ty();
                let planned = resource.plan(&PlanRequest {
                    config: convert::value(&ty, request.config.as_ref())?,
                    prior: convert::value(&ty, request.prior_state.as_ref())?,
                    proposed: convert::value(&ty, request.proposed_new_state.as_ref())?,
                    private: request.prior_private.clone(),
                });
                let mut diagnostics = planned.diagnostics;
                let before = request.prior_identity.as_ref();
                let (planned_identity, bugs) = match &planned.planned {
                    // what goes away is still the same thing
                    Value::Null => (before.cloned(), Diagnostics::default()),
                    state => {
                        let anew = anew(diagnostics.has_errors() || !planned.replace.is_empty());
                        self.identity_of(&request.type_name, state, before, anew)
                    }
                };
                diagnostics.extend(bugs);
                Ok(plan_resource_change::Response {
                    planned_state: Some(convert::dynamic(&ty, &planned.planned)?),
                    requires_replace: planned.replace.iter().map(convert::path).collect(),
                    planned_private: planned.private,
                    diagnostics: convert::diagnostics(&diagnostics),
                    planned_identity,
                    ..Default::default()
                })
            })
            .await;
        Ok(Response::new(planned.unwrap_or_else(|fault| plan_resource_change::Response {
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })))
    }

    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Answer<apply_resource_change::Response> {
        let request = request.into_inner();
        let applied = self
            .work("ApplyResourceChange", &request.type_name, async {
                let resource = self.resource(&request.type_name)?;
                let ty = resource.schema().block.ty();
                let apply = ApplyRequest {
                    config: convert::value(&ty, request.config.as_ref())?,
                    prior: convert::value(&ty, request.prior_state.as_ref())?,
                    planned: convert::value(&ty, request.planned_state.as_ref())?,
                    private: request.planned_private.clone(),
                };
                let done = resource.apply(self.call()?, apply).await;
                let mut diagnostics = done.diagnostics;
                let (new_identity, bugs) = self.identity_of(
                    &request.type_name,
                    &done.state,
                    request.planned_identity.as_ref(),
                    anew(diagnostics.has_errors()),
                );
                diagnostics.extend(bugs);
                Ok(apply_resource_change::Response {
                    new_state: Some(convert::dynamic(&ty, &done.state)?),
                    private: done.private,
                    diagnostics: convert::diagnostics(&diagnostics),
                    new_identity,
                    ..Default::default()
                })
            })
            .await;
        Ok(Response::new(applied.unwrap_or_else(|fault| apply_resource_change::Response {
            // nothing was done yet, or nobody knows what: what Terraform knew before is the best there is
            new_state: request.prior_state,
            private: request.planned_private,
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })))
    }

    async fn import_resource_state(
        &self,
        request: Request<import_resource_state::Request>,
    ) -> Answer<import_resource_state::Response> {
        let request = request.into_inner();
        let imported = self
            .work("ImportResourceState", &request.type_name, async {
                let resource = self.resource(&request.type_name)?;
                let state = match &request.identity {
                    Some(identity) if request.id.is_empty() => self.import_identity(&request.type_name, identity)?,
                    _ => resource.import(&request.id)?,
                };
                let (identity, _) = self.identity_of(&request.type_name, &state, request.identity.as_ref(), Anew::Yes);
                let state = convert::dynamic(&resource.schema().block.ty(), &state)?;
                Ok(import_resource_state::ImportedResource {
                    type_name: request.type_name.clone(),
                    state: Some(state),
                    identity,
                    ..Default::default()
                })
            })
            .await;
        let (imported, diagnostics) = split(imported);
        Ok(Response::new(import_resource_state::Response {
            imported_resources: imported.into_iter().collect(),
            diagnostics,
            ..Default::default()
        }))
    }

    async fn read_data_source(
        &self,
        request: Request<read_data_source::Request>,
    ) -> Answer<read_data_source::Response> {
        let request = request.into_inner();
        let read = self
            .work("ReadDataSource", &request.type_name, async {
                let data_source = self.data_source(&request.type_name)?;
                let ty = data_source.schema().block.ty();
                let config = convert::value(&ty, request.config.as_ref())?;
                let (state, diagnostics) = data_source.read(self.call()?, config).await;
                Ok(read_data_source::Response {
                    state: Some(convert::dynamic(&ty, &state)?),
                    diagnostics: convert::diagnostics(&diagnostics),
                    ..Default::default()
                })
            })
            .await;
        Ok(Response::new(read.unwrap_or_else(|fault| read_data_source::Response {
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })))
    }

    async fn stop(&self, _: Request<stop::Request>) -> Answer<stop::Response> {
        tracing::info!("Terraform asks to stop");
        // in debug mode, one process serves several commands: the next one must not begin stopped
        let mut cancel = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *cancel).cancel();
        Ok(Response::new(stop::Response::default()))
    }
}

fn names<T: ?Sized, M>(registry: &Registry<T>, message: impl Fn(String) -> M) -> Vec<M> {
    registry.keys().map(|name| message((*name).to_owned())).collect()
}

fn anew(anew: bool) -> Anew {
    if anew { Anew::Yes } else { Anew::No }
}

fn split<T>(result: Result<T, Fault>) -> (Option<T>, Vec<proto::Diagnostic>) {
    match result {
        Ok(value) => (Some(value), Vec::new()),
        Err(fault) => (None, convert::diagnostics(&fault.diagnostics)),
    }
}
