//! One of the two API servers that are compared. Neither has controllers: what is compared is the API alone.

use std::path::Path;
use std::sync::Arc;

use c8_sandbox::kubernetes::{Fault, Host, Reach, Settings, Store, serve_host};
use c8_sandbox::real::{Plane, Setup, Upstream};
use parking_lot::Mutex;
use tokio::io::DuplexStream;

/// An API server.
pub struct Side {
    pub upstream: Upstream,
    _plane: Option<Plane>,
}

const SERVICES: &str = "34.118.224.0/20";

impl Side {
    /// The sandbox's.
    pub fn simulated() -> Side {
        let settings = Settings::new("p", "europe-west1-b", "one", "10.8.0.0/14", "10.200.0.0/24", SERVICES);
        let host = Alone(Arc::new(Mutex::new(Store::new(settings))));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        serve_host(host, listener, None);
        Side { upstream: Upstream::new(port, None, "good"), _plane: None }
    }

    /// A real one.
    pub async fn real(binary: &Path) -> Side {
        let setup = Setup {
            binary: binary.to_owned(),
            name: "differential".to_owned(),
            service_cidr: SERVICES.to_owned(),
            advertised: "10.200.0.2".to_owned(),
            controllers: false,
            token_review: None,
        };
        let plane = Plane::start(&setup).await.unwrap();
        Side { upstream: plane.upstream.clone(), _plane: Some(plane) }
    }
}

/// A host without a world.
#[derive(Clone)]
struct Alone(Arc<Mutex<Store>>);

impl Host for Alone {
    fn with_store<R>(&self, f: impl FnOnce(&mut Store) -> R) -> Option<R> {
        Some(f(&mut self.0.lock()))
    }

    fn reach(&self) -> Reach {
        Reach::Answers
    }

    fn authorised(&self, token: &str) -> bool {
        token == "good"
    }

    fn dial(&self, _: &str, _: &str, _: u16) -> Result<DuplexStream, String> {
        Err("no pod runs here".to_owned())
    }

    fn called(&self, _: &str, _: &str) -> Option<Fault> {
        None
    }
}
