//! Panics as lines that Terraform shows to the user.
//!
//! Terraform collects what a plugin writes to stderr from a line that starts with `panic: ` on, and shows it when the run fails.
//! The text that Rust writes by itself isn't recognised. A panic in a resource doesn't end the process, it becomes a diagnostic;
//! this line says where in the code it was.

use std::{
    any::Any,
    io::Write,
    panic::{PanicHookInfo, set_hook},
    thread,
};

use crate::mask;

/// Replaces Rust's own report.
pub(crate) fn install() {
    set_hook(Box::new(|info| {
        let mut stderr = std::io::stderr().lock();
        // nobody is left to tell if this fails
        let _ = stderr.write_all(line(info).as_bytes());
    }));
}

fn line(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
    let current = thread::current();
    format!(
        "panic: {}{place} (thread `{}`)\n",
        mask::masked(message(info.payload())).replace('\n', " "),
        current.name().unwrap_or("unnamed")
    )
}

/// What the panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "without a message"
    }
}
