//! Firewall rules (`dual-region.md 1.5`).
//!
//! A rule is there when its operation is DONE, and not yet effective then; that is the caller's to prove.
//! A claim is a rule with `disabled = true`.

use google_cloud_compute_v1::model;

use super::cluster::last_segment;
use super::container::Poll;
use super::error::Subject;
use super::{Error, Gcp, Service};
use crate::Wait;

/// Which traffic a rule looks at, seen from its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Coming in.
    Ingress,
    /// Going out.
    Egress,
}

/// A protocol with its ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// `tcp`, `udp`, `icmp`, `all`, a number, ….
    pub protocol: String,
    /// `9200`, `26500-26502`. Empty is all.
    pub ports: Vec<String>,
}

impl Ports {
    /// `Ports::new("tcp", ["9200", "26500-26502"])`
    pub fn new<T: Into<String>>(protocol: impl Into<String>, ports: impl IntoIterator<Item = T>) -> Self {
        Self { protocol: protocol.into(), ports: ports.into_iter().map(Into::into).collect() }
    }
}

/// A firewall rule. It either allows or denies; lists that are empty are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// Name, unique in the project.
    pub name: String,
    /// Network, short name.
    pub network: String,
    /// Direction.
    pub direction: Direction,
    /// 0 wins over all others; at equal priority deny wins.
    pub priority: i32,
    /// Written down, without effect.
    pub disabled: bool,
    /// For ingress.
    pub source_ranges: Vec<String>,
    /// For egress.
    pub destination_ranges: Vec<String>,
    /// For ingress.
    pub source_tags: Vec<String>,
    /// The nodes that it is for.
    pub target_tags: Vec<String>,
    /// What passes.
    pub allowed: Vec<Ports>,
    /// What does not.
    pub denied: Vec<Ports>,
    /// Free text; a claim keeps its decision in it.
    pub description: String,
}

impl Firewall {
    fn read(rule: &model::Firewall) -> Self {
        let egress = rule.direction == Some(model::firewall::Direction::Egress);
        let ports = |protocol: &Option<String>, ports: &[String]| {
            Ports::new(protocol.clone().unwrap_or_default(), ports.to_vec())
        };
        Self {
            name: rule.name.clone().unwrap_or_default(),
            network: last_segment(rule.network.as_deref().unwrap_or_default()),
            direction: if egress { Direction::Egress } else { Direction::Ingress },
            priority: rule.priority.unwrap_or(1000),
            disabled: rule.disabled.unwrap_or(false),
            source_ranges: rule.source_ranges.clone(),
            destination_ranges: rule.destination_ranges.clone(),
            source_tags: rule.source_tags.clone(),
            target_tags: rule.target_tags.clone(),
            allowed: rule.allowed.iter().map(|entry| ports(&entry.ip_protocol, &entry.ports)).collect(),
            denied: rule.denied.iter().map(|entry| ports(&entry.ip_protocol, &entry.ports)).collect(),
            description: rule.description.clone().unwrap_or_default(),
        }
    }

    fn to_model(&self, project: &str) -> model::Firewall {
        let direction = match self.direction {
            Direction::Ingress => model::firewall::Direction::Ingress,
            Direction::Egress => model::firewall::Direction::Egress,
        };
        let network = if self.network.contains('/') {
            self.network.clone()
        } else {
            format!("projects/{project}/global/networks/{}", self.network)
        };
        let allowed =
            |entry: &Ports| model::firewall::Allowed::new().set_ip_protocol(&entry.protocol).set_ports(&entry.ports);
        let denied =
            |entry: &Ports| model::firewall::Denied::new().set_ip_protocol(&entry.protocol).set_ports(&entry.ports);
        let rule = model::Firewall::new()
            .set_name(&self.name)
            .set_network(network)
            .set_direction(direction)
            .set_priority(self.priority)
            .set_disabled(self.disabled)
            .set_source_ranges(&self.source_ranges)
            .set_destination_ranges(&self.destination_ranges)
            .set_source_tags(&self.source_tags)
            .set_target_tags(&self.target_tags)
            .set_allowed(self.allowed.iter().map(allowed))
            .set_denied(self.denied.iter().map(denied));
        if self.description.is_empty() { rule } else { rule.set_description(&self.description) }
    }
}

/// Firewall rules of a project.
#[derive(Clone, Debug)]
pub struct Firewalls {
    gcp: Gcp,
    project: String,
}

impl Firewalls {
    pub(super) const fn new(gcp: Gcp, project: String) -> Self {
        Self { gcp, project }
    }

    /// `None` is 404.
    pub async fn get(&self, name: &str) -> Result<Option<Firewall>, Error> {
        let client = self.gcp.compute_client().await?;
        let request = client.get().set_project(&self.project).set_firewall(name);
        let answer = self.gcp.call(Service::Compute, subject("get", name), request.send()).await;
        Ok(Error::absent(answer)?.map(|rule| Firewall::read(&rule)))
    }

    /// All rules whose name starts with `prefix`.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Firewall>, Error> {
        let client = self.gcp.compute_client().await?;
        let mut rules = Vec::new();
        let mut page = String::new();
        loop {
            let mut request = client.list().set_project(&self.project);
            if !page.is_empty() {
                request = request.set_page_token(&page);
            }
            let answer = self.gcp.call(Service::Compute, subject("list", prefix), request.send()).await?;
            rules.extend(answer.items.iter().map(Firewall::read).filter(|rule| rule.name.starts_with(prefix)));
            match answer.next_page_token {
                Some(next) if !next.is_empty() && next != page => page = next,
                _ => return Ok(rules),
            }
        }
    }

    /// Creates a rule and waits until its operation is DONE. [`Error::AlreadyExists`] if the name is taken: of two that
    /// create the same claim, one gets this.
    pub async fn insert(&self, rule: &Firewall, wait: &Wait) -> Result<(), Error> {
        let client = self.gcp.compute_client().await?;
        let request = client.insert().set_project(&self.project).set_body(rule.to_model(&self.project));
        let operation = self.gcp.call(Service::Compute, subject("create", &rule.name), request.send()).await?;
        self.done("create", &rule.name, operation, wait).await
    }

    /// Replaces all of a rule (`PUT`) and waits until its operation is DONE. The network of a rule can't be changed.
    pub async fn update(&self, rule: &Firewall, wait: &Wait) -> Result<(), Error> {
        let client = self.gcp.compute_client().await?;
        let request =
            client.update().set_project(&self.project).set_firewall(&rule.name).set_body(rule.to_model(&self.project));
        let operation = self.gcp.call(Service::Compute, subject("update", &rule.name), request.send()).await?;
        self.done("update", &rule.name, operation, wait).await
    }

    /// Deletes a rule and waits until its operation is DONE. `false` if there was none.
    pub async fn delete(&self, name: &str, wait: &Wait) -> Result<bool, Error> {
        let client = self.gcp.compute_client().await?;
        let request = client.delete().set_project(&self.project).set_firewall(name);
        let answer = self.gcp.call(Service::Compute, subject("delete", name), request.send()).await;
        let Some(operation) = Error::absent(answer)? else { return Ok(false) };
        Ok(Error::absent(self.done("delete", name, operation, wait).await)?.is_some())
    }

    async fn done(&self, verb: &'static str, name: &str, started: model::Operation, wait: &Wait) -> Result<(), Error> {
        let what = format!("firewall rule {name}");
        let client = self.gcp.compute_client().await?;
        let id = started.name.clone().unwrap_or_default();
        if let Some(result) = self.outcome(verb, name, &started) {
            return result;
        }
        let look = || async {
            let request = client.get_operation().set_project(&self.project).set_operation(&id);
            let state = match self.gcp.call(Service::Compute, subject("get", &id), request.send()).await {
                Ok(state) => state,
                Err(error) if error.is_unreachable() => return Ok(None),
                Err(error) => return Err(Poll::Api(error)),
            };
            match self.outcome(verb, name, &state) {
                None => Ok(None),
                Some(Ok(())) => Ok(Some(())),
                Some(Err(error)) => Err(Poll::Api(error)),
            }
        };
        wait.until(look).await.map_err(|error| error.about(&what))
    }

    /// `None` while it runs.
    fn outcome(&self, verb: &'static str, name: &str, operation: &model::Operation) -> Option<Result<(), Error>> {
        if operation.status != Some(model::operation::Status::Done) {
            return None;
        }
        let errors = operation.error.as_ref().map(|error| error.errors.as_slice()).unwrap_or_default();
        let messages: Vec<String> = errors
            .iter()
            .map(|error| {
                error.message.clone().or_else(|| error.code.clone()).unwrap_or_else(|| "unknown error".to_owned())
            })
            .collect();
        let code = errors.first().and_then(|error| error.code.as_deref()).unwrap_or_default();
        let status = operation
            .http_error_status_code
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| *status >= 400);
        if messages.is_empty() && status.is_none() {
            return Some(Ok(()));
        }
        let subject = subject(verb, name);
        let message = if messages.is_empty() {
            operation.http_error_message.clone().unwrap_or_default()
        } else {
            messages.join("; ")
        };
        Some(Err(match (status, code) {
            (Some(404), _) | (_, "RESOURCE_NOT_FOUND" | "NOT_FOUND") => {
                Error::NotFound { what: format!("{} {name}", subject.kind) }
            }
            (Some(409), _) | (_, "RESOURCE_ALREADY_EXISTS" | "ALREADY_EXISTS") if verb == "create" => {
                Error::AlreadyExists { what: format!("{} {name}", subject.kind) }
            }
            (Some(401 | 403), _) => Error::Forbidden { verb, what: format!("{} {name}", subject.kind), message },
            _ => Error::Operation { what: format!("{} {name}", subject.kind), message },
        }))
    }
}

const fn subject<'a>(verb: &'static str, name: &'a str) -> Subject<'a> {
    Subject { verb, kind: "firewall rule", name }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fence() -> Firewall {
        Firewall {
            name: "c8-fence-g-in".into(),
            network: "default".into(),
            direction: Direction::Ingress,
            priority: 0,
            disabled: false,
            source_ranges: vec!["10.4.0.0/14".into()],
            destination_ranges: vec![],
            source_tags: vec![],
            target_tags: vec!["c8-camunda-zero".into()],
            allowed: vec![],
            denied: vec![Ports::new("tcp", ["0-52", "54-65535"]), Ports::new("icmp", Vec::<String>::new())],
            description: String::new(),
        }
    }

    #[test]
    fn priority_zero_is_written_and_read_back() {
        let json = serde_json::to_value(fence().to_model("p")).unwrap();
        assert_eq!(json["priority"], 0);
        assert_eq!(json["network"], "projects/p/global/networks/default");
        assert_eq!(json["denied"][0], serde_json::json!({ "IPProtocol": "tcp", "ports": ["0-52", "54-65535"] }));
        let model: model::Firewall = serde_json::from_value(json).unwrap();
        assert_eq!(Firewall::read(&model), fence());
    }

    #[test]
    fn the_error_of_an_operation_is_surfaced() {
        let rules = Firewalls::new(Gcp::new(super::super::GcpConfig::default()), "p".into());
        let operation = |json| serde_json::from_value::<model::Operation>(json).unwrap();
        let running = operation(serde_json::json!({ "name": "o", "status": "RUNNING" }));
        assert_eq!(rules.outcome("create", "r", &running), None);
        let failed = operation(serde_json::json!({ "name": "o", "status": "DONE",
            "error": { "errors": [{ "code": "QUOTA_EXCEEDED", "message": "Quota 'FIREWALLS' exceeded." }] } }));
        let error = rules.outcome("create", "r", &failed).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "firewall rule r: the operation failed: Quota 'FIREWALLS' exceeded.");
        let taken = operation(serde_json::json!({ "name": "o", "status": "DONE", "httpErrorStatusCode": 409,
            "error": { "errors": [{ "code": "RESOURCE_ALREADY_EXISTS", "message": "taken" }] } }));
        assert!(matches!(rules.outcome("create", "r", &taken), Some(Err(Error::AlreadyExists { .. }))));
    }
}
