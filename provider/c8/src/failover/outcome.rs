//! What an apply leaves in the state.

use c8_dr::{Observation, classify};
use c8_schemas::failover::Failover as Model;
use terraform_plugin::Attr;

use super::{identity::id_of, run::Run};
use crate::installation::Installation;

/// Fills what is computed from an observation; what describes the last apply is left alone.
pub fn observed(mut model: Model, installation: &Installation, o: &Observation) -> Model {
    model.id = Attr::Known(id_of(installation));
    model.group = Attr::Known(installation.group.clone());
    model.epoch = Attr::Known(o.record().and_then(|record| i64::try_from(record.epoch).ok()).unwrap_or_default());
    model.phase = Attr::Known(classify(o).phase().to_owned());
    model
}

/// The model after (a part of) an apply.
pub fn applied(planned: &Model, prior: Option<&Model>, run: &Run<'_>) -> Model {
    let mut model = observed(planned.clone(), run.installation, run.o());
    let texts = |texts: &[String]| Attr::Known(texts.iter().cloned().map(Attr::Known).collect::<Vec<_>>());
    let nothing = run.completed.is_empty();
    let keep = |list: Option<&Attr<Vec<Attr<String>>>>| {
        list.filter(|list| list.is_known()).cloned().unwrap_or_else(|| Attr::Known(Vec::new()))
    };
    if !planned.planned_steps.is_known() {
        model.planned_steps =
            if nothing { keep(prior.map(|prior| &prior.planned_steps)) } else { texts(&run.completed) };
    }
    if !planned.completed_steps.is_known() {
        model.completed_steps =
            if nothing { keep(prior.map(|prior| &prior.completed_steps)) } else { texts(&run.completed) };
    }
    if !planned.report.is_known() {
        model.report = if nothing { keep(prior.map(|prior| &prior.report)) } else { texts(&run.report) };
    }
    if !planned.recovery_time_seconds.is_known() {
        let before = prior.and_then(|prior| prior.recovery_time_seconds.known().copied());
        model.recovery_time_seconds = Attr::Known(if nothing { before.unwrap_or_default() } else { run.elapsed() });
    }
    // an epoch that was planned as known is repeated: it can't have changed without a claim
    if let Attr::Known(epoch) = planned.epoch {
        model.epoch = Attr::Known(epoch);
    }
    model
}
