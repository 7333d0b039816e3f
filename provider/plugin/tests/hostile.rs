//! Peers that a plugin should never meet: none of them may make it panic, hang, or leave anything behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod tiny;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rstest::rstest;
use terraform_plugin::proto::tfplugin5::{
    DynamicValue, RawState, get_metadata, provider_client::ProviderClient, upgrade_resource_state,
    validate_resource_type_config,
};
use tiny::{Credentials, Tiny, create, errors};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{sleep, timeout},
};
use tonic::{body::Body, transport::Channel};
use tower::{Service, ServiceExt};

/// What begins each connection of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// It still serves, ends in time, and has never panicked.
async fn is_well(tiny: Tiny) {
    serves(&tiny).await;
    let directory = tiny.socket.parent().unwrap().to_owned();
    let (status, took, log) = tiny.shut_down().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!directory.exists());
    assert!(!log.contains("panic"), "{log}");
}

async fn serves(tiny: &Tiny) {
    let mut provider = ProviderClient::new(tiny.connect_as_started().await);
    let metadata = timeout(Duration::from_secs(5), provider.get_metadata(get_metadata::Request {})).await;
    assert_eq!(metadata.unwrap().unwrap().into_inner().resources.len(), 1);
}

#[rstest]
#[case::plain(None)]
#[case::mutual_tls(Some(Credentials::new()))]
#[tokio::test]
async fn bytes_that_are_no_http(#[case] client: Option<Credentials>) {
    let tiny = Tiny::start(client.as_ref(), &[]);
    let frame = |length: [u8; 3], kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        [PREFACE, &length, &[kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let noise: Vec<u8> = (0_u32..100_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut held = Vec::new();
    for bytes in [
        Vec::new(),
        noise.clone(),
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        PREFACE[..10].to_vec(),
        [PREFACE, &noise].concat(),
        // a frame of 16 MiB that never comes; headers that are cut short, that are no HPACK, on a stream of the server
        frame([0xff; 3], 0, 0, 1, b"x"),
        frame([0, 0, 9], 1, 4, 1, b"\x82"),
        frame([0, 0, 4], 1, 4, 1, b"\xff\xff\xff\xff"),
        frame([0, 0, 1], 1, 4, 2, b"\x82"),
        // settings of a wrong length, a window update by nothing, a frame of an unknown kind
        frame([0, 0, 5], 4, 0, 0, b"\0\0\0\0\0"),
        frame([0, 0, 4], 8, 0, 0, b"\0\0\0\0"),
        frame([0, 0, 2], 0xee, 0xff, 9, b"??"),
    ] {
        let mut stream = UnixStream::connect(&tiny.socket).await.unwrap();
        // it may hang up before all is written
        let _ = stream.write_all(&bytes).await;
        let _ = timeout(Duration::from_millis(20), stream.read(&mut [0; 64])).await;
        held.push(stream);
    }
    serves(&tiny).await;
    // those that were held open don't hold up the end
    is_well(tiny).await;
    drop(held);
}

/// Sends a body as it is, and gives the `grpc-status` of the answer.
async fn raw(channel: &mut Channel, path: &str, body: &str) -> String {
    let request = http::Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(body.to_owned()))
        .unwrap();
    let answer = timeout(Duration::from_secs(5), channel.ready().await.unwrap().call(request)).await.unwrap().unwrap();
    answer.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn messages_that_are_no_messages() {
    let tiny = Tiny::start(None, &[]);
    let mut channel = tiny.connect(None).await;
    let plan = "/tfplugin5.Provider/PlanResourceChange";
    for (path, body) in [
        // nothing; a message that is cut short; one of 2 GB by its own account; one in a compression that nobody agreed on
        (plan, ""),
        (plan, "\0\0\0"),
        (plan, "\0\0\0\0\u{64}abc"),
        (plan, "\0\u{7f}\0\0\0abc"),
        (plan, "\u{1}\0\0\0\u{3}abc"),
        // a flag that is none; no protobuf: a field of a wrong kind, a length beyond the end
        (plan, "\u{9}\0\0\0\u{3}abc"),
        (plan, "\0\0\0\0\u{2}\u{8}\u{1}"),
        (plan, "\0\0\0\0\u{2}\n\u{7f}"),
        ("/tfplugin5.Provider/Nothing", "\0\0\0\0\0"),
        ("/nobody.Here/Nothing", "\0\0\0\0\0"),
        ("/", ""),
    ] {
        let status = raw(&mut channel, path, body).await;
        assert!(!status.is_empty() && status != "0", "{path} {body:?}: {status:?}");
    }
    is_well(tiny).await;
}

/// What `validate` of a note says of a configuration in these bytes.
async fn validated(tiny: &Tiny, msgpack: Vec<u8>) -> Vec<String> {
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    let request = validate_resource_type_config::Request {
        type_name: "tiny_note".to_owned(),
        config: Some(DynamicValue { msgpack, json: Vec::new() }),
        ..Default::default()
    };
    let answer = timeout(Duration::from_secs(20), provider.validate_resource_type_config(request)).await.unwrap();
    let answer = answer.unwrap().into_inner();
    errors(&answer.diagnostics).into_iter().map(str::to_owned).collect()
}

/// A note with these bytes as its text.
fn note(text: &[u8]) -> Vec<u8> {
    let name = |name: &str| [&[0xa0 | u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let null = |attribute: &str| [name(attribute), vec![0xc0]].concat();
    let own = [name("name"), name("a"), name("text"), text.to_vec()].concat();
    [vec![0x86], null("id"), own, null("priority"), null("size"), null("timeouts")].concat()
}

#[tokio::test]
async fn values_that_are_no_values() {
    let tiny = Tiny::start(None, &[]);
    assert_eq!(validated(&tiny, note(b"\xa1x")).await, [""; 0], "the form is right");
    // any extension is an unknown value, whatever a later Terraform may tell about it in there
    for extension in [&b"\xd4\x05\0"[..], b"\xc7\0\x0c", b"\xc7\x03\x0c\xa1\xa1\xa1", b"\xd8\x7faaaaaaaaaaaaaaaa"] {
        assert_eq!(validated(&tiny, note(extension)).await, [""; 0], "{extension:x?}");
    }
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("an extension of 4 GB", note(b"\xc9\xff\xff\xff\xff\x0c")),
        ("a code that is none", note(b"\xc1")),
        ("text that is no UTF-8", note(b"\xa1\xff")),
        ("text of 4 GB", note(b"\xdb\xff\xff\xff\xff")),
        ("a map of 4 billion", b"\xdf\xff\xff\xff\xff\xa1a".to_vec()),
        ("a list of 4 billion", note(b"\xdd\xff\xff\xff\xff")),
        ("lists in lists", note(&[0x91; 1 << 20])),
        ("bytes after the end", [note(b"\xa1x"), b"\xc0".to_vec()].concat()),
    ] {
        let said = validated(&tiny, bytes).await;
        assert_eq!(said.len(), 1, "{what}: {said:?}");
    }
    is_well(tiny).await;
}

#[tokio::test]
async fn a_value_of_100_megabytes() {
    let tiny = Tiny::start(None, &[]);
    let size = 100_u32 << 20;
    let text = [&[0xdb][..], &size.to_be_bytes(), &vec![b'x'; size as usize]].concat();
    for _ in 0..4 {
        assert_eq!(validated(&tiny, note(&text)).await.len(), 1, "too large is said, not died of");
    }
    // and none of them is kept
    #[cfg(target_os = "linux")]
    assert!(tiny.memory("VmRSS") < 100 << 10, "{} KiB", tiny.memory("VmRSS"));
    is_well(tiny).await;
}

#[tokio::test]
async fn state_nested_without_end() {
    let tiny = Tiny::start(None, &[]);
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    for stored in ["[".repeat(1 << 20), format!("{{\"gone\":{}", "{\"a\":".repeat(1 << 18)), "nul".to_owned()] {
        let request = upgrade_resource_state::Request {
            type_name: "tiny_note".to_owned(),
            version: 0,
            raw_state: Some(RawState { json: stored.into_bytes(), ..Default::default() }),
        };
        let answer = provider.upgrade_resource_state(request).await.unwrap().into_inner();
        assert_eq!(errors(&answer.diagnostics).len(), 1, "{:?}", answer.diagnostics);
    }
    is_well(tiny).await;
}

#[tokio::test]
async fn a_client_that_vanishes_in_a_call() {
    let notes = tempfile::tempdir().unwrap();
    let tiny = Tiny::start(None, &[]);
    serves(&tiny).await;
    let before = open_files(&tiny);
    for name in ["a", "b", "c"] {
        let mut provider = tiny.configured(notes.path()).await;
        let call = tokio::spawn(async move { provider.apply_resource_change(create(name, "hang", None)).await });
        appears(&notes.path().join(name)).await;
        // its connection goes with it
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    // nothing is held for those that are gone
    let start = Instant::now();
    while open_files(&tiny) > before {
        assert!(start.elapsed() < Duration::from_secs(10), "{} files are open, {before} were", open_files(&tiny));
        sleep(Duration::from_millis(10)).await;
    }
    is_well(tiny).await;
}

/// Sockets and files that the process has open; none that could be counted on another system.
fn open_files(tiny: &Tiny) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", tiny.child.id())).map_or(0, Iterator::count)
}

#[rstest]
#[case("TERM", 143)]
#[case("HUP", 129)]
#[tokio::test]
async fn signals_end_it_even_in_a_call(#[case] signal: &str, #[case] expected: i32) {
    let notes = tempfile::tempdir().unwrap();
    let mut tiny = Tiny::start(None, &[]);
    let directory = tiny.socket.parent().unwrap().to_owned();
    let mut provider = tiny.configured(notes.path()).await;
    let call = tokio::spawn(async move { provider.apply_resource_change(create("a", "hang", None)).await });
    appears(&notes.path().join("a")).await;
    // Ctrl-C, twice: Terraform's business
    tiny.signal("INT");
    tiny.signal("INT");
    serves(&tiny).await;
    let start = Instant::now();
    tiny.signal(signal);
    let status = tiny.child.wait().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(status.code(), Some(expected));
    assert!(!directory.exists());
    assert!(!tiny.log().contains("panic"));
    call.await.unwrap().unwrap_err();
}

async fn appears(file: &Path) {
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < Duration::from_secs(10), "{} never came", file.display());
        sleep(Duration::from_millis(10)).await;
    }
}
