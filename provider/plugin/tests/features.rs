//! What a schema can say, held against a real Terraform.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod tiny;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

/// `examples/every.rs`, and a directory in which Terraform runs with it.
struct Every {
    root: TempDir,
    provider: Child,
    log: Option<thread::JoinHandle<String>>,
    reattach: String,
}

impl Every {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut provider = Command::new(tiny::example("every"))
            .arg("--debug")
            .env("TMPDIR", root.path())
            .env("TF_LOG", "TRACE")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = provider.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        let mut lines = BufReader::new(provider.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("TF_REATTACH_PROVIDERS='")).unwrap();
        let reattach = line.trim().strip_prefix("TF_REATTACH_PROVIDERS='").unwrap().strip_suffix('\'').unwrap();
        Self { root, provider, log: Some(log), reattach: reattach.to_owned() }
    }

    /// Writes the configuration: some body of the resource, and what else there is.
    fn write(&self, body: &str, more: &str) {
        let text = format!(
            "terraform {{\n  required_providers {{\n    every = {{ source = \"acme/every\" }}\n  }}\n  \
             provider_meta \"every\" {{\n    module = \"network\"\n  }}\n}}\n\
             resource \"terraform_data\" \"first\" {{}}\nresource \"every_thing\" \"this\" {{\n{body}\n}}\n{more}\n"
        );
        fs::write(self.root.path().join("main.tf"), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(tiny::terraform())
            .args(arguments)
            .current_dir(self.root.path())
            .env("TF_REATTACH_PROVIDERS", &self.reattach)
            .env("TF_IN_AUTOMATION", "1")
            .env("NO_COLOR", "1")
            .env_remove("TF_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let (code, text) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{text}");
        text
    }

    /// The plan, and whether it changes something.
    fn plan(&self) -> (bool, String) {
        let (code, text) = self.run(&["plan", "-detailed-exitcode", "-no-color"]);
        assert!(code == 0 || code == 2, "{text}");
        (code == 2, text)
    }

    fn apply(&self) -> String {
        let text = self.ok(&["apply", "-auto-approve", "-no-color"]);
        let (changes, plan) = self.plan();
        assert!(!changes, "the second plan isn't empty\n{plan}");
        text
    }

    /// An attribute in the state.
    fn state(&self, attribute: &str) -> serde_json::Value {
        let text = fs::read_to_string(self.root.path().join("terraform.tfstate")).unwrap();
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        let things = state["resources"].as_array().unwrap();
        let thing = things.iter().find(|one| one["type"] == "every_thing").unwrap();
        thing["instances"][0]["attributes"][attribute].clone()
    }

    /// Ends the provider, and gives its log.
    fn end(mut self) -> String {
        assert!(Command::new("kill").args(["-s", "INT", &self.provider.id().to_string()]).status().unwrap().success());
        self.provider.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Every {
    fn drop(&mut self) {
        let _ = self.provider.kill();
        let _ = self.provider.wait();
    }
}

const FIRST: &str = r#"
  text             = "two   words"
  password         = "hunter2-\"quoted\""
  password_version = 1
  any              = { a = [1, "x", null] }
  labels           = ["pre-${terraform_data.first.id}", null]
  rule { port = 80 }
  rule { port = 443 }
  disk "data" { gb = 10 }
"#;

#[test]
fn terraform_takes_what_a_schema_says() {
    let every = Every::start();
    let outputs = r#"
output "counted" { value = every_thing.this.words != null }
output "named" { value = startswith(every_thing.this.id, "thing-") }
"#;
    every.write(FIRST, outputs);
    every.ok(&["init", "-no-color"]);
    // what is promised decides conditions before anything is known
    let (_, plan) = every.plan();
    assert!(plan.contains("+ counted = true") && plan.contains("+ named   = true"), "{plan}");
    every.apply();
    assert_eq!((every.state("words"), every.state("password_length")), (2.into(), 16.into()));
    assert_eq!((every.state("module"), every.state("password")), ("network".into(), serde_json::Value::Null));
    assert_eq!(every.state("look")["colour"], "grey");
    assert_eq!(every.state("disk")["data"]["id"], "disk-data");

    // other words for the same, another order, another password that nobody counted: nothing changes
    let same = FIRST.replace("two   words", "two words").replace("hunter2", "hunter33");
    let same =
        same.replace("port = 80", "port = 0").replace("port = 443", "port = 80").replace("port = 0", "port = 443");
    every.write(&same, outputs);
    let (changes, plan) = every.plan();
    assert!(!changes, "{plan}");

    // the new password is counted; a rule goes and one comes, a disk comes
    let next = same.replace("password_version = 1", "password_version = 2").replace("port = 443", "port = 22");
    every.write(&format!("{next}\n  disk \"logs\" {{ gb = 1 }}\n  look {{ colour = \"red\" }}\n  size = 2"), outputs);
    every.apply();
    assert_eq!(every.state("password_length"), 17);
    let rules = every.state("rule");
    let mut ids: Vec<_> = rules.as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["rule-22", "rule-80"]);

    // smaller only anew
    every.write(&format!("{next}\n  size = 1"), outputs);
    let (_, plan) = every.plan();
    assert!(plan.contains("must be replaced") && plan.contains("forces replacement"), "{plan}");
    every.apply();

    // this Terraform lets nothing wait
    every.write(&next.replace("two words", "later"), "");
    let (code, text) = every.run(&["plan", "-no-color"]);
    assert!(code == 1 && text.contains("It isn't there yet."), "{text}");
    every.write(&next, "");
    every.ok(&["destroy", "-auto-approve", "-no-color"]);

    for file in ["terraform.tfstate", "terraform.tfstate.backup"] {
        let text = fs::read_to_string(every.root.path().join(file)).unwrap();
        assert!(!text.contains("hunter"), "{file}: {text}");
    }
    let log = every.end();
    assert!(log.contains("logged in with `(sensitive value)`"), "{log}");
    assert!(!log.contains("hunter"), "{log}");
}

#[test]
fn a_function_of_a_provider_without_functions_is_said_to_be_missing() {
    let every = Every::start();
    every.write("  text = \"a\"", "output \"called\" { value = provider::every::nothing(\"a\") }");
    every.ok(&["init", "-no-color"]);
    let (code, text) = every.run(&["plan", "-no-color"]);
    assert!(code == 1 && text.contains("provider::every::nothing"), "{text}");
    assert!(!text.contains("Unsupported plugin method"), "{text}");
    // and nobody minds as long as nobody calls one
    every.write("  text = \"a\"", "");
    every.apply();
}
