//! How the static binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // a megabyte of relocations that every launch would read, in 20 kB; musl applies them since 1.2.4
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
