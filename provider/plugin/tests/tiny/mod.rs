//! Builds `examples/tiny.rs`, and plays Terraform to it.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use terraform_plugin::{
    Type, Value,
    proto::{
        go_plugin::{Empty, grpc_controller_client::GrpcControllerClient},
        tfplugin5::{
            DynamicValue, apply_resource_change, configure, diagnostic::Severity, provider_client::ProviderClient,
        },
    },
    value::msgpack,
};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

/// The binary of `examples/tiny.rs`.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| example("tiny"))
}

/// The binary of an example. `cargo test` builds it, but not if it is asked for a single test file: then it is built here, if it
/// is older than its sources.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let binary = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["src", "proto", "examples", "../plugin-derive/src"];
    let changed = sources.iter().map(|directory| newest(&here.join(directory))).max().unwrap();
    if fs::metadata(&binary).and_then(|file| file.modified()).is_ok_and(|built| built > changed) {
        return binary;
    }
    let mut build = Command::new(env!("CARGO"));
    // what cargo sets for the running test would make build scripts believe that everything changed
    let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| own(name) || name == "CARGO_CRATE_NAME") {
        build.env_remove(name);
    }
    let built = build
        // of the whole workspace: features are then those of the tests, and the registry's crates aren't built again
        .args(["build", "--quiet", "--workspace", "--example", name])
        .current_dir(here)
        .status()
        .unwrap();
    assert!(built.success(), "`cargo build --example {name}` failed");
    binary
}

/// The Terraform to test with.
/// `TF_ACC_TERRAFORM_PATH` names another one.
pub fn terraform() -> PathBuf {
    if let Some(named) = std::env::var_os("TF_ACC_TERRAFORM_PATH") {
        return PathBuf::from(named);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = ["terraform", "tofu"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |directory| directory.join(name)))
        .find(|candidate| candidate.is_file());
    found.expect("neither `terraform` nor `tofu` is on PATH: install one of them to run this test")
}

/// When a file in a directory was last changed.
fn newest(directory: &Path) -> SystemTime {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => newest(&entry.path()),
            false => entry.metadata().unwrap().modified().unwrap(),
        })
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A client certificate, as Terraform makes one for each process.
#[derive(Clone)]
pub struct Credentials {
    pub pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Credentials {
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { pem: certificate.pem(), certificate: certificate.der().clone(), key: key.serialize_der() }
    }
}

/// A running provider.
pub struct Tiny {
    /// Where its socket is: a process that is killed leaves it behind.
    _sockets: TempDir,
    pub child: Child,
    pub line: String,
    pub socket: PathBuf,
    /// From the launch to the handshake line.
    pub launched: Duration,
    server_certificate: Option<CertificateDer<'static>>,
    client: Option<Credentials>,
    stderr: Option<thread::JoinHandle<String>>,
}

impl Tiny {
    /// Starts it as Terraform would, with TLS if there is a client certificate.
    pub fn start(client: Option<&Credentials>, more: &[(&str, &str)]) -> Self {
        Self::start_binary(binary(), client, more)
    }

    /// The same with another provider.
    pub fn start_binary(binary: &Path, client: Option<&Credentials>, more: &[(&str, &str)]) -> Self {
        let sockets = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("PLUGIN_UNIX_SOCKET_DIR", sockets.path())
            .env("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2")
            .env("PLUGIN_PROTOCOL_VERSIONS", "6,5")
            .envs(more.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(client) = client {
            command.env("PLUGIN_CLIENT_CERT", &client.pem);
        }
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let launched = begun.elapsed();
        let mut pipe = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        let fields: Vec<_> = line.trim_end().split('|').collect();
        assert_eq!([fields[0], fields[1], fields[2], fields[4]], ["1", "5", "unix", "grpc"], "{line}");
        let server_certificate = match fields[5] {
            "" => None,
            text => Some(STANDARD_NO_PAD.decode(text).unwrap().into()),
        };
        let socket = PathBuf::from(fields[3]);
        Self {
            _sockets: sockets,
            child,
            line: line.clone(),
            socket,
            launched,
            server_certificate,
            client: client.cloned(),
            stderr: Some(stderr),
        }
    }

    /// A plain connection, or one by TLS that shows `shown`.
    pub async fn connect(&self, shown: Option<&Credentials>) -> Channel {
        let socket = self.socket.clone();
        let connector = self.server_certificate.as_ref().map(|certificate| connector(certificate, shown));
        Endpoint::from_static("http://localhost").connect_with_connector_lazy(tower::service_fn(move |_| {
            let (socket, connector) = (socket.clone(), connector.clone());
            async move {
                let stream = UnixStream::connect(socket).await?;
                Ok::<_, std::io::Error>(match connector {
                    Some(connector) => {
                        let stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
                        TokioIo::new(tokio_util::either::Either::Left(stream))
                    }
                    None => TokioIo::new(tokio_util::either::Either::Right(stream)),
                })
            }
        }))
    }

    /// A connection of the client that started it.
    pub async fn connect_as_started(&self) -> Channel {
        self.connect(self.client.as_ref()).await
    }

    /// What the system says of the process in `/proc/PID/status`, in KiB.
    #[cfg(target_os = "linux")]
    pub fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// A provider configured to keep its notes in `directory`.
    pub async fn configured(&self, directory: &Path) -> ProviderClient<Channel> {
        let mut client = ProviderClient::new(self.connect(None).await);
        let config = json(&serde_json::json!({ "directory": directory }));
        let request = configure::Request { config, ..Default::default() };
        let answer = client.configure(request).await.unwrap().into_inner();
        assert!(answer.diagnostics.is_empty(), "{:?}", answer.diagnostics);
        client
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to end, and says how it ended, how long that took, and what it wrote to stderr.
    pub async fn shut_down(mut self) -> (ExitStatus, Duration, String) {
        let mut controller = GrpcControllerClient::new(self.connect_as_started().await);
        let start = Instant::now();
        controller.shutdown(Empty {}).await.unwrap();
        let status = self.child.wait().unwrap();
        (status, start.elapsed(), self.log())
    }

    /// What it wrote to stderr; waits for its end.
    pub fn log(&mut self) -> String {
        self.stderr.take().unwrap().join().unwrap()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connector(server: &CertificateDer<'static>, shown: Option<&Credentials>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(server.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        Some(one) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(one.key.clone()));
            builder.with_client_auth_cert(vec![one.certificate.clone()], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// A value in the form that is easy to write.
pub fn json(value: &serde_json::Value) -> Option<DynamicValue> {
    Some(DynamicValue { json: value.to_string().into_bytes(), msgpack: Vec::new() })
}

/// The type of `tiny_note`.
pub fn note() -> Type {
    let timeouts = Type::object([("create", Type::String)]);
    Type::object([
        ("name", Type::String),
        ("text", Type::String),
        ("priority", Type::Number),
        ("id", Type::String),
        ("size", Type::Number),
        ("timeouts", timeouts),
    ])
}

/// Asks to create a note with this text, without having planned: everything computed is unknown.
pub fn create(name: &str, text: &str, timeout: Option<&str>) -> apply_resource_change::Request {
    let timeouts = timeout.map_or(Value::Null, |time| Value::object([("create", Value::String(time.to_owned()))]));
    let planned = Value::object([
        ("name", Value::String(name.to_owned())),
        ("text", Value::String(text.to_owned())),
        ("priority", Value::Number(1.into())),
        ("id", Value::unknown()),
        ("size", Value::unknown()),
        ("timeouts", timeouts),
    ]);
    let value = Some(DynamicValue { msgpack: msgpack::encode(&note(), &planned).unwrap(), json: Vec::new() });
    apply_resource_change::Request {
        type_name: "tiny_note".to_owned(),
        prior_state: json(&serde_json::Value::Null),
        planned_state: value.clone(),
        config: value,
        ..Default::default()
    }
}

/// The state of a note in an answer.
pub fn state(message: Option<&DynamicValue>) -> Value {
    msgpack::decode(&note(), &message.unwrap().msgpack).unwrap()
}

/// The summaries of the errors in an answer.
pub fn errors(diagnostics: &[terraform_plugin::proto::tfplugin5::Diagnostic]) -> Vec<&str> {
    diagnostics.iter().filter(|one| one.severity() == Severity::Error).map(|one| one.summary.as_str()).collect()
}
