//! The example provider under the real Terraform (or OpenTofu).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "only its schemas are wanted here")]
#[path = "../examples/tiny.rs"]
mod example;
mod tiny;

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A directory with a configuration, and the notes beside it.
struct Workspace {
    root: TempDir,
    terraform: PathBuf,
    /// `TF_REATTACH_PROVIDERS`.
    reattach: Option<String>,
}

impl Workspace {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let plugins = root.path().join("plugins");
        for directory in ["plugins", "notes", "work"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        fs::copy(tiny::binary(), plugins.join("terraform-provider-tiny")).unwrap();
        let cli = format!(
            "disable_checkpoint = true\nprovider_installation {{\n  dev_overrides {{\n    \"acme/tiny\" = \"{}\"\n  }}\n  direct {{}}\n}}\n",
            plugins.display()
        );
        fs::write(root.path().join("cli.tfrc"), cli).unwrap();
        Self { root, terraform: tiny::terraform(), reattach: None }
    }

    /// Replaces the configuration.
    fn write(&self, body: &str) {
        let head = format!(
            "terraform {{\n  required_providers {{\n    tiny = {{ source = \"acme/tiny\" }}\n  }}\n}}\n\nprovider \"tiny\" {{\n  directory = \"{}\"\n}}\n\n",
            self.notes().display()
        );
        fs::write(self.work().join("main.tf"), head + body).unwrap();
    }

    fn note(&self, name: &str, text: &str) {
        self.write(&format!("resource \"tiny_note\" \"this\" {{\n  name = \"{name}\"\n  text = \"{text}\"\n}}\n"));
    }

    fn notes(&self) -> PathBuf {
        self.root.path().join("notes")
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.terraform);
        command
            .args(arguments)
            .current_dir(self.work())
            .env("TF_CLI_CONFIG_FILE", self.root.path().join("cli.tfrc"))
            .env("TF_IN_AUTOMATION", "1")
            .env("NO_COLOR", "1")
            .env_remove("TF_LOG")
            .env_remove("TF_REATTACH_PROVIDERS")
            .envs(self.reattach.as_ref().map(|line| ("TF_REATTACH_PROVIDERS", line)))
            .stdin(Stdio::null());
        command
    }

    /// Lets Terraform start no provider, but attach itself to a running one.
    fn attach(&mut self, reattach: String) {
        fs::remove_file(self.root.path().join("plugins/terraform-provider-tiny")).unwrap();
        self.reattach = Some(reattach);
    }

    /// Runs it and says how it ended and what it said.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let (code, text) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{text}");
        text
    }

    fn fails(&self, arguments: &[&str]) -> String {
        let (code, text) = self.run(arguments);
        assert_eq!(code, 1, "{arguments:?}\n{text}");
        text
    }

    fn apply(&self) -> String {
        let text = self.ok(&["apply", "-auto-approve", "-no-color"]);
        let (code, plan) = self.run(&["plan", "-detailed-exitcode", "-no-color"]);
        assert_eq!(code, 0, "the second plan isn't empty\n{plan}");
        text
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_life_of_a_resource() {
    let space = Workspace::new();
    let notes = space.notes();

    space.note("milk", "buy some");
    space.ok(&["validate"]);
    space.apply();
    assert_eq!(read(&notes.join("milk")), "buy some");

    // in place, with what the plan decided and what isn't known before
    space.note("milk", "buy two");
    let text = space.apply();
    assert!(text.contains("will be updated in-place"), "{text}");
    assert!(text.contains("~ size") && text.contains("(known after apply)"), "{text}");
    assert_eq!(read(&notes.join("milk")), "buy two");

    // what somebody else changed is seen and set right
    fs::write(notes.join("milk"), "drunk").unwrap();
    let (code, text) = space.run(&["plan", "-detailed-exitcode", "-no-color"]);
    assert_eq!(code, 2, "{text}");
    space.apply();
    assert_eq!(read(&notes.join("milk")), "buy two");

    // a new name is another file
    space.note("bread", "buy two");
    let text = space.apply();
    assert!(text.contains("# forces replacement"), "{text}");
    assert!(!notes.join("milk").exists() && notes.join("bread").exists());

    // what is gone is made again
    fs::remove_file(notes.join("bread")).unwrap();
    assert!(space.apply().contains("1 added"));

    // a lost state is imported, by the ID alone
    fs::remove_file(space.work().join("terraform.tfstate")).unwrap();
    space.ok(&["import", "-no-color", "tiny_note.this", "bread"]);
    let (code, text) = space.run(&["plan", "-detailed-exitcode", "-no-color"]);
    assert_eq!(code, 0, "{text}");

    space.ok(&["destroy", "-auto-approve", "-no-color"]);
    assert_eq!(fs::read_dir(&notes).unwrap().count(), 0);
}

#[test]
fn schemas_as_data_are_what_terraform_sees() {
    let space = Workspace::new();
    space.note("milk", "buy some");
    let text = space.ok(&["providers", "schema", "-json"]);
    let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (_, tiny) = seen["provider_schemas"].as_object().unwrap().iter().next().unwrap();
    let ours = example::server().schemas();
    assert_eq!(example::server().problems(), [""; 0]);
    for (name, ours) in ours.to_json().as_object().unwrap() {
        assert_eq!(&tiny[name], ours, "{name}");
    }
}

#[test]
fn a_data_source_and_warnings_at_destroy() {
    let space = Workspace::new();
    space.write(
        "resource \"tiny_note\" \"this\" {\n  for_each = toset([\"a1\", \"a2\", \"b1\"])\n  name     = each.key\n  text     = \"x\"\n  priority = 5\n}\n\n\
         data \"tiny_count\" \"this\" {\n  prefix     = \"a\"\n  depends_on = [tiny_note.this]\n}\n\n\
         output \"names\" {\n  value = data.tiny_count.this.names\n}\n",
    );
    space.apply();
    assert_eq!(space.ok(&["output", "-json", "names"]).trim(), r#"["a1","a2"]"#);
    let text = space.ok(&["destroy", "-auto-approve", "-no-color"]);
    assert!(text.contains("An important note goes away"), "{text}");
}

#[test]
fn a_function_is_called_and_its_faults_are_shown_at_the_argument() {
    let space = Workspace::new();
    let call = |arguments: &str| {
        space.write(&format!("output \"name\" {{\n  value = provider::tiny::note_name({arguments})\n}}\n"));
    };
    call("null, \"milk\", \"bread\"");
    space.apply();
    assert_eq!(space.ok(&["output", "-json", "name"]).trim(), r#""milk-bread""#);
    call("\"a\", \"b\", \"c/d\"");
    let text = space.fails(&["validate", "-no-color"]);
    assert!(text.contains("Invalid value for \"words\" parameter: a word can't have a `/` in it"), "{text}");
    call("\"a\", null");
    let text = space.fails(&["validate", "-no-color"]);
    assert!(text.contains("must not be null"), "{text}");
    // what isn't known yet isn't asked for
    space.write(
        "resource \"tiny_note\" \"this\" {\n  name = \"a\"\n  text = \"t\"\n}\n\n\
         output \"name\" {\n  value = provider::tiny::note_name(\"at\", tostring(tiny_note.this.size))\n}\n",
    );
    space.apply();
    assert_eq!(space.ok(&["output", "-json", "name"]).trim(), r#""at-1""#);
}

#[test]
fn the_state_of_another_type_is_taken_over() {
    let space = Workspace::new();
    space.write("resource \"terraform_data\" \"old\" {\n  input = \"milk\"\n}\n");
    space.apply();
    fs::write(space.notes().join("milk"), "buy some").unwrap();
    space.write(
        "moved {\n  from = terraform_data.old\n  to   = tiny_note.this\n}\n\n\
         resource \"tiny_note\" \"this\" {\n  name = \"milk\"\n  text = \"buy some\"\n}\n",
    );
    let text = space.apply();
    assert!(text.contains("has moved to tiny_note.this") && text.contains("0 added, 0 changed, 0 destroyed"), "{text}");
    space.write("moved {\n  from = tiny_note.this\n  to   = terraform_data.new\n}\n");
    space.fails(&["plan", "-no-color"]);
}

#[test]
fn what_is_ephemeral_is_opened_renewed_and_closed() {
    let space = Workspace::new();
    // a plan that lasts long enough for a renewal
    space.write(
        "ephemeral \"tiny_lock\" \"this\" {\n  name = \"lock\"\n}\n\n\
         provider \"tiny\" {\n  alias     = \"locked\"\n  directory = dirname(ephemeral.tiny_lock.this.path)\n}\n\n\
         resource \"tiny_note\" \"this\" {\n  provider = tiny.locked\n  name     = \"milk\"\n  text     = \"nap\"\n}\n",
    );
    space.ok(&["apply", "-auto-approve", "-no-color"]);
    assert!(!space.notes().join("lock").exists());
    assert_eq!(read(&space.notes().join("lock.log")), "closed renewed");
    assert_eq!(read(&space.notes().join("milk")), "nap");
    let state = read(&space.work().join("terraform.tfstate"));
    assert!(!state.contains("\"type\": \"tiny_lock\""), "{state}");
    space.write("ephemeral \"tiny_lock\" \"this\" {\n  name = \"a\"\n  path = \"b\"\n}\n");
    space.fails(&["validate", "-no-color"]);
}

#[test]
fn bad_input_is_refused_at_its_line() {
    let space = Workspace::new();
    space.write("resource \"tiny_note\" \"this\" {\n  name     = \"a\"\n  text     = \"b\"\n  priority = 9\n}\n");
    let text = space.fails(&["plan", "-no-color"]);
    assert!(text.contains("main.tf line") && text.contains("priority = 9"), "{text}");
    space.write("resource \"tiny_note\" \"this\" {\n  name = \"a/b\"\n  text = \"b\"\n}\n");
    let text = space.fails(&["validate", "-no-color"]);
    assert!(text.contains("A name can't have a `/` in it."), "{text}");
    assert_eq!(fs::read_dir(space.notes()).unwrap().count(), 0);
}

#[test]
fn what_was_made_before_a_failure_is_remembered() {
    let space = Workspace::new();
    for (text, said) in [("fail", "Asked to fail"), ("panic", "The provider panicked"), ("lie", "bug of the provider")]
    {
        space.note("milk", text);
        let output = space.fails(&["apply", "-auto-approve", "-no-color"]);
        assert!(output.contains(said), "{output}");
        let shown = space.ok(&["show", "-no-color"]);
        assert!(shown.contains("(tainted)"), "{shown}");
        space.note("milk", "fine");
        assert!(space.apply().contains("1 destroyed"));
        // the failure of an update taints nothing
        space.note("milk", text);
        space.fails(&["apply", "-auto-approve", "-no-color"]);
        let shown = space.ok(&["show", "-no-color"]);
        assert!(!shown.contains("(tainted)"), "{shown}");
        space.note("milk", "fine");
        space.ok(&["destroy", "-auto-approve", "-no-color"]);
    }
}

#[test]
fn ctrl_c_keeps_what_was_made() {
    let space = Workspace::new();
    space.note("milk", "hang");
    let mut command = space.command(&["apply", "-auto-approve", "-no-color"]);
    // Ctrl-C reaches every process of the group, the provider too
    let mut child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !space.notes().join("milk").exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "the apply never began");
        sleep(Duration::from_millis(20));
    }
    let group = format!("-{}", child.id());
    assert!(Command::new("kill").args(["-s", "INT", "--", &group]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let shown = space.ok(&["show", "-no-color"]);
    assert!(shown.contains("(tainted)") && shown.contains("\"hang\""), "{shown}");
}

#[test]
fn terraform_attaches_itself_in_debug_mode() {
    let mut space = Workspace::new();
    let child = Command::new(tiny::binary())
        .arg("--debug")
        .env("TMPDIR", space.root.path())
        .env_remove("TF_LOG")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut guarded = Killed(child);
    let child = &mut guarded.0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("TF_REATTACH_PROVIDERS='")).unwrap();
    let json = line.trim().strip_prefix("TF_REATTACH_PROVIDERS='").unwrap().strip_suffix('\'').unwrap();
    let parsed: serde_json::Value = serde_json::from_str(json).unwrap();
    let entry = &parsed["registry.terraform.io/acme/tiny"];
    assert_eq!((&entry["Pid"], &entry["ProtocolVersion"]), (&child.id().into(), &5.into()), "{json}");
    let socket = PathBuf::from(entry["Addr"]["String"].as_str().unwrap());
    assert!(socket.starts_with(space.root.path()) && socket.exists());

    // one process for all that follows, configured again and again
    space.attach(json.to_owned());
    space.note("milk", "buy some");
    space.apply();
    assert_eq!(read(&space.notes().join("milk")), "buy some");
    space.note("milk", "buy two");
    assert!(space.apply().contains("1 changed"));
    space.ok(&["destroy", "-auto-approve", "-no-color"]);
    assert_eq!(fs::read_dir(space.notes()).unwrap().count(), 0);

    assert!(child.try_wait().unwrap().is_none(), "Terraform ended it");
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!socket.parent().unwrap().exists());
}

/// A process that nobody else would end if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn killed_terraform_leaves_no_provider_behind() {
    let space = Workspace::new();
    space.note("milk", "hang");
    let temporary = space.root.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = space.command(&["apply", "-auto-approve", "-no-color"]);
    let mut child = command.env("TMPDIR", &temporary).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let binary = fs::canonicalize(space.root.path().join("plugins/terraform-provider-tiny")).unwrap();
    let start = Instant::now();
    while !space.notes().join("milk").exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "the apply never began");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(running(&binary), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while running(&binary) > 0 {
        assert!(start.elapsed() < Duration::from_secs(2), "the provider lives on");
        sleep(Duration::from_millis(20));
    }
    let sockets =
        |directory: &Path| fs::read_dir(directory).unwrap().map(|one| one.unwrap().path()).collect::<Vec<_>>();
    let left: Vec<_> = sockets(&temporary).into_iter().filter(|path| path.join("s").exists()).collect();
    assert_eq!(left, [""; 0].map(PathBuf::from));
}

/// How many processes run a binary.
#[cfg(target_os = "linux")]
fn running(binary: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes.filter(|process| fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == binary)).count()
}
