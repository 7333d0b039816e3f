//! A Unix socket in a directory that only this user can enter, removed at the end.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixListener,
};
use tonic::transport::server::Connected;

/// The longest path that macOS accepts for a socket, less its closing zero; Linux has 107.
const LONGEST_PATH: usize = 103;

/// A listening socket and its directory. Dropping it removes both.
#[derive(Debug)]
pub(crate) struct Socket {
    directory: PathBuf,
    path: PathBuf,
}

impl Socket {
    /// Makes the directory and listens in it. `parent` is where the directory goes; by default where temporary files go, or
    /// `/tmp` if that path is too long for a socket.
    pub(crate) fn bind(parent: Option<&Path>) -> io::Result<(Self, UnixListener)> {
        let parent = parent.map_or_else(env::temp_dir, Path::to_owned);
        let name = format!("plugin-{}", unguessable()?);
        let mut directory = parent.join(&name);
        if directory.join("s").as_os_str().len() > LONGEST_PATH {
            directory = Path::new("/tmp").join(&name);
        }
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let path = directory.join("s");
        // made before binding, so that a failure to bind removes the directory too
        let socket = Self { directory, path };
        let listener = UnixListener::bind(&socket.path)?;
        Ok((socket, listener))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // nobody is left who could do anything about a failure
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_dir(&self.directory);
    }
}

fn unguessable() -> io::Result<String> {
    let mut bytes = [0_u8; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// An accepted connection, plain or encrypted.
pub(crate) struct Connection(Pin<Box<dyn Stream>>);

impl Connection {
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_directory_is_private_and_goes_away() {
        let (socket, listener) = Socket::bind(None).unwrap();
        let directory = socket.path().parent().unwrap().to_owned();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        drop(listener);
        drop(socket);
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_goes_to_tmp() {
        let root = tempfile::tempdir().unwrap();
        let long = root.path().join("x".repeat(120));
        fs::create_dir(&long).unwrap();
        let (socket, _listener) = Socket::bind(Some(&long)).unwrap();
        assert!(socket.path().starts_with("/tmp"));
    }
}
