//! Layers, and archives of images in the OCI layout, as `ctr images import` takes them.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::{Config, architecture, hex};

/// Something in a layer.
pub(super) struct Entry {
    path: String,
    what: What,
    mode: u32,
}

enum What {
    File(PathBuf),
    Text(String),
    Link(String),
    Folder,
}

impl Entry {
    /// A file of this machine under `path` (without a slash before it).
    pub(super) fn file(source: &Path, path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), what: What::File(source.to_owned()), mode }
    }

    /// A text.
    pub(super) fn text(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: What::Text(text.into()), mode: 0o644 }
    }

    /// A symbolic link.
    pub(super) fn link(path: &str, target: &str) -> Self {
        Self { path: path.to_owned(), what: What::Link(target.to_owned()), mode: 0o777 }
    }

    /// A folder; those above an entry are made anyway.
    pub(super) fn folder(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), what: What::Folder, mode }
    }
}

/// A layer as a tar file, not compressed: it only ever travels within this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    file: PathBuf,
    digest: String,
    size: u64,
}

impl Layer {
    /// The tar file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

/// Writes a layer. The same entries make the same bytes.
pub(super) fn layer(file: &Path, mut entries: Vec<Entry>) -> Result<Layer> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut known: Vec<String> = Vec::new();
    let mut tar = tar::Builder::new(BufWriter::new(File::create(file)?));
    for entry in &entries {
        for (at, _) in entry.path.match_indices('/') {
            let folder = &entry.path[..at];
            let listed = entries.iter().any(|other| other.path == folder);
            if !listed && !known.iter().any(|known| known == folder) {
                append(&mut tar, &Entry::folder(folder, 0o755))?;
                known.push(folder.to_owned());
            }
        }
        append(&mut tar, entry).with_context(|| format!("/{} can't be added to a layer", entry.path))?;
    }
    tar.into_inner()?.flush()?;
    let (digest, size) = digest(file)?;
    Ok(Layer { file: file.to_owned(), digest, size })
}

fn append<W: Write>(tar: &mut tar::Builder<W>, entry: &Entry) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode);
    // a time that is unpacked as it is: 0 becomes 1 in some hands
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match &entry.what {
        What::File(source) => {
            let file = File::open(source).with_context(|| format!("{} can't be read", source.display()))?;
            header.set_size(file.metadata()?.len());
            tar.append_data(&mut header, &entry.path, file)?;
        }
        What::Text(text) => {
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, &entry.path, text.as_bytes())?;
        }
        What::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, &entry.path, target)?;
        }
        What::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, format!("{}/", entry.path), std::io::empty())?;
        }
    }
    Ok(())
}

/// An image: names, layers from the lowest up, and what runs.
pub(super) struct Image {
    names: Vec<String>,
    layers: Vec<Layer>,
    config: Config,
}

impl Image {
    /// `config` is the `config` of the image's configuration: `Entrypoint`, `Env`, ….
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>, layers: Vec<Layer>, config: Config) -> Self {
        Self { names: names.into_iter().map(str::to_owned).collect(), layers, config }
    }
}

/// Writes images into one archive. What they share is in it once.
pub(super) fn write(file: &Path, images: &[Image]) -> Result<()> {
    let mut tar = tar::Builder::new(BufWriter::new(File::create(file)?));
    let mut written: Vec<String> = Vec::new();
    let mut manifests: Vec<Value> = Vec::new();
    text(&mut tar, "oci-layout", &json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
    for image in images {
        let mut layers = Vec::new();
        for layer in &image.layers {
            layers.push(json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": format!("sha256:{}", layer.digest), "size": layer.size}));
            if !written.contains(&layer.digest) {
                append(&mut tar, &Entry::file(&layer.file, &format!("blobs/sha256/{}", layer.digest), 0o644))?;
                written.push(layer.digest.clone());
            }
        }
        let digests: Vec<String> = image.layers.iter().map(|layer| format!("sha256:{}", layer.digest)).collect();
        let config = json!({"architecture": architecture(), "os": "linux", "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": digests}});
        let config = blob(&mut tar, &mut written, "application/vnd.oci.image.config.v1+json", &config)?;
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers});
        let manifest = blob(&mut tar, &mut written, "application/vnd.oci.image.manifest.v1+json", &manifest)?;
        for name in &image.names {
            let mut named = manifest.clone();
            named["platform"] = json!({"architecture": architecture(), "os": "linux"});
            named["annotations"] = json!({"io.containerd.image.name": name});
            manifests.push(named);
        }
    }
    let index =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests});
    text(&mut tar, "index.json", &index.to_string())?;
    tar.into_inner()?.flush()?;
    Ok(())
}

fn text<W: Write>(tar: &mut tar::Builder<W>, path: &str, text: &str) -> Result<()> {
    append(tar, &Entry::text(path, text))
}

/// Adds a document and returns its descriptor.
fn blob<W: Write>(tar: &mut tar::Builder<W>, written: &mut Vec<String>, kind: &str, document: &Value) -> Result<Value> {
    let bytes = document.to_string();
    let digest = hex(ring::digest::digest(&SHA256, bytes.as_bytes()).as_ref());
    if !written.contains(&digest) {
        text(tar, &format!("blobs/sha256/{digest}"), &bytes)?;
        written.push(digest.clone());
    }
    Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
}

/// SHA-256 in hexadecimal digits, and size.
pub(super) fn digest(file: &Path) -> Result<(String, u64)> {
    let mut reader = File::open(file).with_context(|| format!("{} can't be read", file.display()))?;
    let (mut digest, mut size, mut buffer) = (Context::new(&SHA256), 0, vec![0; 1 << 16]);
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex(digest.finish().as_ref()), size));
        }
        digest.update(&buffer[..read]);
        size += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn content(archive: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut tar = tar::Archive::new(File::open(archive).unwrap());
        tar.entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let (path, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
                entry.read_to_end(&mut bytes).unwrap();
                (path, bytes)
            })
            .collect()
    }

    #[test]
    fn every_digest_leads_to_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("program"), "run").unwrap();
        let shared = layer(&folder.path().join("1.tar"), vec![Entry::text("etc/passwd", "root")]).unwrap();
        let own = layer(
            &folder.path().join("2.tar"),
            vec![Entry::file(&folder.path().join("program"), "bin/program", 0o755), Entry::link("bin/p", "program")],
        )
        .unwrap();
        assert_eq!(content(&folder.path().join("2.tar")).keys().collect::<Vec<_>>(), ["bin/", "bin/p", "bin/program"]);

        let images = [
            Image::new(["r/a:1", "r/a:2"], vec![shared.clone()], json!({"Cmd": ["sh"]})),
            Image::new(["r/b:1"], vec![shared, own], json!({"Entrypoint": ["/bin/program"]})),
        ];
        let archive = folder.path().join("images.tar");
        write(&archive, &images).unwrap();
        let content = content(&archive);
        for (path, bytes) in &content {
            if let Some(digest) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(digest, hex(ring::digest::digest(&SHA256, bytes).as_ref()));
            }
        }
        assert_eq!(content.len(), 2 + 2 + 4, "index and layout, two layers, two images");
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = read(&content["index.json"]);
        let names: Vec<&Value> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|manifest| &manifest["annotations"]["io.containerd.image.name"])
            .collect();
        assert_eq!(names, ["r/a:1", "r/a:2", "r/b:1"]);
        let at = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = &content[&format!("blobs/sha256/{digest}")];
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        };
        for manifest in index["manifests"].as_array().unwrap() {
            let manifest = read(at(manifest));
            let config = read(at(&manifest["config"]));
            let layers = manifest["layers"].as_array().unwrap();
            for layer in layers {
                at(layer);
            }
            let digests: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
            assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().iter().collect::<Vec<_>>(), digests);
        }
    }

    #[test]
    fn the_same_entries_make_the_same_layer() {
        let folder = tempfile::tempdir().unwrap();
        let entries = || vec![Entry::text("b", "2"), Entry::folder("a", 0o777), Entry::text("a/c", "1")];
        let first = layer(&folder.path().join("1.tar"), entries()).unwrap();
        let second = layer(&folder.path().join("2.tar"), entries().into_iter().rev().collect()).unwrap();
        assert_eq!(first.digest, second.digest);
    }
}
