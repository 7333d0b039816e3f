//! The binary that Terraform starts.

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The futures of the Google and Kubernetes clients nest deep: without optimisation they need more than tokio's 2 MiB.
/// Only what is used becomes memory.
const STACK: usize = 16 << 20;

fn main() -> ExitCode {
    // the one TLS implementation of this binary; an error says that there is one already
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // stdout is the protocol
            eprintln!("terraform-provider-c8 can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(terraform_provider_c8::server().serve());
    // a blocking DNS look-up must not hold the exit
    runtime.shutdown_background();
    code
}
