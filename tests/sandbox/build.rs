//! Compiles the wire contracts that the sandbox plays, without protoc.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new("proto");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "proto") {
            files.push(path);
        }
    }
    files.sort();
    println!("cargo::rerun-if-changed=proto");
    let set = protox::compile(&files, [folder])?;
    tonic_prost_build::configure().build_client(true).build_server(true).compile_fds(set)?;
    Ok(())
}
