//! How the static binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // nearly a megabyte of relocations, which every launch reads; musl takes the packed form since 1.2.4
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
