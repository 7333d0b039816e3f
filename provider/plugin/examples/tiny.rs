//! The smallest provider that shows everything: a note kept in a file, a data source that counts notes, and a function
//! that makes names of them.
//!
//! ```hcl
//! provider "tiny" {
//!   directory = "/tmp/notes"
//! }
//!
//! resource "tiny_note" "this" {
//!   name = "milk"
//!   text = "buy some"
//! }
//! ```
//!
//! Build it with `cargo build --example tiny`, name the binary `terraform-provider-tiny`, and point `dev_overrides` of Terraform's
//! CLI configuration at its directory. `tests/terraform.rs` does just that.

use std::{
    io,
    path::{Path as FilePath, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use terraform_plugin::{
    Apply, Attr, Change, Context, DataSource, Delete, Diagnostics, Ephemeral, Fault, Function, FunctionFault, Model,
    Move, Object, Opened, Path, Provider, Renewed, Resource, Server, Source,
};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A provider of notes.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub(crate) struct Config {
    /// Where the notes lie.
    #[tf(required)]
    directory: Attr<String>,
}

pub(crate) struct Tiny;

/// Where the notes lie; none while Terraform doesn't know yet.
pub(crate) struct Notes(Option<PathBuf>);

impl Notes {
    fn file(&self, name: &str) -> Result<PathBuf, Fault> {
        let directory = self.0.as_deref().ok_or_else(|| {
            Fault::new(
                "Unknown directory",
                "The directory of the notes isn't known yet. Apply what it depends on first.",
            )
        })?;
        Ok(directory.join(name))
    }
}

impl Provider for Tiny {
    type Config = Config;
    type Client = Notes;

    async fn configure(&self, config: Config, _terraform_version: &str) -> Result<Notes, Fault> {
        Ok(Notes(config.directory.into_known().map(PathBuf::from)))
    }
}

/// A note in a file.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Note {
    /// Name of the file.
    #[tf(required, replace)]
    name: Attr<String>,
    /// What the note says. `panic`, `fail` and `hang` do just that when the file is written, for tests.
    #[tf(required)]
    text: Attr<String>,
    /// How important it is.
    #[tf(default = 1, range(1, 5))]
    priority: Attr<i64>,
    /// Path of the file.
    #[tf(computed)]
    id: Attr<String>,
    /// Length of the text in bytes.
    #[tf(computed)]
    size: Attr<i64>,
    /// How long things may take.
    #[tf(block)]
    timeouts: Option<Timeouts>,
}

/// How long things may take, such as `30s` or `1h30m`.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Timeouts {
    /// To write the note first.
    #[tf(optional)]
    create: Attr<String>,
}

/// What a look at the file saw.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    read_only: bool,
}

struct NoteResource;

impl Resource for NoteResource {
    type Model = Note;
    type Client = Notes;
    type Observation = Seen;
    type Intent = String;

    const NAME: &'static str = "tiny_note";
    const CREATE_TIMEOUT: Duration = Duration::from_secs(60);

    fn validate(&self, config: &Note, diags: &mut Diagnostics) {
        if config.name.known().is_some_and(|name| name.contains('/')) {
            diags.error(Path::from("name"), "Invalid name", "A name can't have a `/` in it.");
        }
    }

    fn plan(&self, change: &mut Change<Self>) {
        let Some(prior) = &change.prior else { return };
        if prior.text == change.planned.text {
            return;
        }
        change.planned.size = Attr::Unknown;
        change.intent = Some("rewrite".to_owned());
        if change.observation.as_ref().is_some_and(|seen| seen.read_only) {
            change.diags.warning(None, "The note is read-only", "It is written all the same.");
        }
    }

    fn plan_destroy(&self, prior: &Note, _: Option<&Seen>, diags: &mut Diagnostics) {
        if prior.priority.known() == Some(&5) {
            diags.warning(None, "An important note goes away", "Its priority is 5.");
        }
    }

    async fn read(
        &self,
        ctx: &Context<Notes>,
        mut prior: Note,
        _: Option<Seen>,
    ) -> Result<Option<(Note, Seen)>, Fault> {
        let file = ctx.client.file(known(&prior.name))?;
        let Some(text) = read(&file).await? else { return Ok(None) };
        prior.size = length(&text).into();
        prior.text = text.into();
        prior.id = file.display().to_string().into();
        // what the file doesn't say is as the user wants it, after an import too
        if prior.priority.is_null() {
            prior.priority = 1.into();
        }
        Ok(Some((prior, look(&file).await?)))
    }

    async fn create(&self, ctx: &Context<Notes>, apply: Apply<Self>) -> Result<(Note, Seen), Fault> {
        self.write(ctx, apply).await
    }

    async fn update(&self, ctx: &Context<Notes>, apply: Apply<Self>) -> Result<(Note, Seen), Fault> {
        if apply.planned.text != apply.prior.clone().unwrap_or_default().text
            && apply.intent.as_deref() != Some("rewrite")
        {
            return Err(Fault::new("Lost intent", "What the plan decided did not arrive."));
        }
        self.write(ctx, apply).await
    }

    async fn delete(&self, ctx: &Context<Notes>, delete: Delete<Self>) -> Result<(), Fault> {
        let file = ctx.client.file(known(&delete.prior.name))?;
        match tokio::fs::remove_file(&file).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&file, &error)),
            _ => Ok(()),
        }
    }

    fn import(&self, id: &str) -> Result<Note, Fault> {
        Ok(Note { name: id.to_owned().into(), ..Note::default() })
    }
}

impl NoteResource {
    async fn write(&self, ctx: &Context<Notes>, apply: Apply<Self>) -> Result<(Note, Seen), Fault> {
        let mut note = apply.planned;
        let text = known(&note.text).to_owned();
        let file = ctx.client.file(known(&note.name))?;
        tokio::fs::write(&file, &text).await.map_err(|error| unusable(&file, &error))?;
        note.id = file.display().to_string().into();
        apply.save.save(note.clone(), look(&file).await?);
        match text.as_str() {
            #[allow(clippy::panic, reason = "it is what the test asks for")]
            "panic" => panic!("asked to"),
            "nap" => tokio::time::sleep(Duration::from_secs(3)).await,
            "fail" => return Err(Fault::at(Path::from("text"), "Asked to fail", "The text says so.")),
            "hang" => {
                ctx.cancel.cancelled().await;
                return Err(Fault::new("Stopped while hanging", "The note was written before."));
            }
            "lie" => note.text = "something else".to_owned().into(),
            _ => {}
        }
        note.size = length(&text).into();
        Ok((note, look(&file).await?))
    }
}

/// How many notes there are.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Count {
    /// Only notes whose name begins so.
    #[tf(optional)]
    prefix: Attr<String>,
    /// How many there are.
    #[tf(computed)]
    total: Attr<i64>,
    /// Their names, in order.
    #[tf(computed)]
    names: Attr<Vec<String>>,
}

struct CountSource;

impl DataSource for CountSource {
    type Model = Count;
    type Client = Notes;

    const NAME: &'static str = "tiny_count";

    async fn read(&self, ctx: &Context<Notes>, mut config: Count) -> Result<Count, Fault> {
        let directory = ctx.client.file("")?;
        let prefix = config.prefix.known().cloned().unwrap_or_default();
        let mut entries = tokio::fs::read_dir(&directory).await.map_err(|error| unusable(&directory, &error))?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(|error| unusable(&directory, &error))? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) {
                names.push(name);
            }
        }
        names.sort();
        config.total = i64::try_from(names.len()).unwrap_or(i64::MAX).into();
        config.names = names.into();
        Ok(config)
    }
}

#[derive(Clone, Debug, PartialEq, Object)]
struct NameParts {
    /// How the name begins; null for nothing.
    #[tf(optional)]
    prefix: Attr<String>,
    /// The words of the name.
    words: Attr<Vec<String>>,
}

struct NoteName;

impl Function for NoteName {
    type Arguments = NameParts;
    type Output = String;

    const NAME: &'static str = "note_name";
    const SUMMARY: &'static str = "Makes the name of a note of words.";
    const VARIADIC: bool = true;

    fn call(&self, arguments: NameParts) -> Result<String, FunctionFault> {
        let words = arguments.words.into_known().unwrap_or_default();
        if let Some(index) = words.iter().position(|word| word.contains('/')) {
            return Err(FunctionFault::at(Path::from("words").index(index), "a word can't have a `/` in it"));
        }
        Ok(arguments.prefix.into_known().into_iter().chain(words).collect::<Vec<_>>().join("-"))
    }
}

/// A lock file that lies beside the notes while Terraform runs.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Lock {
    /// Name of the file.
    #[tf(required)]
    name: Attr<String>,
    /// Path of the file.
    #[tf(computed)]
    path: Attr<String>,
}

struct LockFile;

impl Ephemeral for LockFile {
    type Model = Lock;
    type Client = Notes;
    type Handle = PathBuf;

    const NAME: &'static str = "tiny_lock";

    async fn open(&self, ctx: &Context<Notes>, mut config: Lock) -> Result<Opened<Self>, Fault> {
        let file = ctx.client.file(known(&config.name))?;
        tokio::fs::write(&file, "").await.map_err(|error| unusable(&file, &error))?;
        config.path = file.display().to_string().into();
        Ok(Opened { model: config, handle: file, renew_at: Some(SystemTime::now() + Duration::from_secs(1)) })
    }

    async fn renew(&self, _: &Context<Notes>, file: PathBuf) -> Result<Renewed<Self>, Fault> {
        tokio::fs::write(&file, "renewed").await.map_err(|error| unusable(&file, &error))?;
        Ok(Renewed { handle: file, renew_at: None })
    }

    async fn close(&self, _: &Context<Notes>, file: PathBuf) -> Result<(), Fault> {
        let text = read(&file).await?.unwrap_or_default();
        let log = file.with_extension("log");
        tokio::fs::write(&log, format!("closed {text}")).await.map_err(|error| unusable(&log, &error))?;
        tokio::fs::remove_file(&file).await.map_err(|error| unusable(&file, &error))
    }
}

/// A note may have been a `terraform_data` whose input was its name.
struct FromData;

impl Move for FromData {
    type Target = NoteResource;

    fn take(&self, source: &Source) -> Result<Option<Note>, Fault> {
        if source.type_name != "terraform_data" {
            return Ok(None);
        }
        let name = source.json()?["input"]["value"].as_str().map(str::to_owned);
        Ok(Some(Note { name: name.into(), ..Note::default() }))
    }
}

fn known(attribute: &Attr<String>) -> &str {
    attribute.known().map_or("", String::as_str)
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

async fn read(file: &FilePath) -> Result<Option<String>, Fault> {
    match tokio::fs::read_to_string(file).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(file, &error)),
    }
}

async fn look(file: &FilePath) -> Result<Seen, Fault> {
    let metadata = tokio::fs::metadata(file).await.map_err(|error| unusable(file, &error))?;
    Ok(Seen { read_only: metadata.permissions().readonly() })
}

fn unusable(file: &FilePath, error: &io::Error) -> Fault {
    Fault::new("Unusable file", format!("`{}`: {error}.", file.display()))
}

pub(crate) fn server() -> Server<Tiny> {
    Server::new("registry.terraform.io/acme/tiny", env!("CARGO_PKG_VERSION"), Tiny)
        .resource(NoteResource)
        .data_source(CountSource)
        .function(NoteName)
        .moved(FromData)
        .ephemeral(LockFile)
        .grace(Duration::from_secs(2))
}

#[tokio::main]
async fn main() -> ExitCode {
    server().serve().await
}
