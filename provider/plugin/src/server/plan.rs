//! What apply would do, decided without looking at the world.

use super::{check, private::Private, validate::Registered};
use crate::{Change, Deferred, Diagnostics, Fault, Model, Path, Resource, Value, plan};

/// What a plan is made of, and nothing else is: Terraform makes it again during apply, in another process.
pub(crate) struct PlanRequest {
    pub(crate) config: Value,
    pub(crate) prior: Value,
    /// What Terraform proposes; null asks for a destroy.
    pub(crate) proposed: Value,
    pub(crate) private: Vec<u8>,
    /// Whether Terraform lets the plan wait for a later run.
    pub(crate) can_defer: bool,
    /// What the module says to the provider; null if nothing.
    pub(crate) meta: Value,
}

#[derive(Debug, Default)]
pub(crate) struct PlanResponse {
    pub(crate) planned: Value,
    pub(crate) replace: Vec<Path>,
    pub(crate) private: Vec<u8>,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) deferred: Option<Deferred>,
}

/// Plans twice: a second plan that differs would later be an "inconsistent final plan".
pub(crate) fn plan<R: Resource>(registered: &Registered<R>, request: &PlanRequest) -> PlanResponse {
    let planned = if request.proposed.is_null() {
        plan_destroy(registered, request)
    } else {
        plan_change(registered, request).and_then(|first| {
            repeats(R::NAME, &first, &plan_change(registered, request)?)?;
            Ok(first)
        })
    };
    planned.unwrap_or_else(|fault| PlanResponse { diagnostics: fault.diagnostics, ..PlanResponse::default() })
}

fn plan_destroy<R: Resource>(registered: &Registered<R>, request: &PlanRequest) -> Result<PlanResponse, Fault> {
    let mut diagnostics = Diagnostics::default();
    if !request.prior.is_null() {
        let prior = R::Model::decode(&request.prior)?;
        let observation = Private::decode(&request.private).observation();
        registered.inner.plan_destroy(&prior, observation.as_ref(), &mut diagnostics);
    }
    Ok(PlanResponse { private: request.private.clone(), diagnostics, ..PlanResponse::default() })
}

fn plan_change<R: Resource>(registered: &Registered<R>, request: &PlanRequest) -> Result<PlanResponse, Fault> {
    let block = registered.block();
    let create = request.prior.is_null();
    // after a replacement's first plan and after taint, Terraform hands over private state or not, as it likes: what is created
    // must not depend on it
    let known = if create { Private::default() } else { Private::decode(&request.private) };
    let initial = plan::initial(block, &request.prior, &request.config, &request.proposed);
    let model = R::Model::decode(&initial)?;
    let before = model.encode();
    let prior = if create { None } else { Some(R::Model::decode(&request.prior)?) };
    let mut change = Change::<R>::new(R::Model::decode(&request.config)?, prior, model, known.observation());
    change.can_defer = request.can_defer;
    change.meta = request.meta.clone();
    registered.inner.plan(&mut change);
    if change.diags.has_errors() {
        return Err(change.diags.into());
    }

    // a struct can't hold all that a value can
    let planned = plan::restore(&initial, &before, &change.planned.encode());
    let planned = plan::without_write_only(block, plan::promised(block, &request.config, planned));
    let found = plan::check_plan(block, &request.prior, &request.config, &planned);
    let found = check::violations("Invalid plan", R::NAME, found);
    if found.has_errors() {
        return Err(found.into());
    }
    let replace = if create { Vec::new() } else { replaced(registered, &change, &request.prior, &planned) };
    let private =
        known.with_intent(change.intent.as_ref()).map_err(|error| check::unstorable(R::NAME, &error))?.encode();
    Ok(PlanResponse { planned, replace, private, diagnostics: change.diags, deferred: change.deferred })
}

/// Where the change can only be made by a replacement: what the schema says, and what the author added.
fn replaced<R: Resource>(registered: &Registered<R>, change: &Change<R>, prior: &Value, planned: &Value) -> Vec<Path> {
    let mut paths = plan::requires_replace(registered.block(), prior, planned);
    for path in change.replaces() {
        // Terraform refuses a path that is nowhere, and ignores one where nothing changes; but of what is write-only nobody
        // but the author can tell
        let differs = prior.at(path) != planned.at(path) || registered.block().is_write_only(path);
        if differs && !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    paths
}

fn repeats(name: &str, first: &PlanResponse, second: &PlanResponse) -> Result<(), Fault> {
    let place = match check::difference(&first.planned, &second.planned) {
        Some(path) => path,
        None if first.replace != second.replace => Path::root(),
        None if first.private != second.private => Path::root(),
        None => return Ok(()),
    };
    let what = if place.is_root() { "what else was decided" } else { "the value" };
    let found = vec![(place, format!("planned twice from the same input, {what} differs"))];
    Err(check::violations("Plan that doesn't repeat", name, found).into())
}
