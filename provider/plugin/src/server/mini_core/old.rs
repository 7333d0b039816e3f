//! What a provider doesn't offer answers as one that was built before the call existed.

use tonic::Code;

use super::{bare, start};
use crate::proto::tfplugin5::{
    call_function, close_ephemeral_resource, generate_resource_config, get_functions, get_metadata,
    get_resource_identity_schemas, invoke_action, list_resource, open_ephemeral_resource, plan_action,
    renew_ephemeral_resource, upgrade_resource_identity, validate_action_config, validate_ephemeral_resource_config,
    validate_list_resource_config,
};

macro_rules! unimplemented_are {
    ($client:ident: $($call:ident($request:path)),* $(,)?) => {$({
        let status = $client.$call(<$request>::default()).await.err().map(|status| status.code());
        assert_eq!(status, Some(Code::Unimplemented), stringify!($call));
    })*};
}

#[tokio::test]
async fn it_offers_nothing_and_says_so_like_an_old_one() {
    let mut client = start(bare()).await;
    unimplemented_are!(client:
        call_function(call_function::Request),
        get_resource_identity_schemas(get_resource_identity_schemas::Request),
        upgrade_resource_identity(upgrade_resource_identity::Request),
        validate_ephemeral_resource_config(validate_ephemeral_resource_config::Request),
        open_ephemeral_resource(open_ephemeral_resource::Request),
        renew_ephemeral_resource(renew_ephemeral_resource::Request),
        close_ephemeral_resource(close_ephemeral_resource::Request),
        validate_list_resource_config(validate_list_resource_config::Request),
        list_resource(list_resource::Request),
        validate_action_config(validate_action_config::Request),
        plan_action(plan_action::Request),
        invoke_action(invoke_action::Request),
    );
    // what every provider can answer, this one answers
    let metadata = client.get_metadata(get_metadata::Request {}).await.unwrap().into_inner();
    let can = metadata.server_capabilities.unwrap();
    assert!(can.plan_destroy && can.get_provider_schema_optional && can.generate_resource_config);
    assert!(!can.move_resource_state);
    let functions = client.get_functions(get_functions::Request {}).await.unwrap().into_inner();
    assert!(functions.functions.is_empty() && functions.diagnostics.is_empty());
    let answer = client.generate_resource_config(generate_resource_config::Request::default()).await.unwrap();
    assert_eq!(answer.into_inner().diagnostics[0].summary, "Unknown resource");
}
