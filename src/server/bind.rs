//! Binds addresses.

use crate::config::Address;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// Why a door cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses the address.
    #[error("cannot bind {address}")]
    Refused {
        /// The address.
        address: Address,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Somebody else answers at the Unix socket.
    #[error("another process serves at `{}`", path.display())]
    InUse {
        /// The path of the socket.
        path: PathBuf,
    },
    /// Something that is no socket stands at the path.
    #[error("`{}` exists and is not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}

/// A bound door.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket, removed with the door.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: identity(path),
        }
    }
}

/// Which file stands at a path.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A successor may have bound the same path meanwhile: its socket is left alone.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Binds an address; a Unix socket gets this file mode.
    pub(super) async fn bind(address: &Address, mode: u32) -> Result<Self, BindError> {
        let refused = |cause| BindError::Refused {
            address: address.clone(),
            cause,
        };
        match address {
            Address::Tcp(tcp) => TcpListener::bind(tcp).await.map(Self::Tcp).map_err(refused),
            Address::Unix(path) => {
                remove_stale(path).await?;
                let listener = UnixListener::bind(path).map_err(refused)?;
                let file = SocketFile::new(path);
                let permissions = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(path, permissions).map_err(refused)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// Where it is bound.
    pub(super) fn address(&self) -> Address {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| Address::Unix("unknown".into()), Address::Tcp),
            Self::Unix(_, file) => Address::Unix(file.path.clone()),
        }
    }
}

/// Removes the socket that a process which is gone has left behind.
async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    let path = path.to_owned();
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket { path });
    }
    match UnixStream::connect(&path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Binding tells if this did not help.
            let _ = std::fs::remove_file(&path);
            Ok(())
        }
        // Whoever cannot answer just now is alive nevertheless.
        Ok(_) | Err(_) => Err(BindError::InUse { path }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_gives_way_and_a_living_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let address = Address::Unix(path.clone());
        let first = Listener::bind(&address, 0o600).await.unwrap();
        let second = Listener::bind(&address, 0o600).await;
        assert!(matches!(second, Err(BindError::InUse { .. })));
        // A process that is killed leaves the file.
        let Listener::Unix(listener, file) = first else {
            panic!("a Unix socket was asked for");
        };
        std::mem::forget(file);
        drop(listener);
        let third = Listener::bind(&address, 0o600).await.unwrap();
        // One that ends late leaves the socket of its successor alone.
        std::fs::remove_file(&path).unwrap();
        let fourth = Listener::bind(&address, 0o600).await.unwrap();
        drop(third);
        assert!(path.exists());
        let third = fourth;
        let mode = std::fs::symlink_metadata(&path)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(third);
        assert!(!path.exists(), "an orderly end removes it");
        std::fs::create_dir(&path).unwrap();
        let fourth = Listener::bind(&address, 0o600).await;
        assert!(matches!(fourth, Err(BindError::NotASocket { .. })));
    }
}
