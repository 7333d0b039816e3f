//! A thing's life as Terraform leads it: validate, plan, apply, read; with Terraform's own rules in between.

use serde_json::Value as Json;

use super::{Client, of, packed, read, said};
use crate::{
    Model, Resource, Value, plan,
    proto::tfplugin5::{
        ClientCapabilities, DynamicValue, apply_resource_change, plan_resource_change, read_resource,
        validate_resource_type_config,
    },
    value::json,
};

/// What is in the state of a thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) value: Value,
    pub(super) private: Vec<u8>,
}

/// A configuration, and what Terraform makes of it.
pub(super) fn config<R: Resource>(json: &Json) -> Value {
    let block = R::Model::block();
    block.conform(json::decode(&block.ty(), json.to_string().as_bytes()).unwrap())
}

pub(super) fn pack<R: Resource>(value: &Value) -> Option<DynamicValue> {
    packed(&R::Model::block().ty(), value)
}

pub(super) async fn validate<R: Resource>(client: &mut Client, config: &Json, write_only: bool) -> String {
    let request = validate_resource_type_config::Request {
        type_name: R::NAME.to_owned(),
        config: of::<R::Model>(config),
        client_capabilities: Some(ClientCapabilities {
            write_only_attributes_allowed: write_only,
            ..ClientCapabilities::default()
        }),
    };
    said(&client.validate_resource_type_config(request).await.unwrap().into_inner().diagnostics)
}

/// A plan, which Terraform would accept.
pub(super) async fn planned<R: Resource>(
    client: &mut Client,
    prior: &Kept,
    config: &Value,
) -> plan_resource_change::Response {
    let block = R::Model::block();
    let request = plan_resource_change::Request {
        type_name: R::NAME.to_owned(),
        prior_state: pack::<R>(&prior.value),
        config: pack::<R>(config),
        proposed_new_state: pack::<R>(&plan::proposed_new(&block, &prior.value, config)),
        prior_private: prior.private.clone(),
        ..Default::default()
    };
    let answer = client.plan_resource_change(request).await.unwrap().into_inner();
    if answer.diagnostics.is_empty() {
        let planned = read(&block.ty(), answer.planned_state.as_ref());
        assert_eq!(plan::check_plan(&block, &prior.value, config, &planned), []);
    }
    answer
}

/// An apply of a plan, whose result Terraform would accept.
pub(super) async fn applied<R: Resource>(
    client: &mut Client,
    prior: &Kept,
    config: &Value,
    planned: &plan_resource_change::Response,
) -> (Kept, String) {
    let block = R::Model::block();
    let request = apply_resource_change::Request {
        type_name: R::NAME.to_owned(),
        prior_state: pack::<R>(&prior.value),
        config: pack::<R>(config),
        planned_state: planned.planned_state.clone(),
        planned_private: planned.planned_private.clone(),
        ..Default::default()
    };
    let answer = client.apply_resource_change(request).await.unwrap().into_inner();
    let value = read(&block.ty(), answer.new_state.as_ref());
    let said = said(&answer.diagnostics);
    if said.is_empty() {
        let planned = read(&block.ty(), planned.planned_state.as_ref());
        assert_eq!(plan::check_apply(&block, &planned, &value), []);
    }
    (Kept { value, private: answer.private }, said)
}

/// All of an apply: the plan, and the thing after it. It ends well, and the next plan is empty.
pub(super) async fn apply<R: Resource>(client: &mut Client, prior: &Kept, json: &Json) -> Kept {
    let config = config::<R>(json);
    let plan = planned::<R>(client, prior, &config).await;
    assert_eq!(said(&plan.diagnostics), "");
    let (kept, said) = applied::<R>(client, prior, &config, &plan).await;
    assert_eq!(said, "");
    let kept = refreshed::<R>(client, kept).await;
    let again = planned::<R>(client, &kept, &config).await;
    assert_eq!(read(&R::Model::block().ty(), again.planned_state.as_ref()), kept.value, "the next plan isn't empty");
    kept
}

pub(super) async fn refreshed<R: Resource>(client: &mut Client, kept: Kept) -> Kept {
    let request = read_resource::Request {
        type_name: R::NAME.to_owned(),
        current_state: pack::<R>(&kept.value),
        private: kept.private,
        ..Default::default()
    };
    let answer = client.read_resource(request).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "");
    let value = read(&R::Model::block().ty(), answer.new_state.as_ref());
    assert_eq!(plan::check_known(&value), []);
    Kept { value, private: answer.private }
}
