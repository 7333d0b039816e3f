//! The service that Terraform calls: one small method a call.
//!
//! Each method reads its message, does the work under [`caught`], and makes an answer out of whatever came of it. What isn't
//! served here answers UNIMPLEMENTED, as a provider would that was built before the call existed.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait};
use tracing::Instrument;

use super::{
    Server,
    apply::ApplyRequest,
    convert,
    erased::{self, Call, ErasedDataSource, ErasedResource},
    guard::caught,
    plan::PlanRequest,
    read::ReadRequest,
    upgrade,
};
use crate::{
    Diagnostics, Fault, Model, Provider,
    proto::tfplugin5::{
        self as proto, apply_resource_change, call_function, configure, get_functions, get_metadata, get_provider_schema,
        get_resource_identity_schemas, import_resource_state, plan_resource_change, prepare_provider_config,
        provider_server, read_data_source, read_resource, stop, upgrade_resource_state, validate_data_source_config,
        validate_resource_type_config,
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

    fn resource(&self, name: &str) -> Result<&dyn ErasedResource<P::Client>, Fault> {
        self.server.resources.get(name).map(AsRef::as_ref).ok_or_else(|| unknown_type("resource", name))
    }

    fn data_source(&self, name: &str) -> Result<&dyn ErasedDataSource<P::Client>, Fault> {
        self.server.data_sources.get(name).map(AsRef::as_ref).ok_or_else(|| unknown_type("data source", name))
    }

    fn call(&self) -> Result<Call<P::Client>, Fault> {
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

fn unknown_type(kind: &str, name: &str) -> Fault {
    Fault::new(format!("Unknown {kind}"), format!("This version of the provider has no {kind} `{name}`."))
}

fn capabilities() -> proto::ServerCapabilities {
    proto::ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        move_resource_state: false,
        generate_resource_config: false,
    }
}

fn said(result: Result<Diagnostics, Fault>) -> Vec<proto::Diagnostic> {
    convert::diagnostics(&result.unwrap_or_else(|fault| fault.diagnostics))
}

#[async_trait]
impl<P: Provider> provider_server::Provider for Service<P> {
    async fn get_metadata(&self, _: Request<get_metadata::Request>) -> Answer<get_metadata::Response> {
        let resources = self.server.resources.keys().map(|name| (*name).to_owned());
        let data_sources = self.server.data_sources.keys().map(|name| (*name).to_owned());
        let functions = self.server.functions.keys().map(|name| (*name).to_owned());
        Ok(Response::new(get_metadata::Response {
            server_capabilities: Some(capabilities()),
            resources: resources.map(|type_name| get_metadata::ResourceMetadata { type_name }).collect(),
            data_sources: data_sources.map(|type_name| get_metadata::DataSourceMetadata { type_name }).collect(),
            functions: functions.map(|name| get_metadata::FunctionMetadata { name }).collect(),
            ..Default::default()
        }))
    }

    async fn get_schema(&self, _: Request<get_provider_schema::Request>) -> Answer<get_provider_schema::Response> {
        let schemas = self.server.schemas();
        Ok(Response::new(get_provider_schema::Response {
            provider: Some(convert::schema(&schemas.provider)),
            resource_schemas: convert::schemas(&schemas.resources),
            data_source_schemas: convert::schemas(&schemas.data_sources),
            functions: self.functions(),
            server_capabilities: Some(capabilities()),
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
            identity_schemas: HashMap::new(),
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
                let value = upgrade::upgrade(&request.type_name, schema, request.version, &stored.json)?;
                convert::dynamic(&schema.block.ty(), &value)
            })
            .await;
        let (upgraded_state, diagnostics) = split(upgraded);
        Ok(Response::new(upgrade_resource_state::Response { upgraded_state, diagnostics }))
    }

    async fn read_resource(&self, request: Request<read_resource::Request>) -> Answer<read_resource::Response> {
        let request = request.into_inner();
        let read = self
            .work("ReadResource", &request.type_name, async {
                let resource = self.resource(&request.type_name)?;
                let ty = resource.schema().block.ty();
                let prior = convert::value(&ty, request.current_state.as_ref())?;
                let seen = resource.read(self.call()?, ReadRequest { prior, private: request.private.clone() }).await;
                Ok(read_resource::Response {
                    new_state: Some(convert::dynamic(&ty, &seen.state)?),
                    private: seen.private,
                    diagnostics: convert::diagnostics(&seen.diagnostics),
                    ..Default::default()
                })
            })
            .await;
        Ok(Response::new(read.unwrap_or_else(|fault| read_resource::Response {
            new_state: request.current_state,
            private: request.private,
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
                Ok(plan_resource_change::Response {
                    planned_state: Some(convert::dynamic(&ty, &planned.planned)?),
                    requires_replace: planned.replace.iter().map(convert::path).collect(),
                    planned_private: planned.private,
                    diagnostics: convert::diagnostics(&planned.diagnostics),
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
                Ok(apply_resource_change::Response {
                    new_state: Some(convert::dynamic(&ty, &done.state)?),
                    private: done.private,
                    diagnostics: convert::diagnostics(&done.diagnostics),
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
                let state = resource.import(&request.id)?;
                let state = convert::dynamic(&resource.schema().block.ty(), &state)?;
                Ok(import_resource_state::ImportedResource {
                    type_name: request.type_name.clone(),
                    state: Some(state),
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

fn split<T>(result: Result<T, Fault>) -> (Option<T>, Vec<proto::Diagnostic>) {
    match result {
        Ok(value) => (Some(value), Vec::new()),
        Err(fault) => (None, convert::diagnostics(&fault.diagnostics)),
    }
}
