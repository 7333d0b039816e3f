//! The same plans, made by a process that knows nothing.

use std::{fmt, path::Path};

use bytes::Bytes;
use terraform_plugin::proto::tfplugin5::{configure, diagnostic::Severity, plan_resource_change::Response};

use crate::{
    Error,
    process::Attached,
    recorder::{Action, CONFIGURE, PLAN, Plan},
    wire::{self, Connection},
};

/// A plan that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Type of the resource.
    pub resource: String,
    /// What was asked for.
    pub action: Action,
    /// Which parts of the answer differ.
    pub parts: Vec<&'static str>,
    /// What both answers say where it can be read: diagnostics and private state, first and second.
    pub said: [String; 2],
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, action, parts, said: [first, second] } = self;
        write!(f, "{action:?} of {resource}: {} planned otherwise by a fresh process", parts.join(", "))?;
        if first != second {
            write!(f, "\n--- first\n{first}\n--- second\n{second}")?;
        }
        Ok(())
    }
}

/// Makes the plans again in one fresh process; empty if all answers are the same to the byte.
///
/// # Errors
/// The process does not start, or a call fails as a call.
pub async fn replay(binary: &Path, environment: &[(&str, &str)], plans: &[Plan]) -> Result<Vec<Difference>, Error> {
    let provider = Attached::start(binary, environment).await?;
    let mut connection = Connection::open(provider.socket()).await?;
    let mut configured = Bytes::new();
    let mut differences = Vec::new();
    for plan in plans {
        if plan.configure != configured {
            configure(&mut connection, &plan.configure).await?;
            configured = plan.configure.clone();
        }
        let again = connection.call(PLAN, plan.request.clone()).await?;
        if again != plan.response {
            differences.push(difference(plan, &again)?);
        }
    }
    Ok(differences)
}

async fn configure(connection: &mut Connection, request: &Bytes) -> Result<(), Error> {
    let answer = connection.call(CONFIGURE, request.clone()).await?;
    let answer: configure::Response = wire::decode(CONFIGURE, &answer)?;
    match answer.diagnostics.iter().find(|one| one.severity() == Severity::Error) {
        Some(error) => Err(Error::Call { call: CONFIGURE, why: format!("{}: {}", error.summary, error.detail) }),
        None => Ok(()),
    }
}

fn difference(plan: &Plan, again: &Bytes) -> Result<Difference, Error> {
    let first: Response = wire::decode(PLAN, &plan.response)?;
    let second: Response = wire::decode(PLAN, again)?;
    let parts = [
        ("the planned state", first.planned_state != second.planned_state),
        ("what requires a replacement", first.requires_replace != second.requires_replace),
        ("the private state", first.planned_private != second.planned_private),
        ("the diagnostics", first.diagnostics != second.diagnostics),
    ];
    let mut parts: Vec<_> = parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect();
    if parts.is_empty() {
        parts.push("the encoding");
    }
    Ok(Difference { resource: plan.resource.clone(), action: plan.action, parts, said: [said(&first), said(&second)] })
}

fn said(response: &Response) -> String {
    let mut lines: Vec<String> = response
        .diagnostics
        .iter()
        .map(|one| format!("{:?}: {}: {}", one.severity(), one.summary, one.detail))
        .collect();
    lines.push(String::from_utf8_lossy(&response.planned_private).into_owned());
    lines.join("\n")
}
