//! Taking over the state of another type.

use super::{check, convert, service::Service};
use crate::{
    Fault, Model, Move, Provider, Resource, Value, plan,
    proto::tfplugin5::{DynamicValue, move_resource_state},
    resource::Source,
};

/// A [`Move`] of any type.
pub(crate) trait ErasedMove: Send + Sync {
    fn target(&self) -> &'static str;
    fn take(&self, source: &Source) -> Result<Option<Value>, Fault>;
}

pub(crate) struct RegisteredMove<M>(pub(crate) M);

impl<M: Move> ErasedMove for RegisteredMove<M> {
    fn target(&self) -> &'static str {
        M::Target::NAME
    }

    fn take(&self, source: &Source) -> Result<Option<Value>, Fault> {
        let Some(model) = self.0.take(source)? else { return Ok(None) };
        let state = model.encode();
        check::wholly_known(M::Target::NAME, &state).map(|()| Some(state))
    }
}

impl<P: Provider> Service<P> {
    pub(super) async fn answer_move_resource_state(
        &self,
        request: move_resource_state::Request,
    ) -> Result<DynamicValue, Fault> {
        let target = request.target_type_name.as_str();
        self.work("MoveResourceState", target, async {
            let block = &self.resource(target)?.schema().block;
            let state = request.source_state.unwrap_or_default();
            if state.json.is_empty() {
                return Err(Fault::new(
                    "Unreadable state",
                    "The state of what is moved is in the format of Terraform 0.11 or older.",
                ));
            }
            let source = Source::new(
                &request.source_provider_address,
                &request.source_type_name,
                request.source_schema_version,
                &state.json,
            );
            for one in self.server.moves.iter().filter(|one| one.target() == target) {
                if let Some(value) = one.take(&source)? {
                    return convert::dynamic(&block.ty(), &plan::without_write_only(block, value));
                }
            }
            Err(Fault::new(
                "Move isn't supported",
                format!("`{}` of `{}` can't become `{target}`.", source.type_name, source.provider),
            ))
        })
        .await
    }
}
