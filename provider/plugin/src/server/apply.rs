//! Making it so, and telling the truth about it.
//!
//! | | succeeded | failed, something saved | failed, nothing saved |
//! |---|---|---|---|
//! | create | the result | what was saved (tainted) | null: nothing is remembered |
//! | update | the result | what was saved | the prior state |
//! | delete | null | what was saved | the prior state |

use super::{
    check,
    erased::{Call, advice, title},
    guard::{Limits, limited},
    private::Private,
    read::remember,
    validate::Registered,
};
use crate::{
    Apply, Context, Delete, Diagnostics, Fault, Model, Resource, Saver, Value, plan, resource::timeouts::Operation,
};

pub(crate) struct ApplyRequest {
    pub(crate) config: Value,
    /// Null asks to create.
    pub(crate) prior: Value,
    /// Null asks to delete.
    pub(crate) planned: Value,
    pub(crate) private: Vec<u8>,
}

pub(crate) struct ApplyResponse {
    pub(crate) state: Value,
    pub(crate) private: Vec<u8>,
    pub(crate) diagnostics: Diagnostics,
}

/// What is left of the thing, and private state to go with it.
type Left = (Value, Vec<u8>);

pub(crate) async fn apply<R: Resource>(
    registered: &Registered<R>,
    call: Call<R::Client>,
    request: ApplyRequest,
) -> ApplyResponse {
    let operation = match (&request.prior, &request.planned) {
        (_, Value::Null) => Operation::Delete,
        (Value::Null, _) => Operation::Create,
        _ => Operation::Update,
    };
    let model = if operation == Operation::Delete { &request.prior } else { &request.planned };
    let (ctx, limits) =
        call.start(title(operation, R::NAME), advice(operation, registered.block()), operation.timeout::<R>(model));
    let save = Saver::<R>::default();
    let ended = match operation {
        Operation::Delete => delete(registered, &ctx, &limits, &request, save.clone()).await,
        _ => make(registered, &ctx, &limits, &request, save.clone()).await,
    };
    let mut diagnostics = ctx.warnings();
    let (state, private) = ended.unwrap_or_else(|(fault, result)| {
        diagnostics.extend(fault.diagnostics);
        result.or_else(|| saved(registered, &save)).unwrap_or_else(|| before::<R>(&request))
    });
    ApplyResponse { state, private, diagnostics }
}

async fn delete<R: Resource>(
    registered: &Registered<R>,
    ctx: &Context<R::Client>,
    limits: &Limits,
    request: &ApplyRequest,
    save: Saver<R>,
) -> Result<Left, (Fault, Option<Left>)> {
    limited(limits, async {
        let mut delete =
            Delete::<R>::new(R::Model::decode(&request.prior)?, Private::decode(&request.private).observation());
        delete.save = save;
        registered.inner.delete(ctx, delete).await
    })
    .await
    .map(|()| (Value::Null, Vec::new()))
    .map_err(|fault| (fault, None))
}

async fn make<R: Resource>(
    registered: &Registered<R>,
    ctx: &Context<R::Client>,
    limits: &Limits,
    request: &ApplyRequest,
    save: Saver<R>,
) -> Result<Left, (Fault, Option<Left>)> {
    let (state, private) = limited(limits, async {
        let create = request.prior.is_null();
        let private = Private::decode(&request.private);
        let mut apply = Apply::<R>::new(
            R::Model::decode(&request.config)?,
            if create { None } else { Some(R::Model::decode(&request.prior)?) },
            R::Model::decode(&request.planned)?,
            private.observation(),
            private.intent(),
        );
        apply.save = save;
        let (model, observation) = match create {
            true => registered.inner.create(ctx, apply).await?,
            false => registered.inner.update(ctx, apply).await?,
        };
        let block = registered.block();
        let state = plan::respell(block, &request.planned, plan::without_write_only(block, model.encode()));
        Ok((state, remember::<R>(&observation)?))
    })
    .await
    .map_err(|fault| (fault, None))?;

    let found = plan::check_apply(registered.block(), &request.planned, &state);
    let found = check::violations("Inconsistent result", R::NAME, found);
    if found.has_errors() {
        // the work is done all the same, so the state is the result and not what was saved on the way
        return Err((found.into(), Some((check::known_part(state), private))));
    }
    Ok((state, private))
}

fn saved<R: Resource>(registered: &Registered<R>, save: &Saver<R>) -> Option<Left> {
    let (model, observation) = save.saved()?;
    // the model matters more than what can't be written
    let private = remember::<R>(&observation).unwrap_or_default();
    Some((check::known_part(plan::without_write_only(registered.block(), model.encode())), private))
}

/// What there was before; the intent was for this apply alone.
fn before<R: Resource>(request: &ApplyRequest) -> Left {
    let observation = Private::decode(&request.private).observation::<R::Observation>();
    let private = observation.and_then(|seen| remember::<R>(&seen).ok()).unwrap_or_default();
    (request.prior.clone(), private)
}
