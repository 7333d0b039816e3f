//! What this provider offers, and what it can do.

use super::{Registry, convert, service::Service};
use crate::{
    Provider,
    proto::tfplugin5::{self as proto, get_metadata, get_provider_schema},
};

impl<P: Provider> Service<P> {
    fn capabilities(&self) -> proto::ServerCapabilities {
        proto::ServerCapabilities {
            plan_destroy: true,
            get_provider_schema_optional: true,
            // without it, Terraform refuses a move in better words than we have
            move_resource_state: !self.server.moves.is_empty(),
            generate_resource_config: true,
        }
    }

    pub(super) fn answer_get_metadata(&self) -> get_metadata::Response {
        let server = &self.server;
        get_metadata::Response {
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
        }
    }

    pub(super) fn answer_get_schema(&self) -> get_provider_schema::Response {
        let schemas = self.server.schemas();
        get_provider_schema::Response {
            provider: Some(convert::schema(&schemas.provider)),
            provider_meta: schemas.provider_meta.as_ref().map(convert::schema),
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
            diagnostics: Vec::new(),
        }
    }
}

fn names<T: ?Sized, M>(registry: &Registry<T>, message: impl Fn(String) -> M) -> Vec<M> {
    registry.keys().map(|name| message((*name).to_owned())).collect()
}
