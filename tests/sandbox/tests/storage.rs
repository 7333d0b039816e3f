//! The JSON API of Cloud Storage, as search stores speak it: what it does, and above all what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use c8_sandbox::{Options, Sandbox};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const ACCOUNT: &str = "es-backup@sandbox.iam.gserviceaccount.com";

struct World {
    sandbox: Sandbox,
    token: String,
    client: Client,
}

impl World {
    async fn new(roles: &[&str]) -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let token = {
            let mut world = sandbox.shared().lock();
            let member = format!("serviceAccount:{ACCOUNT}");
            let bucket = world.gcp.buckets.entry("backup".into()).or_default();
            bucket.policy = roles
                .iter()
                .map(|role| (format!("roles/storage.{role}"), vec![member.clone()]))
                .collect::<BTreeMap<_, _>>();
            world.gcp.issue_token(ACCOUNT)
        };
        Self { sandbox, token, client: Client::new() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.endpoints().storage)
    }

    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let mut request = self.client.request(method, self.url(path)).bearer_auth(&self.token).body(body);
        for (key, value) in headers {
            request = request.header(*key, *value);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.bytes().await.unwrap().to_vec())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.call(Method::GET, path, &[], vec![]).await;
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn upload(&self, query: &str, resource: &Value, media: &[u8]) -> (StatusCode, Value) {
        let mut body =
            format!("--x\r\nContent-Type: application/json\r\n\r\n{resource}\r\n--x\r\nContent-Type: a/b\r\n\r\n")
                .into_bytes();
        body.extend_from_slice(media);
        body.extend_from_slice(b"\r\n--x--\r\n");
        let path = format!("/upload/storage/v1/b/backup/o?uploadType=multipart{query}");
        let headers = [("content-type", "multipart/related; boundary=x")];
        let (status, body) = self.call(Method::POST, &path, &headers, body).await;
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn stored(&self, name: &str) -> Option<Vec<u8>> {
        self.sandbox.shared().lock().gcp.buckets["backup"].data(name).map(<[u8]>::to_vec)
    }
}

const WRITER: [&str; 2] = ["objectAdmin", "legacyBucketReader"];

#[tokio::test]
async fn an_object_goes_in_and_comes_out() {
    let world = World::new(&WRITER).await;
    let (status, object) = world.upload("&ifGenerationMatch=0", &json!({"name": "g/u/a b"}), b"\x00line\r\n--y").await;
    assert_eq!(status, StatusCode::OK, "{object}");
    assert_eq!((object["size"].as_str(), object["contentType"].as_str()), (Some("10"), Some("a/b")));
    let (_, read) = world.get("/storage/v1/b/backup/o/g%2Fu%2Fa%20b").await;
    assert_eq!(read, object);

    let path = "/download/storage/v1/b/backup/o/g%2Fu%2Fa%20b?alt=media";
    assert_eq!(world.call(Method::GET, path, &[], vec![]).await, (StatusCode::OK, b"\x00line\r\n--y".to_vec()));
    let part = world.call(Method::GET, path, &[("range", "bytes=1-4")], vec![]).await;
    assert_eq!(part, (StatusCode::PARTIAL_CONTENT, b"line".to_vec()));
    let beyond = world.call(Method::GET, path, &[("range", "bytes=10-")], vec![]).await;
    assert_eq!(beyond.0, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn conditions_and_checksums_are_checked() {
    let world = World::new(&WRITER).await;
    let name = json!({"name": "a"});
    let (_, first) = world.upload("", &name, b"one").await;
    let (status, error) = world.upload("&ifGenerationMatch=0", &name, b"two").await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{error}");
    let (status, _) = world.upload("", &json!({"name": "a", "crc32c": "AAAAAA=="}), b"two").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(world.stored("a").as_deref(), Some(b"one".as_slice()));

    let generation = first["generation"].as_str().unwrap();
    let (status, _) = world.upload(&format!("&ifGenerationMatch={generation}"), &name, b"two").await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = world.get(&format!("/storage/v1/b/backup/o/a?generation={generation}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the first generation is gone");
}

#[tokio::test]
async fn an_upload_in_pieces_is_there_when_the_last_one_is() {
    let world = World::new(&WRITER).await;
    let begun = world
        .client
        .post(world.url("/upload/storage/v1/b/backup/o?uploadType=resumable"))
        .bearer_auth(&world.token)
        .json(&json!({"name": "big"}))
        .send()
        .await
        .unwrap();
    let session = begun.headers()["location"].to_str().unwrap().to_owned();
    let piece = async |range: &'static str, data: &'static [u8]| {
        let request = world.client.put(&session).bearer_auth(&world.token).header("content-range", range).body(data);
        let response = request.send().await.unwrap();
        let range = response.headers().get("range").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), range)
    };
    assert_eq!(piece("bytes 0-3/*", b"abcd").await, (308, Some("bytes=0-3".into())));
    assert_eq!(piece("bytes 9-9/10", b"z").await, (400, None));
    assert_eq!(piece("bytes */*", b"").await, (308, Some("bytes=0-3".into())));
    assert_eq!(world.stored("big"), None);
    assert_eq!(piece("bytes 4-5/6", b"ef").await, (200, None));
    assert_eq!(world.stored("big").as_deref(), Some(b"abcdef".as_slice()));
    assert_eq!(piece("bytes 4-5/6", b"ef").await.0, 410, "the session is over");
}

#[tokio::test]
async fn lists_have_folders_and_pages() {
    let world = World::new(&WRITER).await;
    for name in ["g/u/a", "g/u/indices/x/1", "g/u/indices/y/1", "g/u/z", "other"] {
        world.upload("", &json!({"name": name}), b"1").await;
    }
    let names = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let (_, all) = world.get("/storage/v1/b/backup/o?prefix=g/u/&delimiter=/").await;
    assert_eq!((names(&all), &all["prefixes"]), (vec!["g/u/a".into(), "g/u/z".into()], &json!(["g/u/indices/"])));
    let (mut seen, mut page) = (Vec::new(), String::new());
    loop {
        let (_, list) =
            world.get(&format!("/storage/v1/b/backup/o?prefix=g/u/&delimiter=/&maxResults=1&pageToken={page}")).await;
        seen.extend(names(&list));
        seen.extend(list["prefixes"].as_array().unwrap().iter().map(|prefix| prefix.as_str().unwrap().to_owned()));
        match list["nextPageToken"].as_str() {
            Some(next) => page = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["g/u/a", "g/u/indices/", "g/u/z"]);
}

#[tokio::test]
async fn a_batch_has_its_tokens_inside() {
    let world = World::new(&WRITER).await;
    for name in ["a/1", "b"] {
        world.upload("", &json!({"name": name}), b"1").await;
    }
    let part = |id: u8, object: &str, token: &str| {
        format!(
            "--x\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\nDELETE http://h/storage/v1/b/backup/o/{object} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n\r\n"
        )
    };
    let body = [part(1, "a%2F1", &world.token), part(2, "b", "no-token"), part(3, "gone", &world.token)].concat()
        + "--x--\r\n";
    let response = world
        .client
        .post(world.url("/batch/storage/v1"))
        .header("content-type", "multipart/mixed; boundary=x")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("HTTP/1.1") || line.starts_with("Content-ID")).collect();
    assert_eq!(
        lines,
        [
            "Content-ID: <response-1>",
            "HTTP/1.1 204 No Content",
            "Content-ID: <response-2>",
            "HTTP/1.1 401 Unauthorized",
            "Content-ID: <response-3>",
            "HTTP/1.1 404 Not Found",
        ]
    );
    assert_eq!((world.stored("a/1"), world.stored("b")), (None, Some(b"1".to_vec())));
}

#[tokio::test]
async fn nothing_goes_without_a_token_or_a_role() {
    let mut world = World::new(&["objectViewer"]).await;
    let (status, error) = world.get("/storage/v1/b/backup").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        error["error"]["message"].as_str().unwrap().contains("does not have storage.buckets.get access"),
        "{error}"
    );
    assert_eq!(world.get("/storage/v1/b/backup/o").await.0, StatusCode::OK);
    assert_eq!(world.upload("", &json!({"name": "a"}), b"1").await.0, StatusCode::FORBIDDEN);
    let resumable = "/upload/storage/v1/b/backup/o?uploadType=resumable&name=a";
    assert_eq!(world.call(Method::POST, resumable, &[], vec![]).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.call(Method::DELETE, "/storage/v1/b/backup/o/a", &[], vec![]).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.get("/storage/v1/b/other/o").await.0, StatusCode::NOT_FOUND);
    world.token = "ya29.wrong".into();
    assert_eq!(world.get("/storage/v1/b/backup/o").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.stored("a"), None);
}

#[tokio::test]
async fn who_may_create_may_not_overwrite() {
    let world = World::new(&["objectCreator"]).await;
    assert_eq!(world.upload("", &json!({"name": "a"}), b"1").await.0, StatusCode::OK);
    assert_eq!(world.upload("", &json!({"name": "a"}), b"2").await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.stored("a").as_deref(), Some(b"1".as_slice()));
}
