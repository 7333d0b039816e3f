//! What the process is, from the variables of the real image and a few of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::outside::wire::Kind;
use crate::zeebe::settings::CONTACT_POINTS;

/// What it has to know to start.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Broker or gateway (`ZEEBE_STANDALONE_GATEWAY=true`).
    pub kind: Kind,
    /// The world's endpoint: `C8_SANDBOX_WORLD`, `host:port`.
    pub world: String,
    /// The version to play: `C8_SANDBOX_VERSION`; 8.7.2 when absent.
    pub version: String,
    /// Its namespace: `K8S_NAMESPACE`, else that of the service account, else of the DNS search list.
    pub namespace: String,
    /// Its pod: `K8S_NAME`, else the host's name.
    pub pod: String,
    /// The volume: `C8_SANDBOX_DATA`; `/usr/local/zeebe/data` when absent.
    pub data: PathBuf,
    /// Address to listen on.
    pub listen: String,
    /// Port for other members (26502).
    pub internal: u16,
    /// Port for commands (26501): connections are accepted, nothing is said. Gateways have none.
    pub command: Option<u16>,
    /// Ports that the world answers on: as the real image numbers them, and where they are.
    pub served: Vec<(u16, u16)>,
    /// Where others find it: `host:port`.
    pub advertised: String,
    /// Where it looks for others.
    pub contact_points: Vec<String>,
    /// All variables that begin with `ZEEBE_`, `C8_` or `K8S_`.
    pub variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads variables.
    ///
    /// # Errors
    /// One that is needed is missing; the text names it.
    pub fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let variables: BTreeMap<String, String> = variables
            .into_iter()
            .filter(|(name, _)| ["ZEEBE_", "C8_", "K8S_", "SERVER_"].iter().any(|prefix| name.starts_with(prefix)))
            .collect();
        let text = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let port = |names: &[&str], default: u16| -> Result<u16, String> {
            match names.iter().find_map(|name| Some((name, text(name)?))) {
                Some((name, value)) => value.parse().map_err(|_| format!("{name}={value} is no port")),
                None => Ok(default),
            }
        };
        let kind = if text("ZEEBE_STANDALONE_GATEWAY").is_some_and(|value| value == "true") {
            Kind::Gateway
        } else {
            Kind::Broker
        };
        let own = match kind {
            Kind::Broker => "ZEEBE_BROKER",
            Kind::Gateway => "ZEEBE_GATEWAY",
        };
        let pod = text("K8S_NAME").or_else(hostname).ok_or("K8S_NAME is not set, and the host has no name")?;
        let internal = port(&["ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT", "ZEEBE_GATEWAY_CLUSTER_PORT"], 26502)?;
        let host = text("ZEEBE_BROKER_NETWORK_ADVERTISEDHOST")
            .or_else(|| text("ZEEBE_GATEWAY_CLUSTER_ADVERTISEDHOST"))
            .ok_or_else(|| format!("{own}_…_ADVERTISEDHOST is not set"))?;
        let door = port(
            &["ZEEBE_BROKER_NETWORK_INTERNALAPI_ADVERTISEDPORT", "ZEEBE_GATEWAY_CLUSTER_ADVERTISEDPORT"],
            internal,
        )?;
        let management = port(&["SERVER_PORT"], 9600)?;
        let (command, served) = match kind {
            Kind::Broker => (Some(port(&["ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT"], 26501)?), vec![(9600, management)]),
            Kind::Gateway => {
                let grpc = port(&["ZEEBE_GATEWAY_NETWORK_PORT"], 26500)?;
                (None, vec![(9600, management), (26500, grpc), (8080, port(&["C8_SANDBOX_REST_PORT"], 8080)?)])
            }
        };
        Ok(Self {
            kind,
            world: text("C8_SANDBOX_WORLD").ok_or("C8_SANDBOX_WORLD is not set: host:port of the world")?,
            version: text("C8_SANDBOX_VERSION").unwrap_or_else(|| "8.7.2".into()),
            namespace: text("K8S_NAMESPACE")
                .or_else(namespace)
                .ok_or("K8S_NAMESPACE is not set, and there is no service account")?,
            pod,
            data: text("C8_SANDBOX_DATA").map_or_else(|| PathBuf::from("/usr/local/zeebe/data"), PathBuf::from),
            listen: text("C8_SANDBOX_LISTEN").unwrap_or_else(|| "0.0.0.0".into()),
            internal,
            command,
            served,
            advertised: format!("{host}:{door}"),
            contact_points: CONTACT_POINTS
                .iter()
                .find_map(|name| text(name))
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|point| !point.is_empty())
                .map(str::to_owned)
                .collect(),
            variables,
        })
    }
}

fn hostname() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The kubelet mounts it with the token; without one, the search list of DNS begins with `<namespace>.svc.`.
fn namespace() -> Option<String> {
    let mounted = std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok();
    let searched = || {
        let resolv = std::fs::read_to_string("/etc/resolv.conf").ok()?;
        let line = resolv.lines().find_map(|line| line.strip_prefix("search "))?;
        line.split_whitespace().find_map(|domain| domain.split_once(".svc.")).map(|(namespace, _)| namespace.to_owned())
    };
    mounted.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).or_else(searched)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn broker_as_the_chart_sets_it() {
        let broker = read(&[
            ("C8_SANDBOX_WORLD", "172.30.0.1:7650"),
            ("K8S_NAME", "camunda-zeebe-1"),
            ("K8S_NAMESPACE", "camunda-ew4"),
            ("ZEEBE_BROKER_NETWORK_ADVERTISEDHOST", "camunda-zeebe-1.camunda-zeebe.camunda-ew4.svc"),
            ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", "a.b.c.svc.cluster.local:26502, d:26502"),
            ("PATH", "/bin"),
        ])
        .unwrap();
        assert_eq!(broker.kind, Kind::Broker);
        assert_eq!(broker.advertised, "camunda-zeebe-1.camunda-zeebe.camunda-ew4.svc:26502");
        assert_eq!(broker.contact_points, ["a.b.c.svc.cluster.local:26502", "d:26502"]);
        assert_eq!((broker.command, broker.served.as_slice()), (Some(26501), &[(9600, 9600)][..]));
        assert!(!broker.variables.contains_key("PATH"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(read(&[("K8S_NAME", "a")]).unwrap_err().contains("ADVERTISEDHOST"));
        let error = read(&[("ZEEBE_BROKER_NETWORK_ADVERTISEDHOST", "a"), ("K8S_NAME", "a")]).unwrap_err();
        assert!(error.contains("C8_SANDBOX_WORLD"), "{error}");
    }
}
