//! What Terraform asks of a resource, between its messages and values.

use super::{
    apply::ApplyRequest,
    convert,
    identity::Anew,
    plan::{PlanRequest, PlanResponse},
    read::ReadRequest,
    service::{Service, can_defer, said, split},
    upgrade,
};
use crate::{
    Deferred, Diagnostics, Fault, Provider, Value, plan,
    proto::tfplugin5::{
        self as proto, apply_resource_change, generate_resource_config, import_resource_state, plan_resource_change,
        read_resource, upgrade_resource_state, validate_resource_type_config,
    },
    resource::timeouts,
};

impl<P: Provider> Service<P> {
    pub(super) async fn answer_validate_resource(
        &self,
        request: validate_resource_type_config::Request,
    ) -> Vec<proto::Diagnostic> {
        let checked = self.work("ValidateResourceTypeConfig", &request.type_name, async {
            let resource = self.resource(&request.type_name)?;
            let block = &resource.schema().block;
            let config = convert::value(&block.ty(), request.config.as_ref())?;
            let mut diags = resource.validate(&config);
            timeouts::validate(&config, &mut diags);
            if !request.client_capabilities.is_some_and(|client| client.write_only_attributes_allowed) {
                for path in plan::write_only_set(block, &config) {
                    let detail = format!(
                        "`{path}` is kept in no state, which only Terraform 1.11 and OpenTofu 1.11, or later ones, can do. \
                         Use one of those, or remove it."
                    );
                    diags.error(path, "Write-only arguments need a newer Terraform", detail);
                }
            }
            Ok(diags)
        });
        said(checked.await)
    }

    pub(super) async fn answer_upgrade_resource(
        &self,
        request: upgrade_resource_state::Request,
    ) -> upgrade_resource_state::Response {
        let upgraded = self.work("UpgradeResourceState", &request.type_name, async {
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
            // it may be from before the attribute was write-only
            convert::dynamic(&schema.block.ty(), &plan::without_write_only(&schema.block, value))
        });
        let (upgraded_state, diagnostics) = split(upgraded.await);
        upgrade_resource_state::Response { upgraded_state, diagnostics }
    }

    pub(super) async fn answer_read_resource(&self, request: read_resource::Request) -> read_resource::Response {
        let capabilities = request.client_capabilities.as_ref();
        if let Some(reason) = self.deferred(capabilities) {
            return read_resource::Response {
                new_state: request.current_state,
                private: request.private,
                new_identity: request.current_identity,
                deferred: Some(convert::deferred(reason)),
                ..Default::default()
            };
        }
        let read = self.work("ReadResource", &request.type_name, async {
            let resource = self.resource(&request.type_name)?;
            let ty = resource.schema().block.ty();
            let prior = convert::value(&ty, request.current_state.as_ref())?;
            let call = self.call_with(capabilities, self.meta(request.provider_meta.as_ref())?)?;
            let seen = resource.read(call, ReadRequest { prior, private: request.private.clone() }).await;
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
                deferred: seen.deferred.map(convert::deferred),
                new_identity,
            })
        });
        read.await.unwrap_or_else(|fault| read_resource::Response {
            new_state: request.current_state,
            private: request.private,
            new_identity: request.current_identity,
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })
    }

    pub(super) async fn answer_plan_resource(
        &self,
        request: plan_resource_change::Request,
    ) -> plan_resource_change::Response {
        let planned = self.work("PlanResourceChange", &request.type_name, async {
            let resource = self.resource(&request.type_name)?;
            let block = &resource.schema().block;
            let ty = block.ty();
            let capabilities = request.client_capabilities.as_ref();
            let asked = PlanRequest {
                config: convert::value(&ty, request.config.as_ref())?,
                prior: convert::value(&ty, request.prior_state.as_ref())?,
                proposed: convert::value(&ty, request.proposed_new_state.as_ref())?,
                private: request.prior_private.clone(),
                can_defer: can_defer(capabilities),
                meta: self.meta(request.provider_meta.as_ref())?,
            };
            let planned = match self.deferred(capabilities) {
                Some(reason) => deferred_plan(block, asked, reason),
                None => resource.plan(&asked),
            };
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
                deferred: planned.deferred.map(convert::deferred),
                planned_identity,
                ..Default::default()
            })
        });
        planned.await.unwrap_or_else(|fault| plan_resource_change::Response {
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })
    }

    pub(super) async fn answer_apply_resource(
        &self,
        request: apply_resource_change::Request,
    ) -> apply_resource_change::Response {
        let applied = self.work("ApplyResourceChange", &request.type_name, async {
            let resource = self.resource(&request.type_name)?;
            let ty = resource.schema().block.ty();
            let apply = ApplyRequest {
                config: convert::value(&ty, request.config.as_ref())?,
                prior: convert::value(&ty, request.prior_state.as_ref())?,
                planned: convert::value(&ty, request.planned_state.as_ref())?,
                private: request.planned_private.clone(),
            };
            let call = self.call_with(None, self.meta(request.provider_meta.as_ref())?)?;
            let done = resource.apply(call, apply).await;
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
        });
        applied.await.unwrap_or_else(|fault| apply_resource_change::Response {
            // nothing was done yet, or nobody knows what: what Terraform knew before is the best there is
            new_state: request.prior_state,
            private: request.planned_private,
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })
    }

    pub(super) async fn answer_import_resource(
        &self,
        request: import_resource_state::Request,
    ) -> import_resource_state::Response {
        let deferred = self.deferred(request.client_capabilities.as_ref());
        let imported = self.work("ImportResourceState", &request.type_name, async {
            let resource = self.resource(&request.type_name)?;
            let block = &resource.schema().block;
            let state = match &request.identity {
                // nobody can tell yet
                _ if deferred.is_some() => Value::unknown(),
                Some(identity) if request.id.is_empty() => self.import_identity(&request.type_name, identity)?,
                _ => resource.import(&request.id)?,
            };
            let (identity, _) = match deferred {
                Some(_) => (request.identity.clone(), Diagnostics::default()),
                None => self.identity_of(&request.type_name, &state, request.identity.as_ref(), Anew::Yes),
            };
            Ok(import_resource_state::ImportedResource {
                type_name: request.type_name.clone(),
                state: Some(convert::dynamic(&block.ty(), &plan::without_write_only(block, state))?),
                identity,
                ..Default::default()
            })
        });
        let (imported, diagnostics) = split(imported.await);
        import_resource_state::Response {
            imported_resources: imported.into_iter().collect(),
            diagnostics,
            deferred: deferred.map(convert::deferred),
        }
    }

    pub(super) async fn answer_generate_config(
        &self,
        request: generate_resource_config::Request,
    ) -> generate_resource_config::Response {
        let generated = self.work("GenerateResourceConfig", &request.type_name, async {
            let block = &self.resource(&request.type_name)?.schema().block;
            let ty = block.ty();
            let state = convert::value(&ty, request.state.as_ref())?;
            convert::dynamic(&ty, &plan::config_of(block, &state))
        });
        let (config, diagnostics) = split(generated.await);
        generate_resource_config::Response { config, diagnostics }
    }
}

/// A plan that nobody makes yet: what can be said without the provider.
fn deferred_plan(block: &crate::schema::Block, asked: PlanRequest, reason: Deferred) -> PlanResponse {
    let planned = match &asked.proposed {
        Value::Null => Value::Null,
        proposed => plan::initial(block, &asked.prior, &asked.config, proposed),
    };
    PlanResponse { planned, private: asked.private, deferred: Some(reason), ..PlanResponse::default() }
}

fn anew(anew: bool) -> Anew {
    if anew { Anew::Yes } else { Anew::No }
}
